"""An API target against a provider that fails or dies at any step: what is looked for again, and what is removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from certd.deployment.rollout import Rollout
from certd.errors import ProviderRefused
from certd.model import Certificate, Deployment, Generation, Health, Leftover, Observation, ProxyFacts
from certd.pki.chain import read_certificate
from certd.ports import Verdict
from certd.status.render import served_words
from certd.store.provider_ids import Remotes
from certd.store.stores import open_stores
from certd.targets.api_target import ApiTarget, LinkMemory
from certd.targets.files_target import FilesTarget
from certd.targets.layout import Layout, as_generation
from certd.targets.registry import KINDS
from certd.targets.reloads import Nothing
from certd.targets.remote import Pair, RemoteMemory
from tests.lab.certificates import DAY, NOW, make_ca, make_leaf
from tests.simulation.clock import VirtualClock
from tests.simulation.world import SilentJournal

LINK, OTHER = "link.example.com", "other.example.com"
ROOT = make_ca("Root")
ENDPOINT = "cdn.example.com:443"


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Steps:
    """Numbers what is done, and ends the process after one of the steps."""

    last: int | None = None
    done: list[str] = field(default_factory=list)

    def after(self, what: str) -> None:
        self.done.append(what)
        if len(self.done) == self.last:
            raise Killed(what)


@dataclass
class Provider:
    """Renames at each upload, keeps the old object, and serves what is active: it outlives certd."""

    objects: dict[str, tuple[str, str]] = field(default_factory=dict)
    active: dict[str, str] = field(default_factory=dict)
    uploads: int = 0
    removed: list[str] = field(default_factory=list)
    refusal: ProviderRefused | None = None
    keeps: bool = False
    delayed: bool = False


@dataclass
class Client:
    """One certd's client of it."""

    provider: Provider
    steps: Steps

    def hindrance(self) -> str:
        return ""

    def bring(self, pair: Pair, memory: RemoteMemory) -> str:
        there = self.provider
        if there.refusal is not None:
            self.steps.after("refuse")
            raise there.refusal
        wanted = (pair.link, pair.generation)
        found = next((name for name, held in there.objects.items() if held == wanted), "")
        old = memory.name("certificate")
        if old and old != found:
            memory.leave(Leftover(role="certificate", name=old, generation=pair.generation))
        if not found:
            there.uploads += 1
            found = f"id-{there.uploads}"
            there.objects[found] = wanted
            self.steps.after("upload")
        memory.keep("certificate", found)
        if there.active.get(pair.link) != found:
            there.active[pair.link] = found
            self.steps.after("activate")
        return f"{found} is active"

    def remove(self, leftover: Leftover) -> bool:
        there = self.provider
        if there.refusal is not None:
            raise there.refusal
        assert leftover.name not in there.active.values(), "removed what is active"
        if there.keeps:
            return False
        if there.objects.pop(leftover.name, None):
            there.removed.append(leftover.name)
        self.steps.after("remove")
        return True


@dataclass
class Numbered:
    """The real memory; its commits are steps, too."""

    memory: Any
    steps: Steps

    def name(self, role: str) -> str:
        return str(self.memory.name(role))

    def names(self) -> Mapping[str, str]:
        names: Mapping[str, str] = self.memory.names()
        return names

    def keep(self, role: str, name: str) -> None:
        self.memory.keep(role, name)
        self.steps.after("keep")

    def leave(self, leftover: Leftover) -> None:
        self.memory.leave(leftover)
        self.steps.after("leave")

    def leftovers(self) -> Sequence[Leftover]:
        return list(self.memory.leftovers())

    def forget(self, leftover: Leftover) -> None:
        self.memory.forget(leftover)
        self.steps.after("forget")


class NumberedRemotes(Remotes):
    """The node's store."""

    steps = Steps()

    def of(self, proxy: str, link: str) -> Any:
        return Numbered(super().of(proxy, link), self.steps)


