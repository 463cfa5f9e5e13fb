"""What the one loop asks of the store on the way of an order."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from certd.ports import LaneState
from tests.simulation.memory import MemoryLineages
from tests.simulation.world import LINK, World

SECOND = timedelta(seconds=1)


class Asked(MemoryLineages):
    """Notes when the lanes are read."""

    moments: tuple[datetime, ...] = ()

    def lanes(self) -> list[LaneState]:
        """As they are."""
        self.moments += (self._clock.now(),)
        return super().lanes()


def test_lanes_are_not_read_at_each_step() -> None:
    """An order takes a dozen steps, most of them within half a second; each of its two lanes, the CA's and the DNS's,
    is asked for once a second at most.
    """
    world = World(7, years=0)
    asked = Asked(world.clock)
    asked.rows.update(world.lineages.rows)
    world.issue = replace(world.issue, store=asked)
    world.lineages = asked
    world.end = world.clock.true + timedelta(hours=1)
    world.run()
    assert asked.facts(LINK).current is not None
    assert asked.moments
    most = max(sum(at <= other < at + SECOND for other in asked.moments) for at in asked.moments)
    assert most <= 2, asked.moments
