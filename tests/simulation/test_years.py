"""Ten virtual years for a link, with outages shorter than the margin."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from tests.simulation.clock import EPOCH
from tests.simulation.world import Event, Outages, World

DAY = timedelta(days=1)
YEARS = 10


def outages(seed: int, salt: str, a_year: float, longest: timedelta) -> Outages:
    return Outages.drawn(random.Random(f"{seed}-{salt}"), YEARS, a_year, longest)


@pytest.mark.parametrize("seed", range(10))
def test_no_lapse(seed: int) -> None:
    """Outages of the CA, the DNS and the reload, each shorter than the margin, strangers' reloads, suspends and wrong
    clocks cost no second of validity, no limit, and no second account.
    """
    world = World(
        seed,
        years=YEARS,
        ca_away=outages(seed, "ca", 6, 9 * DAY),
        dns_away=outages(seed, "dns", 6, 9 * DAY),
        reload_fails=outages(seed, "reload", 6, 9 * DAY),
        unseen=outages(seed, "unseen", 3, 9 * DAY),
        events=Event.drawn(random.Random(f"{seed}-events"), YEARS),
    )
    world.run()
    assert world.lapsed == timedelta(0), "\n".join(world.journal.lines)
    assert world.ca.refused == []
    assert world.ca.accounts == 1
    assert len(world.ca.issued) >= YEARS * 365 // 65
    assert world.dns.published() <= 1


def test_a_seed_replays_exactly() -> None:
    """The same seed, the same ten years."""

    def lived() -> tuple[int, int, list[str]]:
        events = Event.drawn(random.Random("replay"), 2)
        world = World(3, years=2, ca_away=outages(3, "ca", 6, 9 * DAY), events=events)
        world.run()
        return world.passes, len(world.ca.issued), world.journal.lines

    assert lived() == lived()


def test_a_lapse_is_noticed() -> None:
    """The oracle bites: an outage longer than the margin is a lapse."""
    away = Outages(((EPOCH + 50 * DAY, EPOCH + 100 * DAY),))
    world = World(1, years=0.5, ca_away=away)
    world.run()
    assert world.lapsed > 5 * DAY
    assert world.lapsed < 15 * DAY
