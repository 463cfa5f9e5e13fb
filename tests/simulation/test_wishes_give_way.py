"""What cannot be had never costs what is served: an added name, another key type, a profile, another CA."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from certd.errors import AcmeProblem, AcmeUnreachable, DnsRefused
from certd.model import KeyType, Secret, TxtCleanup
from certd.ports import Obstacle, OrderSeen
from tests.simulation.clock import EPOCH
from tests.simulation.models import ModelCa, ModelDns
from tests.simulation.world import LINK, NOTHING, World

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
ADDED = "added.example.com"


class Refusing(ModelCa):
    """Makes no order with the added name."""

    problem = AcmeProblem(type="rejectedIdentifier", detail="policy forbids issuing for it", status=400)

    def new_order(self, domains: Sequence[str], *, profile: str = "", replaces: str = "") -> OrderSeen:
        if ADDED in domains:
            self._reached()
            raise self.problem
        return super().new_order(domains, profile=profile, replaces=replaces)


class Redundant(Refusing):
    """The same, for good."""

    problem = AcmeProblem(type="malformed", detail="redundant with a wildcard domain in the same request", status=400)


class NotSeeing(ModelCa):
    """Does not find the record of the added name."""

    def answer(self, challenge_url: str) -> None:
        order, index = self._order(challenge_url), int(challenge_url.split("/")[2])
        if order.status == "pending" and order.domains[index] == ADDED:
            self._reached()
            order.status = "invalid"
            self.failures.spend(ADDED, self.clock.true)
            return
        super().answer(challenge_url)


class NoCname(ModelDns):
    """Another team has not made the CNAME of the added name."""

    def undelegated(self, provider: str, domains: Sequence[str]) -> Obstacle | None:
        return Obstacle(words=f"no CNAME at {ADDED}", awaited=True) if ADDED in domains else None


class Forbidden(ModelDns):
    """CAA records of the added name do not let the CA issue."""

    def denied(
        self, domains: Sequence[str], identities: Sequence[str], account: str, method: str = "dns-01"
    ) -> Obstacle | None:
        return Obstacle(words=f"CAA at {ADDED} does not name it") if ADDED in domains else None


class NoZone(ModelDns):
    """The vendor does not have the zone of the added name."""

    def present(self, *cleanups: TxtCleanup) -> tuple[TxtCleanup, ...]:
        for each in cleanups:
            if ADDED in each.name:
                raise DnsRefused(f"no zone for {each.name}")
        return super().present(*cleanups)


class NeverShown(ModelDns):
    """The value of the added name does not spread."""

    def visible(self, name: str) -> set[str]:
        return set() if ADDED in name else super().visible(name)


def lift(world: World) -> None:
    """The added name becomes possible."""
    world.ca.__class__ = ModelCa
    world.dns.__class__ = ModelDns


def live(world: World, until: timedelta) -> None:
    """Run until so long after the beginning."""
    world.end = EPOCH + until
    world.run()


def with_ca(kind: type[ModelCa]) -> Callable[[World], None]:
    return lambda world: setattr(world.ca, "__class__", kind)


def with_dns(kind: type[ModelDns]) -> Callable[[World], None]:
    return lambda world: setattr(world.dns, "__class__", kind)


OBSTACLES: dict[str, Callable[[World], None]] = {
    "the CA refuses it": with_ca(Refusing),
    "the CA refuses it for good": with_ca(Redundant),
    "its validation fails": with_ca(NotSeeing),
    "its CNAME is not there": with_dns(NoCname),
    "its CAA records forbid it": with_dns(Forbidden),
    "its zone is not ours": with_dns(NoZone),
    "its value does not spread": with_dns(NeverShown),
}
LIVES = {"90 days": 90 * DAY, "160 hours": 160 * HOUR}


# What waits for the DNS looks each minute: five lives of 90 days of that take long to play through.
CASES = [("160 hours", obstacle) for obstacle in OBSTACLES] + [
    ("90 days", obstacle) for obstacle in ("the CA refuses it", "the CA refuses it for good", "its validation fails")
]


@pytest.mark.parametrize(("life", "obstacle"), CASES)
def test_an_added_name_that_cannot_be_had(life: str, obstacle: str) -> None:
    """What is served is renewed in time, five lives long, with no limit hit; when the name is possible, it comes."""
    span = LIVES[life]
    world = World(3, years=0, life=span)
    live(world, span / 4)
    assert world.lapsed == timedelta(0)
    OBSTACLES[obstacle](world)
    world.configure(replace(world.spec, domains=(ADDED, LINK)), "wider")
    live(world, span * 5)
    said = "\n".join(world.journal.lines[-40:])
    assert world.lapsed == timedelta(0), said
    assert world.ca.refused == [], said
    assert {names for _, names in world.ca.issued} == {frozenset({LINK})}
    margin = 1 / 2 if span < 10 * DAY else 1 / 3
    assert len(world.ca.issued) <= 2 + 5 / (1 - margin * 1.1)
    asked = [order for order in world.ca.orders if ADDED in order.domains]
    # Four an hour are not answered at all, where the DNS is at fault: they cost the CA no validation.
    assert len(asked) <= 10 + span * 5 / DAY * (2 if "spread" not in obstacle else 4 * 24), len(asked)
    lift(world)
    world.mark = "as wide, tried again"
    world.lineages.wake(world.spec.subject)
    live(world, span * 5 + 3 * DAY)
    current = world.lineages.facts(LINK).current
    assert current is not None and set(current.domains) == {ADDED, LINK}, "\n".join(world.journal.lines[-20:])
    served = world.proxy.loaded[LINK]
    assert set(served.domains) == {ADDED, LINK}
    live(world, span * 6.2)
    assert world.lapsed == timedelta(0)
    assert world.ca.refused == []
    assert world.dns.published() == 0


def test_a_name_that_was_taken_away_is_not_renewed_with_the_old_ones() -> None:
    """What is wanted no more may be what cannot be had: the order asks for the names that are wanted and served."""
    world = World(4, years=0)
    world.configure(replace(world.spec, domains=(LINK, "gone.example.com")), "two")
    live(world, 20 * DAY)
    world.ca.__class__ = Refusing
    world.configure(replace(world.spec, domains=(LINK, ADDED)), "other")
    live(world, 200 * DAY)
    assert world.lapsed == timedelta(0)
    assert world.ca.refused == []
    assert world.ca.issued[-1][1] == {LINK}


class OneKind(ModelCa):
    """Signs no key of the wanted kind; the model sees it by the order that names it."""

    def finalize(self, finalize_url: str, csr_der: bytes) -> OrderSeen:
        if csr_der == b"rsa-2048":
            self._reached()
            raise AcmeProblem(type="badCSR", detail="this key type is not accepted here", status=400)
        return super().finalize(finalize_url, csr_der)


@pytest.mark.parametrize("life", LIVES)
def test_a_key_type_that_the_ca_does_not_take(life: str) -> None:
    """The next renewals go on with the key type that is served; the other is tried first, each time."""
    span = LIVES[life]
    world = World(5, years=0, life=span)
    crypto = replace(
        world.issue.issuance.crypto,
        make_key=lambda kind: Secret(kind),
        csr=lambda key, domains: key.reveal().encode(),
    )
    world.issue = replace(world.issue, issuance=replace(world.issue.issuance, crypto=crypto))
    live(world, span / 4)
    world.ca.__class__ = OneKind
    world.configure(replace(world.spec, key_type=KeyType.RSA_2048), "rsa")
    live(world, span * 4)
    assert world.lapsed == timedelta(0), "\n".join(world.journal.lines[-30:])
    assert world.ca.refused == []
    attempt = world.lineages.facts(LINK).attempt
    assert any("key type rsa-2048" in words for words in attempt.dropped) or attempt.kind == "badKey", attempt


class Unbound(ModelCa):
    """Wants an account at its site first."""

    def new_order(self, domains: Sequence[str], *, profile: str = "", replaces: str = "") -> OrderSeen:
        self._reached()
        raise AcmeProblem(type="externalAccountRequired", detail="no external account binding", status=403)


class Gone(ModelCa):
    """Answers nothing."""

    def new_order(self, domains: Sequence[str], *, profile: str = "", replaces: str = "") -> OrderSeen:
        self.clock.sleep(timedelta(seconds=5))
        raise AcmeUnreachable("no such host")


@pytest.mark.parametrize(("life", "kind"), [("160 hours", Unbound), ("90 days", Unbound), ("160 hours", Gone)])
def test_another_ca_that_signs_nothing(life: str, kind: type[ModelCa]) -> None:
    """The one before renews what is served; the other is asked first at each renewal, and takes over once it signs."""
    span = LIVES[life]
    world = World(6, years=0, life=span, fallback_away=NOTHING)
    world.spec = replace(world.spec, issuers=("fallback",))
    live(world, span / 4)
    world.ca.__class__ = kind
    world.configure(replace(world.spec, issuers=("model",)), "another")
    live(world, span * 4)
    said = "\n".join(world.journal.lines[-40:])
    assert world.lapsed == timedelta(0), said
    assert world.ca.issued == []
    assert world.cas["fallback"].refused == []
    assert any("issuer model" in words for words in world.lineages.facts(LINK).attempt.dropped), said
    world.ca.__class__ = ModelCa
    world.mark = "bound"
    live(world, span * 5)
    current = world.lineages.facts(LINK).current
    assert current is not None and current.issuer == "model"
    assert world.lapsed == timedelta(0)
