"""Where the responder listens: concrete addresses, bound here or passed by systemd (LISTEN_FDS)."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from certd.dns.addresses import host_and_port
from certd.errors import DnsUnreachable

_FIRST_PASSED = 3  # SD_LISTEN_FDS_START
_BACKLOG = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """Sockets of one responder, non-blocking: as many for UDP as for TCP."""

    udp: tuple[socket.socket, ...]
    tcp: tuple[socket.socket, ...]

    def close(self) -> None:
        """Close all."""
        for each in (*self.udp, *self.tcp):
            each.close()

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Address and port of each."""
        return tuple((each.getsockname()[0], each.getsockname()[1]) for each in self.udp)


def wrong_with(text: str) -> str:
    """What is wrong with a ``listen`` entry, in words; empty when nothing is."""
    try:
        host, _ = host_and_port(text, 53)
        address = ipaddress.ip_address(host)
    except ValueError:
        return f'"{text}" is not an address with a port, like "192.0.2.10:53" or "[2001:db8::10]:53"'
    if address.is_unspecified:
        # A datagram to a wildcard socket may be answered from another address than it was sent to, and a
        # wildcard on port 53 collides with the stub resolver that many distributions run on loopback.
        return f'"{text}" stands for every address: name the concrete ones'
    if address.is_multicast:
        return f'"{text}" is a multicast address'
    return ""


def listeners(listen: Sequence[str], environment: Mapping[str, str], pid: int) -> Listeners:
    """UDP and TCP on each address, taking a passed socket where one is bound to just that address and port.

    Args:
        listen: ``addr:port`` and ``[v6]:port``. Port 0: any free one, the same for UDP and TCP.
        environment: For ``LISTEN_PID`` and ``LISTEN_FDS``.

    Raises:
        DnsUnreachable: an address cannot be had; nothing stays open.
    """
    passed = passed_sockets(environment, pid)
    udp: list[socket.socket] = []
    tcp: list[socket.socket] = []
    try:
        for text in listen:
            host, port = host_and_port(text, 53) if not text.endswith(":0") else (text[:-2].strip("[]"), 0)
            given: socket.socket | None = passed.pop((host, port, int(socket.SOCK_DGRAM)), None)
            datagrams = given if given is not None else _bound(host, port, socket.SOCK_DGRAM)
            udp.append(datagrams)
            port = datagrams.getsockname()[1]
            passed_stream: socket.socket | None = passed.pop((host, port, int(socket.SOCK_STREAM)), None)
            tcp.append(passed_stream if passed_stream is not None else _bound(host, port, socket.SOCK_STREAM))
    except OSError as error:
        Listeners(udp=tuple(udp), tcp=tuple(tcp)).close()
        raise DnsUnreachable(
            f"the responder cannot listen on {text}: {error.strerror or error}", hint=_hint(error)
        ) from error
    finally:
        for unused in passed.values():
            unused.close()
    return Listeners(udp=tuple(udp), tcp=tuple(tcp))


def passed_sockets(environment: Mapping[str, str], pid: int) -> dict[tuple[str, int, int], socket.socket]:
    """What systemd passed to this process, by address, port and type: duplicates, so that closing loses nothing."""
    count = environment.get("LISTEN_FDS", "")
    if environment.get("LISTEN_PID") != str(pid) or not count.isdigit():
        return {}
    found: dict[tuple[str, int, int], socket.socket] = {}
    for number in range(_FIRST_PASSED, _FIRST_PASSED + int(count)):
        with contextlib.suppress(OSError):  # not a socket, such as a FIFO: somebody else's
            passed = socket.socket(fileno=os.dup(number))
            if passed.family not in (socket.AF_INET, socket.AF_INET6):
                passed.close()
                continue
            passed.setblocking(False)
            host, port = passed.getsockname()[:2]
            found[(str(host), int(port), int(passed.type))] = passed
    return found


def _bound(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, kind)
    try:
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setblocking(False)
        made.bind((host, port))
        if kind == socket.SOCK_STREAM:
            made.listen(_BACKLOG)
    except OSError:
        made.close()
        raise
    return made


def _hint(error: OSError) -> str:
    match error.errno:
        case errno.EACCES | errno.EPERM:
            return "port 53 needs AmbientCapabilities=CAP_NET_BIND_SERVICE, or sockets passed by a systemd .socket unit"
        case errno.EADDRINUSE:
            return "another name server is there; ss -lnup 'sport = :53' names it"
        case errno.EADDRNOTAVAIL:
            return "this host does not have the address (yet)"
        case _:
            return ""
