"""Going back is decided by evidence: a table of what was seen before and after a pointer moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from certd.deployment.rollout import Rollout
from certd.errors import CertdError, RowDamaged, TargetError
from certd.model import (
    Certificate,
    Deploy,
    Deployment,
    DesiredProxy,
    Generation,
    Health,
    Look,
    Observation,
    ProxyFacts,
    Secret,
    Wait,
)
from certd.planning import plan_deploy
from certd.ports import Outcome, Verdict
from tests.simulation.clock import VirtualClock
from tests.simulation.world import SilentJournal
from tests.unit.cases import DAY, NOW, generation

LINK = "link.example.com"


@dataclass
class Proxy:
    """A target and its eyes: what is seen depends on what is pointed at."""

    seen: Mapping[str, Observation]
    checks: Mapping[str, Verdict] = field(default_factory=dict)
    pointed_at: str = ""
    reloads: int = 0
    name: str = "edge"
    endpoints: tuple[str, ...] = ("127.0.0.1:443",)
    moves: list[str] = field(default_factory=list)
    settles: timedelta = timedelta(0)
    least_left: timedelta = timedelta(0)
    answer: Outcome = field(default_factory=lambda: Outcome(verdict=Verdict.YES))

    def install(self, certificate: Certificate) -> Generation:
        return replace(
            generation(),
            name=certificate.generation,
            fingerprint=certificate.fingerprint,
            not_before=certificate.not_before,
            not_after=certificate.not_after,
        )

    def install_placeholder(self, link: str, domains: Sequence[str], now: datetime) -> Generation:
        raise NotImplementedError

    def point(self, link: str, generation: Generation) -> None:
        self.moves.append(generation.name)
        self.pointed_at = generation.name

    def pointed(self, link: str) -> Generation | None:
        return None

    def damage(self, certificate: Certificate) -> str:
        return ""

    def check(self) -> Outcome:
        return Outcome(verdict=self.checks.get(self.pointed_at, Verdict.YES), words="emerg")

    def reload(self, generations: Sequence[Generation] = ()) -> Outcome:
        self.reloads += 1
        return self.answer

    def sweep(self, keep: Mapping[str, frozenset[str]], now: datetime) -> tuple[str, ...]:
        return ()

    def remove_replaced(self, proved: Mapping[str, Generation], now: datetime) -> Mapping[str, str]:
        return {}

    def look(self, endpoints: Sequence[str], domain: str, *, issuer: str = "") -> tuple[Observation, ...]:
        return (self.seen[self.pointed_at],)


def observation(health: Health, shown: Generation | None = None) -> Observation:
    return Observation(
        endpoint="127.0.0.1:443",
        address="127.0.0.1:443",
        health=health,
        at=NOW,
        fingerprint=shown.fingerprint if shown else "f" * 64,
        because="" if health is Health.GOOD else health.value,
        not_after=shown.not_after if shown else None,
    )


old = generation(age=60 * DAY, mark="a")
dying = generation(age=80 * DAY, mark="c")
new = generation(mark="b")


def deployed(proxy: Proxy, pointed: Generation, *, known: Deployment | None = None, at: datetime = NOW) -> Deployment:
    """One deployment of ``new`` over ``pointed``, or one more of what is known."""
    proxy.pointed_at = pointed.name
    before = proxy.look(proxy.endpoints, LINK)
    deployment = known or Deployment(
        link=LINK, domains=(LINK,), wanted=new, pointed=pointed, observations=before, looked_at=NOW
    )
    copy = Certificate(
        link=LINK,
        generation=new.name,
        fingerprint=new.fingerprint,
        issuer="x",
        domains=(LINK,),
        key_type="ecdsa-p256",
        not_before=new.not_before,
        not_after=new.not_after,
        chain_pem="",
        key=Secret("k"),
        issued_at=NOW,
    )
    rollout = Rollout(
        proxy,
        proxy,
        VirtualClock(at),
        SilentJournal(),
        lambda link, name: copy,
        lambda certificate, domains, now: None,
    )
    facts = rollout.deploy(ProxyFacts(proxy="edge", deployments=(deployment,)), [LINK])
    return facts.deployments[0]


CASES: dict[str, tuple[Generation, Observation, Observation, Generation]] = {
    "served: stays": (old, observation(Health.GOOD, old), observation(Health.GOOD, new), new),
    "good before, bad after: goes back": (old, observation(Health.GOOD, old), observation(Health.BAD), old),
    "good before, blind after: stays": (old, observation(Health.GOOD, old), observation(Health.BLIND), new),
    "bad before, bad after: stays": (old, observation(Health.BAD), observation(Health.BAD), new),
    "blind before, bad after: stays": (old, observation(Health.BLIND), observation(Health.BAD), new),
    "another good one after: stays": (old, observation(Health.GOOD, old), observation(Health.GOOD, old), new),
    "less than half of the margin left: stays": (dying, observation(Health.GOOD, dying), observation(Health.BAD), new),
    "a placeholder is nothing to go back to": (
        replace(old, placeholder=True),
        observation(Health.GOOD, old),
        observation(Health.BAD),
        new,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_going_back(name: str) -> None:
    """Promise 11."""
    pointed, before, after, expected = CASES[name]
    result = deployed(Proxy({pointed.name: before, new.name: after}), pointed)
    assert result.pointed is not None
    assert result.pointed.name == expected.name
    assert result.is_verified == (name == "served: stays")
    assert bool(result.error) == (name != "served: stays")


def test_what_was_gone_back_from_is_tried_again_rarely() -> None:
    """Every try is felt by clients."""
    result = deployed(Proxy({old.name: observation(Health.GOOD, old), new.name: observation(Health.BAD)}), old)
    assert result.refused == new.name
    assert result.try_at is not None
    assert result.try_at - NOW >= timedelta(minutes=1)


def test_a_check_that_only_the_new_one_fails() -> None:
    """Ours: the old pointer is put back, nothing is reloaded."""
    proxy = Proxy({old.name: observation(Health.GOOD, old)}, {new.name: Verdict.NO})
    result = deployed(proxy, old)
    assert (proxy.pointed_at, proxy.reloads) == (old.name, 0)
    assert "refuses it: emerg" in result.error


def test_a_check_that_both_fail() -> None:
    """A stranger's: the new one stays for the next start, nothing is reloaded."""
    proxy = Proxy({old.name: observation(Health.GOOD, old)}, {new.name: Verdict.NO, old.name: Verdict.NO})
    result = deployed(proxy, old)
    assert (proxy.pointed_at, proxy.reloads) == (new.name, 0)
    assert "by somebody else" in result.error


