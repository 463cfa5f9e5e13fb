"""A proxy with more links than one pass takes, under a virtual clock: engine, planner and node's store."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from certd.deployment.rollout import Rollout
from certd.engine import DeployEngine
from certd.model import Certificate, DesiredProxy, Observation, Rank
from certd.planning.deploy import LONGEST_TOGETHER, LOOKS_A_SECOND
from certd.store.node import Node
from tests.contracts.stores import Bench, in_memory, in_sqlite
from tests.contracts.test_work_store import certificate
from tests.simulation.models import ModelProxy
from tests.simulation.world import SilentJournal

COUNT = 1200
LINKS = {f"l{number:04}": (f"l{number:04}.example.com",) for number in range(COUNT)}
INTERVAL = timedelta(seconds=COUNT / LOOKS_A_SECOND)


@dataclass
class QuickProxy(ModelProxy):
    """Counts its looks, and takes no time for them."""

    looks: Counter[str] = field(default_factory=Counter)

    def look(self, endpoints: Sequence[str], domain: str, *, issuer: str = "") -> tuple[Observation, ...]:
        self.looks[domain] += 1
        self.clock.sleep(timedelta(milliseconds=1))
        link = domain.removesuffix(".example.com")
        all_loaded, self.loaded = self.loaded, {link: self.loaded[link]} if link in self.loaded else {}
        observations = super().look(endpoints, domain, issuer=issuer)
        self.loaded = all_loaded
        self.clock.true -= timedelta(milliseconds=400)
        return observations


@dataclass
class Fleet:
    """One proxy with all these links on a store, and what it read of them."""

    bench: Bench
    proxy: QuickProxy
    engine: DeployEngine
    read: list[int] = field(default_factory=list)

    def renew(self, links: Sequence[str], mark: str, age: timedelta = timedelta(0)) -> None:
        """Copies come in."""
        made = [self._made(link, mark, age) for link in links]
        if isinstance(self.bench.node, Node):
            self.bench.node.copy_all(made, 0)
        else:
            for certificate in made:
                self.bench.node.copy_in(certificate, 0)
        self.bench.node.wake("deploy:edge")

    def _made(self, link: str, mark: str, age: timedelta) -> Certificate:
        born = self.bench.clock.now() - age
        return replace(
            certificate(mark),
            link=link,
            domains=LINKS[link],
            not_before=born,
            not_after=born + timedelta(days=90),
            generation=f"{born:%Y%m%d%H%M%S}-{mark}",
            fingerprint=(mark + link).ljust(64, "0"),
        )

    def run(self, until: datetime) -> None:
        """As the daemon does, until this time."""
        node, clock = self.bench.node, self.bench.clock
        while clock.true < until:
            for lease in node.claim(limit=1):
                self.engine.reconcile(lease)
            due = node.next_due()
            assert due is not None
            # The daemon looks again after 15 seconds at most.
            clock.sleep(min(max(due - clock.now(), timedelta(milliseconds=50)), timedelta(seconds=15)))

    def served(self) -> int:
        return sum(one.is_verified for _, one in self.bench.node.deployments())


@pytest.fixture(params=[in_memory, in_sqlite])
def fleet(request: pytest.FixtureRequest, tmp_path: Path) -> Fleet:
    bench: Bench = request.param(tmp_path)
    journal = SilentJournal(clock=bench.clock)
    proxy = QuickProxy(bench.clock, random.Random(1), lambda now: False, lambda now: False)
    desired = DesiredProxy(proxy="edge", links=tuple(LINKS))
    rollout = Rollout(
        target=proxy,
        prober=proxy,
        clock=bench.clock,
        journal=journal,
        certificate=bench.node.certificate,
        gate=lambda certificate, domains, now: None,
    )
    engine = DeployEngine(
        store=bench.node,
        rollout=lambda name: rollout,
        desired=lambda name: desired,
        links=lambda name: LINKS,
        clock=bench.clock,
        journal=journal,
    )
    if isinstance(bench.node, Node):
        bench.node.ensure("deploy:edge", "proxy:edge", Rank.RENEWAL)
    else:
        bench.node.add("edge")
    made = Fleet(bench, proxy, engine)
    real = bench.node.due_facts

    def counted(*args: object, **words: object) -> object:
        facts = real(*args, **words)  # type: ignore[arg-type]
        made.read.append(len(facts.deployments))
        return facts

    bench.node.due_facts = counted  # type: ignore[assignment,method-assign]
    made.renew([*LINKS], "a", timedelta(hours=1))
    made.run(bench.clock.true + timedelta(minutes=2))
    return made


def test_all_are_served_with_few_reloads(fleet: Fleet) -> None:
    """Five hundred at a time: one reload for each batch, and nobody is forgotten."""
    assert fleet.served() == COUNT
    assert fleet.proxy.reloads <= 4
    assert max(fleet.read) <= 500


def test_each_is_looked_at_in_its_time_and_no_others_are_read(fleet: Fleet) -> None:
    """Over four intervals each link is looked at four times, give or take one; a pass in between reads what is due."""
    clock = fleet.bench.clock
    fleet.run(clock.true + INTERVAL)
    # Spread as they are in the long run: two a second.
    fleet.proxy.looks.clear()
    fleet.read.clear()
    fleet.run(clock.true + 4 * INTERVAL)
    assert set(fleet.proxy.looks) == {name for (name,) in LINKS.values()}
    assert min(fleet.proxy.looks.values()) >= 3
    assert max(fleet.proxy.looks.values()) <= 5
    assert sum(fleet.read) <= 2 * sum(fleet.proxy.looks.values())


def test_a_renewal_is_deployed_without_reading_the_others(fleet: Fleet) -> None:
    """One copy comes in: that one is served within seconds, and a handful of deployments were read."""
    fleet.read.clear()
    fleet.renew(["l0700"], "b")
    fleet.run(fleet.bench.clock.true + timedelta(seconds=10))
    assert fleet.proxy.loaded["l0700"].fingerprint.startswith("b")
    assert fleet.served() == COUNT
    assert sum(fleet.read) < 20


def test_a_copy_that_comes_during_a_look_is_deployed_at_once(fleet: Fleet) -> None:
    """The pass that did not know of it does not put it off until the next look."""
    clock, proxy = fleet.bench.clock, fleet.proxy
    real = proxy.look
    came: list[str] = []

    def look(endpoints: Sequence[str], domain: str, *, issuer: str = "") -> tuple[Observation, ...]:
        observations = real(endpoints, domain, issuer=issuer)
        if not came:
            came.append(domain.removesuffix(".example.com"))
            fleet.renew(came, "b")
        return observations

    proxy.look = look  # type: ignore[method-assign]
    fleet.run(clock.true + INTERVAL)
    assert came
    (link,) = came
    assert proxy.loaded[link].fingerprint.startswith("b")
    assert fleet.served() == COUNT


@pytest.mark.parametrize("jump", [timedelta(days=-365), timedelta(days=30)])
def test_a_clock_that_is_put_forth_or_back_silences_no_look(fleet: Fleet, jump: timedelta) -> None:
    """Whatever times stand in the store, each link is looked at within an interval."""
    clock = fleet.bench.clock
    fleet.run(clock.true + INTERVAL / 2)
    clock.skew += jump
    fleet.bench.node.wake_impossible(timedelta(days=1))
    fleet.proxy.looks.clear()
    fleet.run(clock.true + INTERVAL + LONGEST_TOGETHER)
    assert set(fleet.proxy.looks) == {name for (name,) in LINKS.values()}
    assert max(fleet.proxy.looks.values()) <= 3
