"""Ten virtual years for a link, with outages shorter than the margin."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from tests.simulation.world import Outages, World

DAY = timedelta(days=1)
YEARS = 10


def outages(seed: int, salt: str, a_year: float, longest: timedelta) -> Outages:
    return Outages.drawn(random.Random(f"{seed}-{salt}"), YEARS, a_year, longest)


@pytest.mark.parametrize("seed", range(10))
def test_no_lapse(seed: int) -> None:
    """Outages of the CA, the DNS and the reload, each shorter than the margin, cost no second and no limit."""
    world = World(
        seed,
        years=YEARS,
        ca_away=outages(seed, "ca", 6, 9 * DAY),
        dns_away=outages(seed, "dns", 6, 9 * DAY),
        reload_fails=outages(seed, "reload", 6, 9 * DAY),
        unseen=outages(seed, "unseen", 3, 9 * DAY),
    )
    world.run()
    assert world.lapsed == timedelta(0), "\n".join(world.journal.lines)
    assert world.ca.refused == []
    assert len(world.ca.issued) >= YEARS * 365 // 65
    assert world.dns.published() <= 1
