"""Whatever call a process dies at: one certificate is bought, no TXT value is left, the newest is served."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from certd.engine import DeployEngine, IssueEngine
from tests.interruption.dying import Died, Fate, Mortal
from tests.simulation.world import LINK, World

DAY = timedelta(days=1)


class MortalWorld(World):
    """A world whose first process is mortal, and whose second takes over when the lease has run out."""

    def be_born(self, fate: Fate) -> None:
        """Wrap everything that the engines touch."""
        issuance = replace(
            self.issue.issuance,
            authority=lambda name: Mortal(self.ca, "ca", fate),
            challenges=lambda name: Mortal(self.dns, "dns", fate),
        )
        rollout = replace(
            self.deploy.rollout("edge"),
            target=Mortal(self.proxy, "target", fate),
            prober=Mortal(self.proxy, "prober", fate),
        )
        self._immortal = self.issue, self.deploy
        self.issue = replace(self.issue, issuance=issuance, store=Mortal(self.lineages, "store", fate))
        self.deploy = replace(self.deploy, rollout=lambda proxy: rollout, store=Mortal(self.node, "node", fate))

    def take_over(self) -> None:
        """Another process, with the same stores."""
        self.issue, self.deploy = self._immortal

    def live(self, until: timedelta) -> bool:
        """Run for so long; False when the process died on the way."""
        self.end = self.clock.true + until
        try:
            self.run()
        except Died:
            return False
        return True


def begun(fate: Fate, *, renewal: bool) -> MortalWorld:
    """A world at its first issuance, or just before a renewal."""
    world = MortalWorld(7, years=0)
    if renewal:
        assert world.live(59 * DAY)
    world.be_born(fate)
    return world


def settled(world: MortalWorld, certificates: int) -> None:
    """What must be true once a successor has had two days."""
    world.take_over()
    assert world.live(4 * DAY)
    assert len(world.ca.issued) == certificates, world.journal.lines
    assert world.dns.published() == 0
    newest = world.lineages.facts(LINK).current
    assert newest is not None
    assert world.proxy.loaded[LINK].fingerprint == newest.fingerprint
    assert world.lapsed == timedelta(0)
    assert world.lineages.facts(LINK).cleanups == ()


def calls_of(renewal: bool) -> list[str]:
    """The calls of an undisturbed run."""
    fate = Fate()
    world = begun(fate, renewal=renewal)
    assert world.live(3 * DAY)
    return fate.calls


@pytest.mark.parametrize("renewal", [False, True], ids=["first", "renewal"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_dying_at_every_call(renewal: bool, after: bool) -> None:
    """Each numbered call in turn is the last one that the process makes."""
    calls = calls_of(renewal)
    assert len(calls) > 40
    for at in range(1, len(calls) + 1):
        fate = Fate(at, after=after)
        world = begun(fate, renewal=renewal)
        survived = world.live(3 * DAY)
        assert not survived, f"call {at} of {len(calls)} was never made"
        # A certificate signed for an order whose row was never committed cannot be: finalize comes after the commit.
        settled(world, certificates=2 if renewal else 1)


def test_a_death_is_felt() -> None:
    """The harness bites: an engine that forgets to commit its order before it goes on buys twice or leaves a TXT."""
    outcomes: list[Any] = []
    calls = calls_of(renewal=False)
    for at in range(1, len(calls) + 1):
        world = begun(Fate(at), renewal=False)
        forgetful = world.issue.store
        assert isinstance(world.issue, IssueEngine)
        assert isinstance(world.deploy, DeployEngine)
        world.issue = replace(world.issue, store=Forgetful(forgetful))
        world.live(3 * DAY)
        try:
            settled(world, certificates=1)
            outcomes.append(None)
        except AssertionError as error:
            outcomes.append(error)
    assert any(outcomes)


class Forgetful:
    """A store whose ``keep`` writes nothing while an order is open: "Remember first" broken on purpose."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def keep(self, lease: Any, facts: Any) -> None:
        if facts.order is None:
            self._store.keep(lease, facts)

    def leave(self, lease: Any, facts: Any, **rest: Any) -> None:
        self._store.leave(lease, facts if facts.order is None else replace(facts, order=None, cleanups=()), **rest)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
