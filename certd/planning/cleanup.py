"""What is owed to the DNS (design.md, Cleanup first): which values an order needs, which must go, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from certd.model import LineageFacts, TxtCleanup
from certd.planning.margin import HALF
from certd.planning.renewal import margin_used

# So often in vain, and with so much of the margin gone, the CA is asked though one server does not show the value.
VAIN_TRIES = 3
FIRST_PATIENCE = timedelta(days=1)

# A removed value is removed once more after a day: a frozen worker may have published it again (design.md, Cleanup
# first).
SWEEP_AFTER = timedelta(days=1)


# Removed in vain for a quarter of an hour, or not tried for an hour: nothing that heals by itself in a moment.
STUCK_TRIES = 7
STUCK_AFTER = timedelta(hours=1)


def cleanups_of_order(facts: LineageFacts) -> tuple[TxtCleanup, ...]:
    """The debts that the open order still needs: nobody has said when to settle them."""
    return tuple(cleanup for cleanup in facts.cleanups if cleanup.settle_at is None and cleanup.settled_at is None)


def is_due(cleanup: TxtCleanup, now: datetime) -> bool:
    """Whether this value should be removed now; one that nothing needs any more and that was never due is, too."""
    if cleanup.settled_at is not None:
        return now >= cleanup.settled_at + SWEEP_AFTER
    return cleanup.settle_at is None or now >= cleanup.settle_at


def due_at(cleanup: TxtCleanup, now: datetime) -> datetime:
    """When it is due."""
    if cleanup.settled_at is not None:
        return cleanup.settled_at + SWEEP_AFTER
    return cleanup.settle_at or now


def is_stuck(cleanup: TxtCleanup, now: datetime) -> bool:
    """Whether a value of ours stays published though nothing needs it: nobody can remove it, or nobody tries."""
    if cleanup.settled_at is not None or cleanup.settle_at is None:
        return False
    return cleanup.failures >= STUCK_TRIES or now - cleanup.settle_at > STUCK_AFTER


def release(facts: LineageFacts, now: datetime) -> tuple[TxtCleanup, ...]:
    """The debts, with those that an order needed due now."""
    return tuple(
        replace(cleanup, settle_at=now) if cleanup.settle_at is None and cleanup.settled_at is None else cleanup
        for cleanup in facts.cleanups
    )


def merge(cleanups: tuple[TxtCleanup, ...], newer: tuple[TxtCleanup, ...]) -> tuple[TxtCleanup, ...]:
    """The debts with these in the place of their older selves; the same value at the same name is one debt."""
    by_key = {(d.provider, d.name, d.value): d for d in cleanups}
    by_key |= {(d.provider, d.name, d.value): d for d in newer}
    return tuple(by_key.values())


def asks_anyway(facts: LineageFacts, now: datetime) -> bool:
    """Whether to leave it to the CA that some server still does not show our value: a secondary left alone must
    not let the link lapse, and a CA that happens to ask another one signs.
    """
    attempt = facts.attempt
    if attempt.dns_failures < VAIN_TRIES:
        return False
    if facts.current is not None:
        return margin_used(facts.current, now) >= HALF
    return attempt.first_failed_at is not None and now - attempt.first_failed_at >= FIRST_PATIENCE
