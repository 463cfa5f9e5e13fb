"""What is owed to the DNS (DESIGN promise 2): which values an order needs, which must go, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from certd.model import Debt, LineageFacts
from certd.planning.renewal import margin_used

# So often in vain, and with so much of the margin gone, the CA is asked though one server does not show the value.
VAIN_TRIES = 3
MOST_OF_MARGIN = 0.5
FIRST_PATIENCE = timedelta(days=1)

# A settled debt is swept once more after a day: a frozen holder may have added the value again (promise 2).
SWEEP_AFTER = timedelta(days=1)


# Removed in vain for a quarter of an hour, or not tried for an hour: nothing that heals by itself in a moment.
STUCK_TRIES = 7
STUCK_AFTER = timedelta(hours=1)


def owed_for_order(facts: LineageFacts) -> tuple[Debt, ...]:
    """The debts that the open order still needs: nobody has said when to settle them."""
    return tuple(debt for debt in facts.debts if debt.settle_at is None and debt.settled_at is None)


def is_due(debt: Debt, now: datetime) -> bool:
    """Whether this value should be removed now; one that nothing needs any more and that was never due is, too."""
    if debt.settled_at is not None:
        return now >= debt.settled_at + SWEEP_AFTER
    return debt.settle_at is None or now >= debt.settle_at


def due_at(debt: Debt, now: datetime) -> datetime:
    """When it is due."""
    if debt.settled_at is not None:
        return debt.settled_at + SWEEP_AFTER
    return debt.settle_at or now


def is_stuck(debt: Debt, now: datetime) -> bool:
    """Whether a value of ours stays published though nothing needs it: nobody can remove it, or nobody tries."""
    if debt.settled_at is not None or debt.settle_at is None:
        return False
    return debt.failures >= STUCK_TRIES or now - debt.settle_at > STUCK_AFTER


def released(facts: LineageFacts, now: datetime) -> tuple[Debt, ...]:
    """The debts, with those that an order needed due now."""
    return tuple(
        replace(debt, settle_at=now) if debt.settle_at is None and debt.settled_at is None else debt
        for debt in facts.debts
    )


def merged(debts: tuple[Debt, ...], newer: tuple[Debt, ...]) -> tuple[Debt, ...]:
    """The debts with these in the place of their older selves; the same value at the same name is one debt."""
    by_key = {(d.provider, d.name, d.value): d for d in debts}
    by_key |= {(d.provider, d.name, d.value): d for d in newer}
    return tuple(by_key.values())


def asks_anyway(facts: LineageFacts, now: datetime) -> bool:
    """Whether to leave it to the CA that some server still does not show our value: a secondary that nobody mends must
    not let the link lapse, and a CA that happens to ask another one signs.
    """
    attempt = facts.attempt
    if attempt.dns_failures < VAIN_TRIES:
        return False
    if facts.current is not None:
        return margin_used(facts.current, now) >= MOST_OF_MARGIN
    return attempt.first_failed_at is not None and now - attempt.first_failed_at >= FIRST_PATIENCE
