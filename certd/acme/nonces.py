"""Nonces (RFC 8555 section 6.5) for many threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

# A daemon sleeps between runs; what it kept from the last one is stale by then.
OLDEST_SECONDS = 120.0
MOST = 64


class NoncePool:
    """The newest first: the older a nonce, the likelier it is refused."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._kept: list[tuple[float, str]] = []

    def put(self, nonce: str) -> None:
        """Keep one that a server gave."""
        with self._lock:
            self._kept.append((self._monotonic(), nonce))
            del self._kept[:-MOST]

    def take(self) -> str | None:
        """The newest; None when there is none that is fresh."""
        with self._lock:
            if not self._kept:
                return None
            at, nonce = self._kept.pop()
            if self._monotonic() - at <= OLDEST_SECONDS:
                return nonce
            self._kept.clear()
            return None
