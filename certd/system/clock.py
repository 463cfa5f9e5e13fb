"""The real clock. Only here does anything wait."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

from certd.errors import Stopping

# The wall clock is read again at least this often (design.md, Wall clock): CLOCK_MONOTONIC, on which waits run,
# stands still while the machine is suspended.
LONGEST_NAP = timedelta(seconds=60)


class SystemClock:
    """Implements ports.Clock; every wait ends when ``stop`` is set."""

    def __init__(self, stop: threading.Event | None = None) -> None:
        self.stop = stop or threading.Event()

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds of CLOCK_MONOTONIC."""
        return time.monotonic()

    def sleep_until(self, moment: datetime) -> None:
        """Wait until the wall clock says so. Raises Stopping."""
        while True:
            left = moment - self.now()
            if self.stop.wait(max(0.0, min(left, LONGEST_NAP).total_seconds())):
                raise Stopping
            if left <= LONGEST_NAP and self.now() >= moment:
                return

    def sleep(self, duration: timedelta) -> None:
        """Wait for a duration of monotonic time. Raises Stopping."""
        if self.stop.wait(max(0.0, duration.total_seconds())):
            raise Stopping


def boottime() -> float:
    """Seconds of CLOCK_BOOTTIME: unlike CLOCK_MONOTONIC it goes on while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
