"""Addresses as the configuration writes them."""

from __future__ import annotations

import socket

from certd.system.endpoint import is_host, is_port


def host_and_port(text: str, default: int) -> tuple[str, int]:
    """``host``, ``host:port``, ``192.0.2.1:53``, ``2001:db8::1`` or ``[2001:db8::1]:53`` taken apart.

    Raises:
        ValueError: what is wrong with the text, in words.
    """
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f'"{text}" is not an address in brackets with a port, like "[2001:db8::10]:53"')
        port = rest[1:]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    else:
        host, port = text, ""
    if not is_host(host):
        raise ValueError(f'"{text[:80]}" names no host')
    if not port:
        return host, default
    if not is_port(port):
        raise ValueError(f'"{port[:40]}" is not a port')
    return host, int(port)


def ip_and_port(text: str, default: int) -> tuple[str, int]:
    """Like ``host_and_port``, for an IP address only; an IPv6 address may have a scope, as in ``fe80::1%eth0``.

    Raises:
        ValueError: what is wrong with the text, in words.
    """
    host, port = host_and_port(text, default)
    if not is_address(host.partition("%")[0]):
        raise ValueError(f'"{text}" is not an IP address with an optional port')
    return host, port


def with_port(host: str, port: int) -> str:
    """``192.0.2.1:53``, or ``[2001:db8::1]:53``."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_address(text: str) -> bool:
    """Whether a text is an IP address rather than a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text)
        except (OSError, ValueError):
            continue
        return True
    return False
