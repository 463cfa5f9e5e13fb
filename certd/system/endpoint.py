"""``host:port`` and URLs as operators write them."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

DEFAULT_PORT = 443


def split_endpoint(endpoint: str) -> tuple[str, int]:
    """``host``, ``host:port``, ``[v6]:port``; 443 where no port is given. Raises ValueError with what is wrong."""
    host, port = endpoint, ""
    if endpoint.startswith("["):
        host, bracket, rest = endpoint[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError("brackets without an address and a port, like [2001:db8::1]:443")
        port = rest[1:]
    elif endpoint.count(":") == 1:
        host, _, port = endpoint.partition(":")
    if not host:
        raise ValueError("no host")
    if not is_host(host):
        raise ValueError(f'"{host[:40]}" is not a host')
    if port and not is_port(port):
        raise ValueError(f'"{port}" is not a port')
    return host, int(port) if port else DEFAULT_PORT


def is_port(text: str) -> bool:
    """Whether a text is a port, 1 to 65535: of ASCII digits, for ``"²".isdigit()`` holds and ``int("²")`` raises."""
    return text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536


def has_port(endpoint: str) -> bool:
    """Whether an endpoint names its port itself."""
    host, colon, port = endpoint.rpartition(":")
    return bool(colon) and is_port(port) and (":" not in host or host.endswith("]"))


def is_host(text: str) -> bool:
    """Whether a text can be looked up: ``socket`` raises UnicodeError, no OSError, for empty and for long labels."""
    if any(letter <= " " or letter == "\x7f" for letter in text):
        return False
    labels = text.removesuffix(".").split(".")
    return len(text) <= 253 and all(0 < len(label) <= 63 for label in labels)


def split_url(text: str) -> SplitResult:
    """The parts of a URL; its port is not judged.

    The message does not repeat the URL, which may hold a token.

    Raises:
        ValueError: with what is wrong. ``urlsplit`` itself raises for brackets and for letters that become others, and
            passes over control characters.
    """
    if any(letter <= " " or letter == "\x7f" for letter in text):
        raise ValueError("it holds a blank or a control character")
    try:
        return urlsplit(text)
    except ValueError:
        raise ValueError("its host is malformed; an IPv6 address is written like https://[2001:db8::1]/") from None


def wrong_with_url(text: str, schemes: Sequence[str] = ("https", "http")) -> str:
    """What is wrong with a URL of one of these schemes, in words; empty when nothing is."""
    try:
        parts = split_url(text)
    except ValueError as error:
        return f"must be a URL: {error}"
    if parts.scheme not in schemes or not parts.hostname or not is_host(parts.hostname):
        return f"must be a URL that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}"
    try:
        is_fine = parts.port is None or parts.port > 0
    except ValueError:
        is_fine = False
    return "" if is_fine else "must be a URL: its port is not a number from 1 to 65535"
