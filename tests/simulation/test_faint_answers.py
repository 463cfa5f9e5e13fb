"""What an action swallows is no answer: a lane that is away stays so until it has answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from certd.model import Rank, Request, TxtCleanup
from tests.simulation.clock import EPOCH
from tests.simulation.world import LINK, World

DAY = timedelta(days=1)


def since_day_one(now: datetime) -> bool:
    return now >= EPOCH + DAY


def put(world: World, **changes: Any) -> None:
    """Facts that are so from now on."""
    lease = world.lineages.claim(limit=1, subject=f"issue:{LINK}")[0]
    facts = replace(world.lineages.facts(LINK), **changes)
    world.lineages.leave(lease, facts, until=world.clock.now(), rank=Rank.RENEWAL, because="")


def owes_a_value(world: World) -> None:
    """As after an order whose value could not be removed."""
    stale = TxtCleanup(provider="model", name=f"_acme-challenge.{LINK}", value="stale", made_at=EPOCH, settle_at=EPOCH)
    put(world, cleanups=(stale,))


def wants_a_window(world: World) -> None:
    current = world.lineages.facts(LINK).current
    assert current is not None
    put(world, current=replace(current, window_look_at=world.clock.now()), cleanups=())


def lacks_its_delegation(world: World) -> None:
    world.dns.awaits_delegation = lambda: True
    put(world, cleanups=())
    world.lineages.request(LINK, Request(by="you", at=world.clock.now(), force=True))


CASES: dict[str, tuple[str, Callable[[World], None]]] = {
    "a TXT value that is not removed": ("dns:model", owes_a_value),
    "renewal information that is not had": ("issuer:model", wants_a_window),
    "an order that is not begun": ("issuer:model", lacks_its_delegation),
}


@pytest.mark.parametrize("case", CASES)
def test_what_failed_without_a_word_brings_no_lane_back(case: str) -> None:
    """Who stands behind one that is away is not touched for as long as it is."""
    dependency, prepare = CASES[case]
    world = World(1, years=1 / 365)
    world.run()
    world.ca.is_away = world.dns.is_away = since_day_one
    world.clock.true = EPOCH + DAY
    prepare(world)
    world.lineages.dependency_away(dependency, "it does not answer", world.clock.now())
    world.lineages.rows[f"issue:{LINK}"].dependency = dependency
    (lease,) = world.lineages.claim(limit=1)
    world.issue.reconcile(lease)
    assert [state.dependency for state in world.lineages.dependencies()] == [dependency]
    # And when it answers, that is seen.
    world.ca.is_away = world.dns.is_away = lambda now: False
    world.dns.awaits_delegation = lambda: False
    world.end = EPOCH + 2 * DAY
    world.run()
    assert world.lineages.dependencies() == []
