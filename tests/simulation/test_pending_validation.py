"""Validations that fail while the order stays pending: step-ca keeps everything pending and looks again only when the
challenge is answered again; acme2certifier makes the authorization invalid and leaves the order pending.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from certd.model import Authorization, IssuerTerms
from tests.simulation.clock import EPOCH
from tests.simulation.models import ModelCa, ModelOrder
from tests.simulation.world import LINK, NOTHING, Outages, World

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
WORDS = "the value does not match the expected one"


@dataclass
class KeepsPending(ModelCa):
    """A failed validation leaves challenge, authorization and order pending; the challenge says why."""

    answers: list[tuple[datetime, int]] = field(default_factory=list)
    failed: set[tuple[int, int]] = field(default_factory=set)
    proved: set[tuple[int, int]] = field(default_factory=set)

    def answer(self, challenge_url: str) -> None:
        now = self._reached()
        order, index = self._order(challenge_url), int(challenge_url.split("/")[2])
        self.answers.append((now, index))
        sees = self._value(order, index) in self.dns.visible(f"_acme-challenge.{order.domains[index]}")
        place = (order.number, index)
        if sees and not (index == 0 and self.sees_otherwise(now)):
            self.proved.add(place)
            self.failed.discard(place)
        else:
            self.failed.add(place)
        if order.status == "pending" and all((order.number, i) in self.proved for i in range(len(order.domains))):
            order.status = "ready"

    def read_authorization(self, url: str) -> Authorization:
        seen = super().read_authorization(url)
        place = (self._order(url).number, int(url.split("/")[2]))
        if place in self.proved:
            return replace(seen, status="valid")
        return replace(seen, problem_type="incorrectResponse", problem=WORDS) if place in self.failed else seen


@dataclass
class FailsBeside(KeepsPending):
    """A failed validation makes its authorization invalid, and the order stays pending for ever."""

    def read_authorization(self, url: str) -> Authorization:
        seen = super().read_authorization(url)
        return replace(seen, status="invalid") if seen.problem else seen


class Beside(World):
    """A world with such a CA."""

    ca: KeepsPending


def world_with(kind: type[KeepsPending], blind: timedelta) -> Beside:
    """A world whose CA does not see the first name's value for so long."""
    until = Outages(((EPOCH, EPOCH + blind),)) if blind else NOTHING
    world = Beside(1, years=0.1, sees_otherwise=until)
    world.ca = kind(world.clock, world.chance, lambda now: timedelta(days=90), NOTHING, world.dns, sees_otherwise=until)
    world.cas["model"] = world.ca
    world.terms = IssuerTerms(name="model")
    return world


def run_for(world: World, duration: timedelta) -> None:
    """Virtual time goes on for so long."""
    world.end = EPOCH + duration
    world.run()


def test_a_challenge_that_failed_and_stays_pending_is_told_and_answered_again() -> None:
    """Within a minute the CA's words are known and counted; once the CA sees the value, the same order is signed."""
    world = world_with(KeepsPending, 12 * MINUTE)
    run_for(world, MINUTE)
    known = world.lineages.facts(LINK)
    assert known.attempt.failures >= 1
    assert known.attempt.kind == "unauthorized"
    assert WORDS in known.attempt.message
    assert WORDS in world.lineages.rows[world.spec.subject].because
    run_for(world, 30 * MINUTE)
    known = world.lineages.facts(LINK)
    assert known.current is not None
    assert not known.attempt.failures
    assert len(world.ca.orders) == 1
    gaps = [after - before for (before, _), (after, _) in zip(world.ca.answers, world.ca.answers[1:], strict=False)]
    assert gaps == sorted(gaps), "each wait is at least as long as the one before"


def test_only_what_failed_is_answered_again() -> None:
    """Of two names one is valid; the other alone is asked for again."""
    world = world_with(KeepsPending, 3 * MINUTE)
    world.spec = replace(world.spec, domains=(LINK, "click.example.com"))
    run_for(world, 20 * MINUTE)
    assert world.lineages.facts(LINK).current is not None
    assert len(world.ca.orders) == 1
    assert [index for _, index in world.ca.answers].count(1) == 1


def test_a_validation_that_fails_for_ever_ends_with_its_order() -> None:
    """The order is given up with the CA's words, and the challenge is not asked for every few seconds till then."""
    world = world_with(KeepsPending, timedelta(days=9))
    run_for(world, 7 * HOUR)
    attempt = world.lineages.facts(LINK).attempt
    assert len(world.ca.orders) <= 2
    assert (attempt.kind, WORDS in attempt.message) == ("unauthorized", True)
    assert len(world.ca.answers) < 60


def test_a_limit_of_failed_validations_is_kept() -> None:
    """Where an issuer allows a failed validation every twelve minutes, a challenge is not answered sooner."""
    world = world_with(KeepsPending, HOUR)
    world.terms = IssuerTerms(name="model", pause_after_failed_validation=12 * MINUTE)
    run_for(world, 2 * HOUR)
    assert world.lineages.facts(LINK).current is not None
    assert len(world.ca.answers) <= 7


def test_an_invalid_authorization_ends_a_pending_order() -> None:
    """Nothing makes it valid any more: the failure counts within a minute, and the next order comes by the ladder."""
    world = world_with(FailsBeside, 8 * MINUTE)
    run_for(world, MINUTE)
    attempt = world.lineages.facts(LINK).attempt
    assert (attempt.failures, attempt.kind) == (1, "unauthorized")
    assert WORDS in attempt.message
    run_for(world, 30 * MINUTE)
    assert world.lineages.facts(LINK).current is not None
    assert world.dns.published() <= 1


@dataclass
class Counts(KeepsPending):
    """Validates after a while, as a public CA does, and counts who asks for authorizations."""

    reads: int = 0
    at: datetime | None = None

    def answer(self, challenge_url: str) -> None:
        self.at = self._reached()

    def read_order(self, url: str) -> object:  # type: ignore[override]
        order: ModelOrder = self._order(url)
        if order.status == "pending" and self.at is not None and self.clock.true - self.at > timedelta(seconds=1.5):
            order.status = "ready"
        return super().read_order(url)

    def read_authorization(self, url: str) -> Authorization:
        self.reads += 1
        return ModelCa.read_authorization(self, url)


def test_a_validation_that_takes_a_second_costs_no_further_request() -> None:
    """The authorization is read once, when the order is made."""
    world = world_with(Counts, timedelta(0))
    run_for(world, 5 * MINUTE)
    assert world.lineages.facts(LINK).current is not None
    assert isinstance(world.ca, Counts)
    assert world.ca.reads == 1


@pytest.mark.parametrize("status", ["deactivated", "expired", "revoked"])
def test_an_authorization_that_has_ended_ends_its_order(status: str) -> None:
    """Whatever its end is called (RFC 8555 section 7.1.6)."""

    @dataclass
    class Ends(FailsBeside):
        def read_authorization(self, url: str) -> Authorization:
            seen = super().read_authorization(url)
            return replace(seen, status=status, problem="", problem_type="") if seen.problem else seen

    world = world_with(Ends, 8 * MINUTE)
    run_for(world, MINUTE)
    attempt = world.lineages.facts(LINK).attempt
    assert attempt.failures == 1
    assert f"is {status}" in attempt.message
