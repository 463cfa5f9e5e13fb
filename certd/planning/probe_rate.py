"""How often the way of a click is looked at where there are many: what is configured, stretched for all alike to what
one machine should spend on it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from certd.clicks.model import ClickFacts, Direction

# One look takes 2 ms of a processor, 5 with an e-mail service; an examination 40, most of it for twenty handshakes.
LOOKS_A_SECOND = 1.0
EXAMINATIONS_A_MINUTE = 2.0

# What is planned leaves this much to what cannot be: hosts that are new, or newly in trouble.
ROOM = 1.25

EXAMINED_EVERY = timedelta(hours=6)

# A name that leads away is confirmed so soon, and then somebody is told.
CONFIRM_AFTER = timedelta(seconds=3)

# What is new is looked at once more before anybody is told.
EXAMINED_AGAIN = timedelta(minutes=10)

# With no resolver answering most checks find only that, and what they found before would be forgotten.
EXAMINED_BLINDLY = timedelta(days=1)


def stretch(intervals: Iterable[timedelta]) -> float:
    """By how much each host's interval is longer than configured, so that all together are one look a second at most:
    1 up to 300 hosts of five minutes each, 33 with 10,000.
    """
    wanted = sum(1 / each.total_seconds() for each in intervals)
    return max(1.0, wanted / LOOKS_A_SECOND)


def next_look(facts: ClickFacts, every: timedelta, stretched: float) -> timedelta:
    """How long after a look the next one is. Where something is wrong it is looked at as often as configured, however
    many others there are: sooner while that is new, and until somebody could be told that it is over.
    """
    if facts.failures == 1 and leads_away(facts):
        # Name servers are asked, not a proxy that may be reloading: no need to wait for it to settle.
        return min(every / 4, CONFIRM_AFTER)
    if facts.failures:
        return every / 4 if facts.failures == 1 else every
    again = every * stretched
    return min(again, max(every, EXAMINED_AGAIN)) if has_news(facts) else again


def leads_away(facts: ClickFacts) -> bool:
    """Whether the last look saw DNS leading somewhere else."""
    away = {Direction.SERVICE, Direction.ELSEWHERE, Direction.NOWHERE}
    return facts.look is not None and facts.look.direction in away


def has_news(facts: ClickFacts) -> bool:
    """The last examination found something that the one before it did not."""
    return facts.examined_at is not None and any(each.since == facts.examined_at for each in facts.findings)


def examination_is_due(facts: ClickFacts, hosts: int, now: datetime) -> bool:
    """After six hours, or the longer time in which each of so many hosts can have its turn."""
    if facts.examined_at is None:
        return True
    since = now - facts.examined_at
    if facts.look is not None and facts.look.pointing.trouble and since < EXAMINED_BLINDLY:
        return False
    if has_news(facts):
        return since >= EXAMINED_AGAIN
    return since >= max(EXAMINED_EVERY, timedelta(minutes=hosts / EXAMINATIONS_A_MINUTE))