def test_a_check_that_cannot_judge() -> None:
    """No reason not to reload: the eyes decide."""
    seen = {old.name: observation(Health.GOOD, old), new.name: observation(Health.GOOD, new)}
    proxy = Proxy(seen, {new.name: Verdict.CANNOT_JUDGE})
    assert deployed(proxy, old).is_verified
    assert proxy.reloads == 1


OTHER = "other.example.com"


def two(proxy: Proxy, copies: Mapping[str, Certificate | CertdError]) -> tuple[Rollout, ProxyFacts]:
    """Two links, both served ``old`` and wanting ``new``."""

    def copy(link: str, name: str) -> Certificate | None:
        found = copies[link]
        if isinstance(found, CertdError):
            raise found
        return replace(found, link=link)

    proxy.pointed_at = old.name
    before = proxy.look(proxy.endpoints, LINK)
    deployments = tuple(
        Deployment(link=link, domains=(link,), wanted=new, pointed=old, observations=before, looked_at=NOW)
        for link in (LINK, OTHER)
    )
    rollout = Rollout(proxy, proxy, VirtualClock(NOW), SilentJournal(), copy, lambda certificate, domains, now: None)
    return rollout, ProxyFacts(proxy="edge", deployments=deployments)


COPY = Certificate(
    link=LINK,
    generation=new.name,
    fingerprint=new.fingerprint,
    issuer="x",
    domains=(LINK,),
    key_type="ecdsa-p256",
    not_before=new.not_before,
    not_after=new.not_after,
    chain_pem="",
    key=Secret("k"),
    issued_at=NOW,
)


def test_a_copy_that_cannot_be_opened_holds_back_no_other() -> None:
    """Neither when it is deployed nor when it is looked at: its own link fails, in words."""
    proxy = Proxy({old.name: observation(Health.GOOD, old), new.name: observation(Health.GOOD, new)})
    rollout, facts = two(proxy, {LINK: RowDamaged("copy.sealed_key does not open"), OTHER: COPY})
    done = rollout.deploy(facts, [LINK, OTHER])
    damaged, fine = done.deployments
    assert fine.is_verified
    assert "does not open" in damaged.error
    again = rollout.look(
        replace(
            done, deployments=tuple(replace(each, pointed=new, served=new.fingerprint) for each in done.deployments)
        ),
        [LINK, OTHER],
    )
    assert again.deployments[1].is_verified
    assert "does not open" in again.deployments[0].error


def test_a_pointer_that_cannot_be_put_back() -> None:
    """What is remembered is what lies there: the next try begins from it."""

    class Full(Proxy):
        def point(self, link: str, generation: Generation) -> None:
            if generation.name == old.name:
                raise TargetError("the disk is full")
            super().point(link, generation)

    proxy = Full({old.name: observation(Health.GOOD, old)}, {new.name: Verdict.NO})
    result = deployed(proxy, old)
    assert (proxy.pointed_at, proxy.reloads) == (new.name, 0)
    assert result.pointed == new
    assert "the disk is full" in result.error
    assert not result.is_verified


