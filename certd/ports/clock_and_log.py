"""The clock, the journal, chance: what every use case stands on."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """The wall clock, and the only thing that waits."""

    def now(self) -> datetime:
        """Aware UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, for measuring and for deadlines within one call."""
        ...

    def sleep_until(self, moment: datetime) -> None:
        """Wait until the wall clock says ``moment``, re-reading it at least every minute.

        Raises:
            Stopping: as soon as the process is asked to stop.
        """
        ...

    def sleep(self, duration: timedelta) -> None:
        """Wait for a duration. Raises Stopping as ``sleep_until`` does."""
        ...


class Journal(Protocol):
    """One line for each step."""

    def say(self, message: str, **fields: str) -> None:
        """What happened, with ``link``, ``generation``, ``reason`` and the like as fields."""
        ...

    def warn(self, message: str, **fields: str) -> None:
        """Something an operator should know."""
        ...

    def crash(self, message: str, error: Exception, **fields: str) -> None:
        """A fault of certd itself, with its traceback."""
        ...


class Randomness(Protocol):
    """Chance, injected so that a seed replays exactly."""

    def uniform(self, low: float, high: float) -> float:
        """A number between the two."""
        ...
