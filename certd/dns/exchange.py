"""One question to one address: UDP first, TCP when it is truncated or lost.

dnspython computes one expiry per call and works on non-blocking sockets, so its ``timeout`` is a real deadline
(a server that drips one byte a second does not outlive it); nothing outside has to guard it.
"""

from __future__ import annotations

import errno
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype

# Fits every path without fragments (DNS flag day 2020); the same figure that Let's Encrypt's resolvers announce.
EDNS_PAYLOAD = 1232

# What the operating system says when this host has no way at all to an address family.
_NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})

PortsOf = Callable[[str], tuple[str, int]]
"""Where an address answers: from an address as DNS knows it to the address and port to be asked."""


def standard_port(address: str) -> tuple[str, int]:
    """Name servers answer on port 53."""
    return address, 53


class Deadline:
    """The end of a whole operation, on the clock that never goes back.

    Args:
        seconds: From now on.
    """

    __slots__ = ("_expires", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._expires = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self._expires - time.monotonic())

    def share(self, most: float) -> float:
        """Seconds for one step: at most ``most``, never more than what is left."""
        return min(most, self.left())


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back from one address.

    Attributes:
        message: The reply; None when there was none that can be read.
        trouble: Why there is none, as the predicate of a sentence: ``does not answer``.
        no_route: This host has no route to the address; it was never asked.
    """

    message: dns.message.Message | None = field(default=None)
    trouble: str = ""
    no_route: bool = False


def question(
    name: dns.name.Name, kind: dns.rdatatype.RdataType, *, recursion: bool = False
) -> dns.message.QueryMessage:
    """A query with a random id and EDNS; RD only where a resolver is asked."""
    flags = dns.flags.RD if recursion else dns.flags.Flag(0)
    return dns.message.make_query(name, kind, use_edns=0, payload=EDNS_PAYLOAD, flags=flags)


def ask(
    query: dns.message.Message,
    address: str,
    *,
    deadline: Deadline,
    patience: float = 2.0,
    ports_of: PortsOf = standard_port,
) -> Reply:
    """Ask one address. Never raises for anything that a server or a network can do.

    Replies are matched by address, id and question (dnspython); strays and malformed datagrams are waited past,
    so that a spoofer cannot end the exchange. A server that answers FORMERR to EDNS is asked once more without
    (RFC 6891 section 7).

    Args:
        address: An IP address as DNS knows it.
        patience: Seconds for UDP, and again for TCP.
    """
    reply = _ask_once(query, address, deadline, patience, ports_of)
    message = reply.message
    if query.edns < 0 or message is None or message.rcode() != dns.rcode.FORMERR or message.edns >= 0:
        return reply
    asked = query.question[0]
    plain = dns.message.make_query(asked.name, asked.rdtype, flags=query.flags)
    return _ask_once(plain, address, deadline, patience, ports_of)


def _ask_once(
    query: dns.message.Message, address: str, deadline: Deadline, patience: float, ports_of: PortsOf
) -> Reply:
    where, port = ports_of(address)
    try:
        return Reply(message=_udp(query, where, port, deadline.share(patience)))
    except (dns.message.Truncated, dns.exception.Timeout):
        pass
    except OSError as error:
        if error.errno in _NO_ROUTE:
            return Reply(trouble=f"has no route from here ({_family(where)})", no_route=True)
        # EPERM from a local packet filter, EHOSTUNREACH from a router: TCP may still get through.
    except (dns.exception.DNSException, ValueError, struct.error):
        pass
    if deadline.left() <= 0:
        return Reply(trouble=f"does not answer ({deadline.seconds:g} s are up)")
    try:
        return Reply(message=dns.query.tcp(query, where, timeout=deadline.share(patience), port=port))
    except dns.exception.Timeout:
        return Reply(trouble=f"does not answer (neither UDP nor TCP within {patience:g} s)")
    except ConnectionRefusedError:
        return Reply(trouble=f"does not answer (UDP is silent, TCP port {port} refuses connections)")
    except EOFError:
        return Reply(trouble="does not answer (UDP is silent or truncated, TCP hangs up)")
    except OSError as error:
        if error.errno in _NO_ROUTE:
            return Reply(trouble=f"has no route from here ({_family(where)})", no_route=True)
        return Reply(trouble=f"cannot be reached ({error.strerror or type(error).__name__})")
    except (dns.exception.DNSException, ValueError, struct.error) as error:
        return Reply(trouble=f"answers with something that is not a DNS reply ({type(error).__name__})")


def _udp(query: dns.message.Message, where: str, port: int, timeout: float) -> dns.message.Message:
    return dns.query.udp(
        query,
        where,
        timeout=timeout,
        port=port,
        ignore_unexpected=True,
        ignore_errors=True,
        raise_on_truncation=True,
    )


def _family(address: str) -> str:
    return "IPv6" if ":" in address else "IPv4"
