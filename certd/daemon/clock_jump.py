"""Notices that the clocks did not run together: a suspended machine, a migrated one, an NTP step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

NOTICEABLE = timedelta(seconds=5)


@dataclass(slots=True)
class ClockWatch:
    """Compares the wall clock with one that never goes back, from look to look.

    Args:
        wall: Aware UTC at the first look.
        steady: Seconds of CLOCK_MONOTONIC (which stops in suspend) at the first look.
    """

    wall: datetime
    steady: float

    def jumped(self, wall: datetime, steady: float) -> timedelta:
        """How far the wall clock moved beyond the time that passed; zero where it is not worth a word."""
        passed = timedelta(seconds=steady - self.steady)
        drift = (wall - self.wall) - passed
        self.wall, self.steady = wall, steady
        return drift if abs(drift) > NOTICEABLE else timedelta(0)
