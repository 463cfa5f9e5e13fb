"""What was avoidable: knows every outage, and judges a lapse by what a diligent client could have done.

A client that tries at least once a day needs a day in which CA and DNS answer, inside the margin or after it, and then
half an hour in which a reload works. Where there was that, a lapse was its fault; where there was not, nobody's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

Interval = tuple[datetime, datetime]

# Between two tries lies a day at most (the last rung of the ladder), and an order takes its time.
ENOUGH_TO_ISSUE = timedelta(hours=25)
ENOUGH_TO_DEPLOY = timedelta(minutes=30)

# From the renewal that the CA suggests to the end, somewhat less than a third of the life.
MARGIN = 0.30


def gaps(start: datetime, end: datetime, away: Iterable[Interval]) -> list[Interval]:
    """What is left of a time when these intervals are taken out of it."""
    found, at = [], start
    for gone, back in sorted(away):
        if gone > at:
            found.append((at, min(gone, end)))
        at = max(at, back)
        if at >= end:
            break
    if at < end:
        found.append((at, end))
    return [(first, last) for first, last in found if first < last]


def could_be_served(
    start: datetime, end: datetime, no_order: Sequence[Interval], no_reload: Sequence[Interval]
) -> datetime | None:
    """When a diligent client would at the latest have had a new certificate served; None: not before ``end``."""
    for first, last in gaps(start, end, no_order):
        if last - first < ENOUGH_TO_ISSUE:
            continue
        issued = first + ENOUGH_TO_ISSUE
        for begin, over in gaps(issued, end, no_reload):
            if over - begin >= ENOUGH_TO_DEPLOY:
                return begin + ENOUGH_TO_DEPLOY
        return None
    return None


def avoidable(
    lapse: Interval, life: timedelta, no_order: Sequence[Interval], no_reload: Sequence[Interval]
) -> datetime | None:
    """The moment by which the new certificate should have been served, where that was before the lapse was over."""
    expired, healed = lapse
    return could_be_served(expired - life * MARGIN, healed, no_order, no_reload)
