"""How often a network may ask by UDP: one token bucket for each IPv4 /24 and IPv6 /56.

This host itself may ask ten times as often. certd looks at its own responder a dozen times for each certificate, and
truncated answers doubled that with a TCP connection each as soon as ten a second were made. It is not free altogether:
a forwarder in user space, as rootless containers have, shows all clients as this host.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Collection

OWN_SHARE = 10.0


class RateLimiter:
    """Token buckets in bounded memory.

    Args:
        rate: Tokens a second.
        burst: The most a bucket holds.
        networks: Buckets kept in each of two generations; when the younger is full, the older is forgotten. A
            forgotten bucket starts full, so that a flood of spoofed sources cannot lock a real one out.
        own: This host's addresses, beside the loopback ones.
    """

    def __init__(
        self,
        *,
        rate: float = 100.0,
        burst: float = 200.0,
        networks: int = 20_000,
        own: Collection[str] = (),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._networks = networks
        self._own = frozenset(own)
        self._monotonic = monotonic
        self._young: dict[bytes, tuple[float, float]] = {}
        self._old: dict[bytes, tuple[float, float]] = {}

    def take(self, address: str) -> bool:
        """Take a token of the address's network; False when there is none."""
        is_own = address in self._own or address.startswith("127.") or address == "::1"
        # One for all addresses of this host.
        network, share = (b"", OWN_SHARE) if is_own else (network_of(address), 1.0)
        now = self._monotonic()
        tokens, at = self._young.get(network) or self._old.get(network) or (self._burst * share, now)
        tokens = min(self._burst * share, tokens + (now - at) * self._rate * share)
        has_one = tokens >= 1.0
        self._young[network] = (tokens - 1.0 if has_one else tokens, now)
        if len(self._young) > self._networks:
            self._old, self._young = self._young, {}
        return has_one


def network_of(address: str) -> bytes:
    """The /24 of an IPv4 address or the /56 of an IPv6 address, as bytes."""
    plain = address.partition("%")[0]
    if ":" in plain:
        return socket.inet_pton(socket.AF_INET6, plain)[:7]
    return socket.inet_pton(socket.AF_INET, plain)[:3]