@dataclass
class Stage:
    """A node with one API target, and the provider."""

    folder: Path
    remotes: NumberedRemotes
    provider: Provider = field(default_factory=Provider)
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(NOW))
    made: dict[str, Certificate] = field(default_factory=dict)
    settles: timedelta = timedelta(minutes=15)

    def target(self, steps: Steps | None = None) -> ApiTarget:
        steps = self.remotes.steps = steps or Steps()
        files = FilesTarget(
            name="cdn",
            endpoints=(ENDPOINT,),
            layout=Layout(self.folder / "public"),
            pointer=KINDS["acm"].pointer,
            reloading=Nothing(),
        )
        return ApiTarget(
            files=files,
            connect=lambda: Client(self.provider, steps),
            remotes=lambda: self.remotes,
            write_side=lambda link, domains, memory: f"{link}: {memory.name('certificate')}\n",
            deadline=timedelta(seconds=20),
            settles=self.settles,
        )

    def rollout(self, steps: Steps | None = None) -> Rollout:
        return Rollout(
            self.target(steps), self, self.clock, SilentJournal(), self.copy, lambda certificate, names, now: None
        )

    def copy(self, link: str, name: str) -> Certificate | None:
        return self.made.get(name)

    def look(self, endpoints: Sequence[str], domain: str, *, issuer: str = "") -> tuple[Observation, ...]:
        _, name = self.provider.objects.get(self.provider.active.get(domain, ""), ("", ""))
        shown = self.made.get(name) if not self.provider.delayed else None
        return (
            Observation(
                endpoint=ENDPOINT,
                address="192.0.2.1:443",
                health=Health.GOOD,
                fingerprint=shown.fingerprint if shown else "another",
                at=self.clock.now(),
            ),
        )

    def issue(self, link: str, number: int) -> Generation:
        leaf = make_leaf(ROOT, link, start=NOW - DAY + number * timedelta(hours=1))
        made = read_certificate(leaf.pem + ROOT.pem, leaf.key, link=link, issuer="test", issued_at=NOW)
        self.made[made.generation] = made
        return as_generation(made)

    def facts(self, facts: ProxyFacts | None, *wanted: Generation) -> ProxyFacts:
        known = {each.link: each for each in facts.deployments} if facts else {}
        rows = (replace(known.get(g.link, Deployment(link=g.link, domains=g.domains)), wanted=g) for g in wanted)
        return replace(facts or ProxyFacts(proxy="cdn"), deployments=tuple(rows))

    def memory(self, link: str = LINK) -> LinkMemory:
        self.remotes.steps = Steps()
        memory: LinkMemory = self.remotes.of("cdn", link)
        return memory


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    stores = open_stores(private, "lab")
    yield Stage(tmp_path, NumberedRemotes(stores.node.database))
    stores.close()


def renewed(stage: Stage) -> tuple[ProxyFacts, Generation]:
    """With a first certificate that is served; the second is only wanted."""
    first, second = stage.issue(LINK, 1), stage.issue(LINK, 2)
    facts = stage.rollout().deploy(stage.facts(None, first), [LINK])
    assert facts.deployments[0].served == first.fingerprint
    return stage.facts(facts, second), second


def test_uploaded_remembered_proved_and_then_removed(stage: Stage) -> None:
    """The order of a renewal; the old object goes only after the new one was seen."""
    facts, second = renewed(stage)
    steps = Steps()
    facts = stage.rollout(steps).deploy(facts, [LINK])
    assert steps.done == ["leave", "upload", "keep", "activate", "remove", "forget"]
    assert facts.deployments[0].served == second.fingerprint
    assert stage.provider.objects == {"id-2": (LINK, second.name)}
    assert stage.memory().name("certificate") == "id-2"
    assert not stage.memory().leftovers()


@pytest.mark.parametrize("last", range(1, 7))
def test_killed_after_any_step_the_next_pass_completes_it(stage: Stage, last: int) -> None:
    """Also between a request and the memory's commit: nothing is uploaded twice, nothing of ours is left, and what
    clients are served is never removed.
    """
    before, second = renewed(stage)
    with pytest.raises(Killed):
        stage.rollout(Steps(last)).deploy(before, [LINK])
    assert stage.provider.active[LINK] in stage.provider.objects
    facts = stage.rollout().deploy(before, [LINK])
    assert facts.deployments[0].served == second.fingerprint
    assert stage.provider.uploads == 2
    assert stage.provider.objects == {"id-2": (LINK, second.name)}
    assert not stage.memory().leftovers()


