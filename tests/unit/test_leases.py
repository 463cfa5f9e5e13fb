"""A lease that may be lost: when it is looked at again, and which values a lost one leaves to be swept."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from certd.errors import LeaseLost
from certd.issuance.leases import LOOK_AFTER, HeldLease, Leftovers, with_leftovers
from certd.model import Lease
from certd.planning.cleanup import is_due
from certd.store.work import LEASE
from tests.unit.cases import NOW, cleanup, facts, order

OURS = cleanup(added_at=NOW - timedelta(minutes=5))
SETTLED = replace(OURS, settle_at=NOW - timedelta(minutes=2), settled_at=NOW - timedelta(minutes=1))


def test_half_a_lease() -> None:
    """Known here and where leases are made."""
    assert LOOK_AFTER == LEASE / 2


def test_when_a_lease_is_looked_at_again() -> None:
    """When more than half of it has passed since the store renewed it; a lost one raises."""
    asked: list[str] = []
    clock = SimpleNamespace(now=100.0)
    store: Any = SimpleNamespace(extend=lambda lease: asked.append(lease.subject))
    lease = Lease(subject="issue:a", owner="o", generation=1, dependency="", taken_over=False, crashes=0)
    held = HeldLease.taken(store, lease, lambda: clock.now)
    for seconds, count in ((15, 0), (15.1, 1), (30, 1), (30.2, 2)):
        clock.now = 100.0 + seconds
        held.check()
        assert len(asked) == count, seconds
    held.renewed(since=140.0)
    clock.now = 155.0
    held.check()
    assert len(asked) == 2

    def lost(lease: Lease) -> None:
        raise LeaseLost("it is another's")

    store.extend = lost
    clock.now = 200.0
    with pytest.raises(LeaseLost):
        held.check()


@pytest.mark.parametrize(
    ("known", "is_swept"),
    [
        ([SETTLED], True),
        ([], True),
        ([OURS], False),
        ([replace(OURS, settle_at=NOW + timedelta(minutes=1))], False),
        ([replace(OURS, settle_at=NOW, failures=3)], False),
    ],
    ids=["removed", "on no books", "needed by an order", "to be removed later", "being removed"],
)
def test_what_is_swept(known: list[Any], is_swept: bool) -> None:
    """Only what nothing needs any more; of everything else the books say what is to be done."""
    neighbour = cleanup(value="another", added_at=NOW)
    before = facts(order=order(), cleanups=(*known, neighbour))
    after = with_leftovers(before, [OURS, OURS], NOW)
    if not is_swept:
        assert after == before
        return
    due = [each for each in after.cleanups if each.settled_at is not None and is_due(each, NOW)]
    assert [each.value for each in due] == [OURS.value]
    assert neighbour in after.cleanups


def test_what_is_remembered_of_a_link() -> None:
    """Until somebody takes it."""
    leftovers = Leftovers()
    leftovers.put("a", [OURS])
    leftovers.put("a", [SETTLED])
    assert leftovers.links() == ("a",)
    assert leftovers.take("a") == (OURS, SETTLED)
    assert (leftovers.take("a"), leftovers.links()) == ((), ())
