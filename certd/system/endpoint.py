"""``host:port`` as operators write it."""

from __future__ import annotations

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
    if port and (not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536):
        raise ValueError(f'"{port}" is not a port')
    return host, int(port) if port else DEFAULT_PORT
