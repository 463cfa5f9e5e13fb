"""The system's resolvers: ``/etc/resolv.conf``, read as glibc reads it (resolv.conf(5), glibc's ``res_init.c``).

glibc ignores each line that it does not understand. dnspython raises an error instead, and one odd line would end every
look-up. So certd has a reader of its own.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from certd.system.regular_file import open_regular

RESOLV_CONF = Path("/etc/resolv.conf")

# glibc and musl ask the resolver of this machine where the file names none.
LOCAL_RESOLVER = "127.0.0.1"

# "lookup" and "family" are OpenBSD's.
_KEYWORDS = frozenset({b"nameserver", b"domain", b"search", b"sortlist", b"options", b"lookup", b"family"})
_LARGEST = 256 * 1024
_LONGEST_SHOWN = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoredLine:
    """A line that has no effect.

    Attributes:
        number: Of the line, from 1.
        text: Its beginning, printable.
        reason: Why it is ignored.
    """

    number: int
    text: str
    reason: str

    def __str__(self) -> str:
        return f'line {self.number} "{self.text}" {self.reason}'


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvConf:
    """What the file says.

    Attributes:
        servers: Addresses of resolvers in their order; empty where the file names none.
        ignored: The lines that have no effect.
    """

    servers: tuple[str, ...] = ()
    ignored: tuple[IgnoredLine, ...] = ()


def read_resolv_conf(path: Path = RESOLV_CONF) -> ResolvConf:
    """Read the file; one that is missing or cannot be read names no resolver, as for glibc. Never raises."""
    try:
        with open_regular(path) as file:
            data = file.read(_LARGEST)
    except OSError:
        return ResolvConf()
    return parse_resolv_conf(data)


def parse_resolv_conf(data: bytes) -> ResolvConf:
    """Parse the file's content. Never raises."""
    servers: list[str] = []
    ignored: list[IgnoredLine] = []
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip() or line.startswith((b"#", b";")):
            continue
        # A keyword begins the line, and a blank follows it; for C a text ends at the first zero byte.
        keyword, *rest = line.partition(b"\0")[0].replace(b"\t", b" ").split(b" ", 1)
        if keyword.strip() not in _KEYWORDS:
            ignored.append(_ignored(number, line, "does not begin with a keyword of resolv.conf"))
        elif keyword.strip() == b"nameserver":
            words = rest[0].split() if rest else []
            address = _address(words[0]) if words else ""
            if address:
                servers.append(address)
            else:
                ignored.append(_ignored(number, line, "names no IP address (a port is not allowed)"))
    return ResolvConf(servers=tuple(servers), ignored=tuple(ignored))


def _address(word: bytes) -> str:
    """The address as text that sockets take; empty for what is not an IP address."""
    try:
        text = word.decode("ascii")
        bare, _, scope = text.partition("%")
        if ":" in bare:
            socket.inet_pton(socket.AF_INET6, bare)
            # An interface's name has neither white space nor control characters nor a slash (Linux, dev_valid_name).
            return "" if scope and (not scope.isprintable() or "/" in scope) else f"{bare}%{scope}" if scope else bare
        # Like glibc, which takes "127.1", too.
        return socket.inet_ntoa(socket.inet_aton(text))
    except (OSError, ValueError):
        return ""


def _ignored(number: int, line: bytes, reason: str) -> IgnoredLine:
    shown = "".join(letter if letter.isprintable() else "?" for letter in line.decode("ascii", errors="replace"))
    text = shown if len(shown) <= _LONGEST_SHOWN else shown[:_LONGEST_SHOWN] + "..."
    return IgnoredLine(number=number, text=text, reason=reason)
