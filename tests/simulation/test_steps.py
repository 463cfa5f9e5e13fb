"""What the one loop asks of the store on the way of an order."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from certd.model import DependencyState, Lease, LineageFacts
from tests.simulation.memory import MemoryLineages
from tests.simulation.world import LINK, World

SECOND = timedelta(seconds=1)


class Asked(MemoryLineages):
    """Notes when the lanes are read."""

    moments: tuple[datetime, ...] = ()
    writes: tuple[str, ...] = ()

    def dependencies(self) -> list[DependencyState]:
        """As they are."""
        self.moments += (self._clock.now(),)
        return super().dependencies()

    def keep(self, lease: Lease, facts: LineageFacts) -> None:
        """A commit in the middle."""
        self.writes += ("keep",)
        super().keep(lease, facts)

    def leave(self, lease: Lease, facts: LineageFacts, **given: Any) -> None:
        """A commit at the end."""
        self.writes += ("leave",)
        super().leave(lease, facts, **given)


def issued() -> Asked:
    """The store after an hour in which a link got its first certificate."""
    world = World(7, years=0)
    asked = Asked(world.clock)
    asked.rows.update(world.lineages.rows)
    world.issue = replace(world.issue, store=asked)
    world.lineages = asked
    world.end = world.clock.true + timedelta(hours=1)
    world.run()
    assert asked.facts(LINK).current is not None
    return asked


def test_what_would_only_be_done_again_is_kept_when_it_is_left() -> None:
    """The order and the certificate are committed at once, the settled debt before the CA is asked for a window; that
    window together with the leaving.
    """
    asked = issued()
    # To leave keeps, too.
    assert asked.writes.count("keep") - asked.writes.count("leave") == 3, asked.writes
    facts = asked.facts(LINK)
    assert facts.current is not None
    assert facts.current.window is not None


def test_lanes_are_not_read_at_each_step() -> None:
    """An order takes a dozen steps, most of them within half a second; each of its two lanes, the CA's and the DNS's,
    is asked for once a second at most.
    """
    asked = issued()
    assert asked.moments
    most = max(sum(at <= other < at + SECOND for other in asked.moments) for at in asked.moments)
    assert most <= 2, asked.moments
