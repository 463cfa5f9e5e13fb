"""What is owed to the DNS (DESIGN promise 2): which values an order needs, which must go, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from certd.model import Debt, LineageFacts

# A settled debt is swept once more after a day: a frozen holder may have added the value again (promise 2).
SWEEP_AFTER = timedelta(days=1)


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