def test_on_its_way_nothing_is_removed(stage: Stage) -> None:
    """Taken and not seen yet: the old object stays, and goes with the first look that shows the new one."""
    facts, second = renewed(stage)
    stage.provider.delayed = True
    facts = stage.rollout().deploy(facts, [LINK])
    assert facts.deployments[0].is_spreading
    facts = stage.rollout().look(facts, [LINK])
    assert sorted(stage.provider.objects) == ["id-1", "id-2"]
    stage.provider.delayed = False
    stage.clock.sleep(timedelta(minutes=1))
    facts = stage.rollout().deploy(facts, [LINK])
    assert facts.deployments[0].served == second.fingerprint
    assert sorted(stage.provider.objects) == ["id-2"]


def test_what_a_generation_left_that_was_never_served_goes_with_a_newer_one(stage: Stage) -> None:
    """Two renewals, of which only the second is proved: both old objects go."""
    facts, _ = renewed(stage)
    stage.provider.delayed = True
    facts = stage.rollout().deploy(facts, [LINK])
    third = stage.issue(LINK, 3)
    stage.provider.delayed = False
    stage.clock.sleep(DAY)
    facts = stage.rollout().deploy(stage.facts(facts, third), [LINK])
    assert facts.deployments[0].served == third.fingerprint
    assert stage.provider.objects == {"id-3": (LINK, third.name)}


def test_a_removal_that_fails_is_a_note_and_waits(stage: Stage) -> None:
    """The deployment is proved and no failure; the provider is asked again by the ladder, and not at each look."""
    facts, second = renewed(stage)
    stage.provider.keeps = True
    facts = stage.rollout().deploy(facts, [LINK])
    (deployment,) = facts.deployments
    assert deployment.served == second.fingerprint
    assert (deployment.error, deployment.failures) == ("", 0)
    assert deployment.note == "certificate id-1 is not removed yet: the provider still uses it"
    assert served_words(deployment).endswith(f"; {deployment.note}")
    stage.provider.keeps = False
    facts = stage.rollout().look(facts, [LINK])
    assert facts.deployments[0].note == deployment.note
    stage.clock.sleep(timedelta(minutes=2))
    facts = stage.rollout().look(facts, [LINK])
    assert facts.deployments[0].note == ""
    assert stage.provider.removed == ["id-1"]


def test_what_is_current_is_never_removed(stage: Stage) -> None:
    """Whatever was noted: a renewal that died before its upload noted what is still in use."""
    facts, _ = renewed(stage)
    stage.memory().leave(Leftover(role="certificate", name="id-1", generation="0"))
    first = facts.deployments[0].pointed
    assert first is not None
    facts = stage.rollout().look(stage.facts(facts, first), [LINK])
    assert stage.provider.removed == []
    assert facts.deployments[0].note == ""


def test_refused_for_all_the_others_are_not_asked(stage: Stage) -> None:
    """Each link gets the outcome and its wait."""
    stage.provider.refusal = ProviderRefused("busy", again_after=timedelta(minutes=7), for_all=True)
    first, other = stage.issue(LINK, 1), stage.issue(OTHER, 1)
    target = stage.target(steps := Steps())
    for each in (first, other):
        target.point(each.link, target.install(stage.made[each.name]))
    outcome = target.reload([first, other])
    assert steps.done == ["refuse"]
    assert [outcome.of(each).words for each in (LINK, OTHER)] == ["busy", "busy"]
    assert outcome.of(OTHER).again_after == timedelta(minutes=7)
    stage.provider.refusal = ProviderRefused("this one")
    assert stage.target(steps := Steps()).reload([first, other]).verdict is Verdict.NO
    assert steps.done == ["refuse", "refuse"]


def test_a_placeholder_is_never_uploaded(stage: Stage) -> None:
    """It lies on this node only."""
    target = stage.target(steps := Steps())
    made = target.install_placeholder(LINK, (LINK,), NOW)
    target.point(LINK, made)
    assert target.reload([made]).verdict is Verdict.NO
    assert steps.done == []


def test_forgetting_removes_nothing_there_and_says_what_is_left(stage: Stage) -> None:
    """Both what is in use and what was to be removed."""
    facts, _ = renewed(stage)
    stage.provider.keeps = True
    stage.rollout().deploy(facts, [LINK])
    assert stage.target().forget(LINK) == ("certificate id-2 (cdn)", "certificate id-1 (cdn)")
    assert sorted(stage.provider.objects) == ["id-1", "id-2"]
    assert stage.target().pointed(LINK) is None
