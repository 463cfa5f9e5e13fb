"""What is retried is retried in the time that is left: an outage of 0.4 of a life of minutes lapses nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.simulation.clock import EPOCH
from tests.simulation.world import Outages, World

LIVES = 60


def outages(life: timedelta) -> Outages:
    """Every third life; each begins a little later than the one before, so they meet every step of a renewal."""
    starts = [EPOCH + life * (3 * count + count / LIVES * 3) for count in range(1, LIVES // 3)]
    return Outages(tuple((start, start + life * 0.4) for start in starts))


@pytest.mark.parametrize("away", ["ca_away", "dns_away", "reload_fails"])
@pytest.mark.parametrize("seconds", [120, 300])
def test_an_outage_within_a_short_life_lapses_nothing(seconds: int, away: str) -> None:
    """Not a second of lapse; and whoever is away is not asked more than once a second."""
    life = timedelta(seconds=seconds)
    world = World(1, years=(life * LIVES).total_seconds() / 86400 / 365, life=life, **{away: outages(life)})  # type: ignore[arg-type]
    world.dns.delay = timedelta(seconds=0.5)
    world.ca.has_limits = False
    world.terms = world.terms.__class__(name="model")
    world.run()
    assert len(world.ca.issued) > LIVES
    assert world.lapsed == timedelta(0), "\n".join(world.journal.lines[-40:])
