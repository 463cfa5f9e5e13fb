"""An exception that ends a worker is a fact of its link: counted, on the local ladder, with its sentence."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import timedelta

import pytest

from certd.engine import DeployEngine, IssueEngine
from certd.errors import ConfigurationError, CredentialMissing, Finding, SecretUnreadable
from certd.model import Lease, Level, TxtCleanup
from certd.planning.alarms import issue_alarm
from certd.planning.issue import plan_issue
from certd.status.assess import State, judge_state
from tests.simulation.clock import EPOCH
from tests.simulation.world import LINK, World

HOUR = timedelta(hours=1)

ENDINGS = {
    "secret": (SecretUnreadable("file:/etc/certd/tsig.key: cannot be read", hint="chown certd it"), "cannot be read"),
    "credential": (CredentialMissing("credential:tsig: not passed", name="tsig", hint="pass it"), "not passed"),
    "configuration": (
        ConfigurationError((Finding(path="issuer.x.eab.hmac", message="is not base64url"),)),
        "issuer.x.eab.hmac: is not base64url",
    ),
    "internal": (KeyError("s3cret"), "certd made a mistake of its own: KeyError at test_interrupted.py:"),
    "exit": (SystemExit(3), "certd made a mistake of its own: SystemExit"),
}
KINDS = {"credential": "secret", "exit": "internal"}


class Subject(IssueEngine):
    """What a worker does with what the engine lets through: it logs it."""

    def reconcile(self, lease: Lease) -> None:
        with contextlib.suppress(Exception, SystemExit):
            IssueEngine.reconcile(self, lease)


class PatientDeploy(DeployEngine):
    """The same of a proxy."""

    def reconcile(self, lease: Lease) -> None:
        with contextlib.suppress(Exception, SystemExit):
            DeployEngine.reconcile(self, lease)


def subject(world: World) -> World:
    """With engines whose workers survive."""
    world.issue = Subject(**{each.name: getattr(world.issue, each.name) for each in fields(world.issue)})
    world.deploy = PatientDeploy(**{each.name: getattr(world.deploy, each.name) for each in fields(world.deploy)})
    return world


def raising(
    world: World, error: BaseException, until: timedelta
) -> tuple[Callable[..., tuple[TxtCleanup, ...]], list[object]]:
    """``present`` that ends its worker until then; the times at which it was called."""
    good, called = world.dns.present, list[object]()

    def present(*cleanups: TxtCleanup) -> tuple[TxtCleanup, ...]:
        called.append(world.clock.now())
        if world.clock.true < EPOCH + until:
            raise error
        return good(*cleanups)

    return present, called


@pytest.mark.parametrize("name", ENDINGS)
def test_what_ends_a_worker_is_a_fact_of_the_link(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, with its sentence and nobody's secret, tried again on the local ladder, over as soon as it is over."""
    error, words = ENDINGS[name]
    world = subject(World(1, years=1))
    present, called = raising(world, error, 6 * HOUR)
    monkeypatch.setattr(type(world.dns), "present", lambda dns, *cleanups: present(*cleanups))
    world.end = EPOCH + 2 * HOUR
    world.run()
    facts = world.lineages.facts(LINK)
    assert facts.attempt.kind == KINDS.get(name, name)
    assert words in facts.attempt.message
    assert "s3cret" not in repr(facts.attempt)
    assert facts.attempt.hint or name == "configuration"
    assert 20 <= facts.attempt.dns_failures == len(called) <= 60
    assert facts.order is not None and facts.order.because == facts.attempt.message
    # Everything that tells people says it.
    desired, now = world._wish(LINK, facts), world.clock.now()
    action = plan_issue(desired, facts, now)
    assert facts.attempt.message in action.because
    assert judge_state(desired, facts, (), action, now)[:2] == (State.FAILED, facts.attempt.message)
    alarm = issue_alarm(facts, action, now, {})
    assert alarm is not None and alarm.level is Level.WARNING and alarm.words == facts.attempt.message
    # Nothing was bought meanwhile, and nobody "died".
    assert len(world.ca.orders) == 1
    assert not any("taken over" in line for line in world.journal.lines)
    world.end = EPOCH + 7 * HOUR
    world.run()
    facts = world.lineages.facts(LINK)
    assert facts.current is not None and facts.attempt.kind == ""
    assert facts.current.not_before < EPOCH + 6 * HOUR + timedelta(minutes=10)


def test_what_only_a_person_can_end_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the first failure; a mistake of certd's own after three."""
    for name, expected in (("secret", Level.WARNING), ("configuration", Level.WARNING), ("internal", None)):
        world = subject(World(1, years=1))
        present, _ = raising(world, ENDINGS[name][0], 6 * HOUR)
        monkeypatch.setattr(type(world.dns), "present", lambda dns, cleanup, call=present: call(cleanup))
        world.end = EPOCH + timedelta(seconds=4)
        world.run()
        facts = world.lineages.facts(LINK)
        assert 1 <= facts.attempt.dns_failures <= 2
        alarm = issue_alarm(facts, None, world.clock.now(), {})
        assert (alarm.level if alarm else None) is expected
        monkeypatch.undo()


def test_what_ends_the_look_for_renewal_information_is_forgotten_when_it_is_over() -> None:
    """The link has its certificate: a mistake that is over does not stand until the next renewal."""
    world = subject(World(1, years=1))
    world.end = EPOCH + HOUR
    world.run()
    good, failing = world.ca.renewal_information, [True]

    def asked(ari_id: str) -> object:
        if failing[0]:
            raise KeyError("s3cret")
        return good(ari_id)

    world.ca.renewal_information = asked  # type: ignore[assignment,method-assign]
    world.end = EPOCH + 26 * HOUR
    world.run()
    facts = world.lineages.facts(LINK)
    assert facts.attempt.kind == "internal" and facts.current is not None
    assert world.passes < 600
    failing[0] = False
    world.end = EPOCH + 27 * HOUR
    world.run()
    assert world.lineages.facts(LINK).attempt.kind == ""


def test_what_ends_a_proxys_worker_is_a_fact_of_each_link_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tried again on the local ladder, and served as soon as it is over."""
    world = subject(World(1, years=1))
    good = world.proxy.check

    def check() -> object:
        if world.clock.true < EPOCH + 2 * HOUR:
            raise SecretUnreadable("file:/etc/certd/api: cannot be read", hint="chown certd it")
        return good()

    monkeypatch.setattr(world.proxy, "check", check)
    world.end = EPOCH + HOUR
    world.run()
    (deployment,) = world.node.proxy_facts("edge", [(LINK, (LINK,))]).deployments
    assert deployment.error == "file:/etc/certd/api: cannot be read"
    assert (deployment.hint, deployment.is_verified) == ("chown certd it", False)
    assert 10 <= deployment.failures <= 40
    assert deployment.try_at is not None and deployment.try_at > world.clock.now()
    world.end = EPOCH + 3 * HOUR
    world.run()
    (deployment,) = world.node.proxy_facts("edge", [(LINK, (LINK,))]).deployments
    assert deployment.is_verified and not deployment.error


def test_another_nodes_wish_is_no_failure_of_the_link() -> None:
    """A node whose configuration lacks the issuer writes nothing into what all nodes share."""
    world = subject(World(1, years=1))

    def desired(link: str, facts: object, dependency: str) -> object:
        raise ConfigurationError((Finding(path="issuer.other", message="is not here"),))

    world.issue = replace(world.issue, desired=desired)  # type: ignore[arg-type]
    world.end = EPOCH + HOUR
    world.run()
    assert world.lineages.facts(LINK).attempt.kind == ""
    assert world.passes < 300
