"""So much and no more: what is not used is kept for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class TokenBucket:
    """So many a second, and at the start and after a pause some at once. Safe to use from several threads.

    Args:
        most: How many at once; as many may be taken on credit.
        monotonic: Seconds.
    """

    def __init__(self, a_second: float, most: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._a_second = a_second
        self._most = most
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._left = float(most)
        self._at = monotonic()

    def left(self) -> int:
        """How many may be had now."""
        with self._lock:
            self._refill()
            return max(0, int(self._left))

    def spend(self, count: int) -> None:
        """So many were had."""
        with self._lock:
            self._left -= count

    def take(self, *, on_credit: bool = False) -> bool:
        """Have one, if it may be had. What cannot wait is had on credit, and what can waits the longer."""
        with self._lock:
            self._refill()
            if self._left < (1 - self._most if on_credit else 1):
                return False
            self._left -= 1
            return True

    def _refill(self) -> None:
        now = self._monotonic()
        self._left = min(float(self._most), self._left + max(0.0, now - self._at) * self._a_second)
        self._at = now
