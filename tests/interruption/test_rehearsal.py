"""Whatever call a process dies at in a rehearsal: no canary is left, and nothing was ordered."""

from __future__ import annotations

from datetime import timedelta

from tests.interruption.dying import Fate
from tests.interruption.test_dying import DAY, MortalWorld, settled


def begun(fate: Fate) -> MortalWorld:
    """Just before the week in which the renewal is rehearsed."""
    world = MortalWorld(7, years=0)
    assert world.live(timedelta(days=51.5))
    world.be_born(fate)
    return world


def test_dying_at_every_call_of_a_rehearsal() -> None:
    """Each numbered call in turn is the last one that the process makes; a successor leaves no TXT value of ours.

    Dying after a call is dying before the next one.
    """
    fate = Fate()
    assert begun(fate).live(3 * DAY)
    assert "dns.present" in fate.calls
    assert "dns.settle" in fate.calls
    for at in range(1, len(fate.calls) + 1):
        world = begun(Fate(at, after=True))
        assert not world.live(3 * DAY), f"call {at} of {len(fate.calls)} was never made"
        settled(world, certificates=1)
        assert world.lineages.facts("link.example.com").rehearsal.passed_at is not None
