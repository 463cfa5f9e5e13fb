"""A clock that moves only when somebody waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(2027, 1, 1, tzinfo=UTC)


class VirtualClock:
    """Implements ports.Clock. The wall clock may be wrong by ``skew``; true time never goes back."""

    def __init__(self, start: datetime = EPOCH) -> None:
        self.true = start
        self.skew = timedelta(0)
        self._start = start

    def now(self) -> datetime:
        """What the host believes."""
        return self.true + self.skew

    def monotonic(self) -> float:
        """Seconds of true time."""
        return (self.true - self._start).total_seconds()

    def sleep(self, duration: timedelta) -> None:
        """Time passes."""
        self.true += max(duration, timedelta(0))

    def sleep_until(self, moment: datetime) -> None:
        """Time passes."""
        self.sleep(moment - self.now())