TAKEN = Outcome(verdict=Verdict.YES, words="arn:x holds it")
SPREADS = timedelta(minutes=15)


def spreading(answer: Outcome = TAKEN) -> Proxy:
    """A provider that has it while clients still get the old one."""
    seen = {old.name: observation(Health.GOOD, old), new.name: observation(Health.GOOD, old)}
    return Proxy(seen, settles=SPREADS, answer=answer)


def test_what_a_provider_has_taken_is_no_failure_while_it_spreads() -> None:
    """Looked at again soon, nothing counted; when the time is over, counted from when it was taken, it is one."""
    first = deployed(spreading(), old)
    assert (first.failures, first.hint, first.is_spreading) == (0, "arn:x holds it", True)
    assert first.error.startswith("taken, and on its way to clients; ")
    assert first.try_at is not None
    assert timedelta(0) < first.try_at - NOW < timedelta(minutes=1)
    shortly = deployed(spreading(), new, known=first, at=NOW + SPREADS - timedelta(minutes=1))
    assert (shortly.failures, shortly.taken_at) == (0, first.taken_at)
    late = deployed(spreading(), new, known=shortly, at=NOW + SPREADS + timedelta(minutes=1))
    assert (late.failures, late.is_spreading) == (1, False)
    assert not late.error.startswith("taken")
    assert late.hint == "arn:x holds it"


def test_the_time_to_spread_begins_when_it_is_taken() -> None:
    """Not when the pointer was moved: the provider may have been away for hours."""
    no = Outcome(verdict=Verdict.NO, words="ACM is out of order")
    away = deployed(spreading(no), old)
    assert (away.failures, away.error, away.taken_at) == (1, "ACM is out of order", None)
    later = NOW + timedelta(hours=5)
    taken = deployed(spreading(), new, known=away, at=later)
    assert taken.taken_at is not None
    assert taken.taken_at >= later
    assert taken.error.startswith("taken, ")


def test_a_provider_that_wants_to_be_left_alone_is() -> None:
    """The next try is not before it said; another link's refusal is not this one's."""
    busy = Outcome(verdict=Verdict.NO, words="Rate exceeded", again_after=timedelta(minutes=7))
    result = deployed(spreading(Outcome(verdict=Verdict.NO, words="all", by_link={LINK: busy})), old)
    assert result.try_at is not None
    assert result.try_at - NOW >= timedelta(minutes=7)
    others = Outcome(verdict=Verdict.NO, words="b: refused", by_link={"b": busy, LINK: TAKEN})
    assert deployed(spreading(others), old).error.startswith("taken, ")


def after_turns(proxy: Proxy, deployment: Deployment, turns: int) -> Deployment:
    """What the daemon does: plan, act, wait until the next thing is due; so many times."""
    proxy.pointed_at = deployment.pointed.name if deployment.pointed else ""
    clock = VirtualClock(NOW)
    rollout = Rollout(proxy, proxy, clock, SilentJournal(), lambda link, name: COPY, lambda *_: None)
    facts = ProxyFacts(proxy="edge", deployments=(deployment,))
    wish = DesiredProxy(proxy="edge", links=(LINK,))
    for _ in range(turns):
        match plan_deploy(wish, facts, clock.now()):
            case Look(links=links):
                facts = rollout.look(facts, links)
            case Deploy(links=links):
                facts = rollout.deploy(facts, links)
            case Wait(until=until):
                clock.sleep(until - clock.now())
    return facts.deployments[0]


def restored() -> Deployment:
    """After a lost pointer, a restore or an import: the start pointed at the best copy, and told nobody."""
    return Deployment(link=LINK, domains=(LINK,), wanted=new, pointed=new)


def test_what_was_pointed_without_a_reload_is_brought_though_nothing_can_be_seen() -> None:
    """At a CDN nothing answers before the first upload: the look that sees nothing must not hold the upload back."""
    proxy = Proxy({new.name: observation(Health.BLIND)})
    result = after_turns(proxy, restored(), 20)
    assert proxy.reloads == 1
    assert result.reloaded == new.name
    assert result.failures > 0


def test_a_reload_that_failed_is_tried_again_though_nothing_can_be_seen() -> None:
    """What refused it may have been busy; the endpoint may be behind a firewall."""
    proxy = Proxy({new.name: observation(Health.BLIND)}, answer=Outcome(verdict=Verdict.NO, words="busy"))
    result = after_turns(proxy, restored(), 20)
    assert proxy.reloads > 3
    assert result.reloaded == ""
    assert result.error.endswith("busy")
