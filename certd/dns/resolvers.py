"""The recursive resolvers that certd asks for the way to authoritative servers, never for a validation value."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from certd.dns.addresses import host_and_port
from certd.dns.bounded import TimeIsUp, within
from certd.dns.exchange import Deadline, Reply, ask, question
from certd.dns.resolv_conf import LOCAL_RESOLVER, RESOLV_CONF, IgnoredLine, read_resolv_conf
from certd.errors import DnsUnreachable

Doh = Callable[[bytes], bytes]
"""DNS over HTTPS (RFC 8484): a query's wire form in, a reply's wire form out; raises OSError."""

_LARGEST_REPLY = 65535


class Resolvers:
    """The configured resolvers, or the system's, and DNS over HTTPS behind them where that is configured.

    Args:
        addresses: ``192.0.2.1``, ``192.0.2.1:5353``, ``[2001:db8::1]:53``; empty: ``/etc/resolv.conf``, read again
            at each look so that a new lease of the network is followed.
        doh: Asked when none of the addresses answers.
        patience: Seconds for UDP and again for TCP at each.
        system_file: The system's list of resolvers.
    """

    def __init__(
        self,
        addresses: Sequence[str] = (),
        *,
        doh: Doh | None = None,
        patience: float = 2.0,
        system_file: Path = RESOLV_CONF,
    ) -> None:
        self._configured = tuple(addresses)
        self._system_file = system_file
        self._patience = patience
        self.doh = doh

    def addresses(self) -> tuple[str, ...]:
        """Who is asked, in order."""
        if self._configured:
            return self._configured
        return read_resolv_conf(self._system_file).servers or (LOCAL_RESOLVER,)

    def ignored_lines(self) -> tuple[IgnoredLine, ...]:
        """The lines of the system's file that have no effect; none where the configuration names resolvers."""
        return () if self._configured else read_resolv_conf(self._system_file).ignored

    def ask(
        self,
        name: dns.name.Name,
        kind: dns.rdatatype.RdataType,
        deadline: Deadline,
        *,
        checking_disabled: bool = False,
    ) -> dns.message.Message:
        """The first usable reply (NOERROR or NXDOMAIN); else the first reply at all, such as SERVFAIL.

        Args:
            checking_disabled: Without DNSSEC validation (RFC 4035 section 3.2.2).

        Raises:
            DnsUnreachable: no resolver answers.
        """
        query = question(name, kind, recursion=True)
        if checking_disabled:
            query.flags |= dns.flags.CD
        second_best: dns.message.Message | None = None
        troubles: list[str] = []
        for text in self.addresses():
            host, port = host_and_port(text, 53)
            reply = ask(query, host, deadline=deadline, patience=self._patience, ports_of=_at(port))
            if reply.message is None:
                troubles.append(f"{text} {reply.trouble}")
            elif reply.message.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                return reply.message
            else:
                second_best = second_best or reply.message
        if second_best is None and self.doh is not None:
            reply = self.ask_doh(query, deadline)
            if reply.message is not None:
                return reply.message
            troubles.append(f"DNS over HTTPS {reply.trouble}")
        if second_best is not None:
            return second_best
        raise DnsUnreachable(
            f"no resolver answers: {'; '.join(troubles)}",
            hint="set network.resolvers to resolvers that this host can reach, or network.doh where port 53 is blocked",
        )

    def ask_doh(self, query: dns.message.Message, deadline: Deadline) -> Reply:
        """Ask by DNS over HTTPS. Never raises for what a server or a network can do."""
        doh = self.doh
        if doh is None:
            return Reply(trouble="is not configured")
        wire = query.to_wire()
        try:
            message = dns.message.from_wire(within(deadline.left(), lambda: doh(wire)))
        except TimeIsUp:
            return Reply(trouble="does not answer in time")
        except OSError as error:
            return Reply(trouble=_without_address(error))
        except (dns.exception.DNSException, ValueError) as error:
            return Reply(trouble=f"answers with something that is not DNS ({type(error).__name__})")
        if not query.is_response(message):
            return Reply(trouble="answers another question")
        return Reply(message=message)


def doh_at(url: str, open_url: Callable[[urllib.request.Request], bytes] | None = None) -> Doh:
    """DNS over HTTPS at a URL, by POST (RFC 8484 section 4.1).

    Args:
        open_url: Sends the request and returns the body; the default obeys the usual proxy variables. Given where
            the configuration sets a proxy or trust anchors.
    """

    def read(request: urllib.request.Request) -> bytes:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - the operator's own https URL
            return bytes(response.read(_LARGEST_REPLY))

    send = open_url or read

    def exchange(wire: bytes) -> bytes:
        headers = {"Content-Type": "application/dns-message", "Accept": "application/dns-message"}
        request = urllib.request.Request(url, data=wire, headers=headers, method="POST")  # noqa: S310
        try:
            return send(request)
        except http.client.HTTPException as error:
            # Neither an OSError nor a ValueError; its words repeat the answer.
            raise OSError(0, f"no HTTP answer, {type(error).__name__}") from None

    return exchange


def _without_address(error: OSError) -> str:
    """Why DNS over HTTPS failed. A library's words may repeat the address, and some have a token in their path."""
    if isinstance(error, urllib.error.HTTPError):
        return f"answers {error.code}"
    why = getattr(error, "reason", error)
    return f"cannot be reached ({getattr(why, 'strerror', None) or type(why).__name__})"


def _at(port: int) -> Callable[[str], tuple[str, int]]:
    return lambda address: (address, port)
