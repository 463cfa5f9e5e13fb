"""Everything comes from the certificate itself: lives from a minute to 398 days; the CA's window is hit exactly."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from certd.acme.directories import LETS_ENCRYPT
from certd.errors import AcmeProblem
from certd.ports.dns import Obstacle
from tests.simulation.clock import EPOCH
from tests.simulation.models import ModelOrder, Tokens
from tests.simulation.world import LINK, Outages, World

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
SHORT = timedelta(hours=160)


@pytest.mark.parametrize("seed", range(5))
def test_six_days_are_renewed_in_their_three_hours(seed: int) -> None:
    """A life of 160 hours has a window of 3.2 hours, shorter than the pause between two looks at it: every renewal of a
    year falls into it, so that every one is exempt from the CA's limits.
    """
    world = World(seed, years=1, life=SHORT)
    world.run()
    assert len(world.ca.orders) > 365 * 24 / 90
    for before, after in itertools.pairwise(world.ca.orders):
        assert before.certificate is not None
        start, end = world.ca._window(before.certificate)
        assert start <= after.made_at < end, (start, after.made_at, end)
    assert world.lapsed == timedelta(0)


def fails_for_ever(order: ModelOrder) -> str | None:
    """The fifth order of all cannot be read any more."""
    if order.number == 4:
        raise AcmeProblem(type="serverInternal", detail="Error retrieving order", status=500)
    return None


@pytest.mark.parametrize("spoils", [fails_for_ever, lambda order: "processing" if order.number == 4 else None])
@pytest.mark.parametrize("life", [SHORT, 90 * DAY])
def test_an_order_that_the_ca_never_gets_done_with(life: timedelta, spoils: Callable[[ModelOrder], str | None]) -> None:
    """It is given up while there is time for another one: the CA's word that it expires in a week is no reason to let
    a certificate of 160 hours lapse.
    """
    world = World(1, years=0.1 if life == SHORT else 2, life=life)
    world.ca.spoils = spoils
    world.run()
    assert world.lapsed == timedelta(0), "\n".join(world.journal.lines[-20:])
    assert len(world.ca.orders) > 6


LIVES = (
    timedelta(minutes=1),
    timedelta(minutes=10),
    2 * HOUR,
    DAY,
    SHORT,
    10 * DAY,
    45 * DAY,
    64 * DAY,
    90 * DAY,
    199 * DAY,
    398 * DAY,
)


@pytest.mark.parametrize("seed", range(5))
def test_a_life_that_changes_at_every_renewal(seed: int) -> None:
    """Whatever the last one had, the next one is renewed by its own dates: not a second of lapse."""
    chance = random.Random(seed)
    drawn: dict[int, timedelta] = {}

    def life(now: datetime) -> timedelta:
        # Drawn once for each certificate; the CA has no budget for hundreds of short ones in a row.
        return drawn.setdefault(len(world.ca.issued), chance.choice(LIVES if chance.random() < 0.3 else LIVES[4:]))

    world = World(seed, years=4, life=life)
    world.dns.delay = timedelta(seconds=0.5)
    world.ca.has_limits = False
    world.terms = world.terms.__class__(name="model")
    world.run()
    assert world.lapsed == timedelta(0), "\n".join(world.journal.lines[-40:])
    assert len(world.ca.issued) > 10
    assert len(set(drawn.values())) >= 4


@pytest.mark.parametrize("life", [timedelta(minutes=1), timedelta(minutes=10), DAY, 398 * DAY])
def test_one_life(life: timedelta) -> None:
    """More than 26 certificates of the same life in a row."""
    world = World(1, years=(life * 26).total_seconds() / 86400 / 365, life=life)
    world.dns.delay = timedelta(seconds=0.5)
    world.ca.has_limits = False
    world.terms = world.terms.__class__(name="model")
    world.run()
    assert world.lapsed == timedelta(0)
    assert len(world.ca.issued) > 26


def test_staging_takes_the_failures() -> None:
    """A validation that fails for a day: production is asked once, staging as often as the ladder says, and when the
    world sees the record again production signs right after staging did.
    """
    fails = Outages(((EPOCH + 59 * DAY, EPOCH + 61 * DAY + 12 * HOUR),))
    world = World(2, years=66 / 365, sees_otherwise=fails, with_staging=True)
    world.run()
    assert world.lineages.facts(LINK).current is not None
    assert len(world.ca.issued) == 2
    assert len(world.ca.orders) == 3
    staged = world.cas["staging"].orders
    assert len(staged) >= 3
    assert staged[-1].status == "valid"
    assert world.dns.published() == 0


def test_without_staging_production_takes_them() -> None:
    """The same without a staging directory: so many more orders that fail at production."""
    fails = Outages(((EPOCH + 59 * DAY, EPOCH + 61 * DAY + 12 * HOUR),))
    world = World(2, years=66 / 365, sees_otherwise=fails)
    world.run()
    assert len(world.ca.issued) == 2
    assert len(world.ca.orders) >= 5
    assert world.ca.refused == []


@pytest.mark.parametrize("trouble", ["CAA pins the account", "it is away", "it limits us"])
def test_a_staging_directory_with_trouble_of_its_own(trouble: str) -> None:
    """It holds production back by nothing: no order is left there, and production goes on by its own ladder."""
    fails = Outages(((EPOCH + 59 * DAY, EPOCH + 61 * DAY + 12 * HOUR),))
    world = World(2, years=66 / 365, sees_otherwise=fails, with_staging=True)
    staging = world.cas["staging"]
    match trouble:
        case "CAA pins the account":
            world.ca.caa = lambda: (("ca.example",), "model/account/1")  # type: ignore[method-assign]
            staging.caa = lambda: (("ca.example",), "staging/account/1")  # type: ignore[method-assign]

            def pins(
                domains: Sequence[str], identities: Sequence[str], account: str, method: str = "dns-01"
            ) -> Obstacle | None:
                return None if account == "model/account/1" else Obstacle(words="CAA pins the account")

            world.dns.denied = pins  # type: ignore[method-assign]
        case "it is away":
            staging.is_away = lambda now: True
        case _:
            staging.has_limits, staging.per_account = True, Tokens(1, 9000 * DAY, {"": (0.0, EPOCH)})
    world.run()
    assert len(world.ca.issued) == 2
    assert len(world.ca.orders) >= 4
    assert staging.orders == []
    assert world.dns.published() == 0
    assert world.lapsed == timedelta(0)


def test_a_ca_that_is_away_uses_up_no_limits() -> None:
    """What was never ordered does not count: the first certificate comes minutes after the CA, however often it was
    asked in vain.
    """
    back = EPOCH + 2 * DAY
    world = World(1, years=0.02, ca_away=Outages(((EPOCH, back),)))
    world.terms = replace(world.terms, limits=LETS_ENCRYPT)
    world.run()
    assert timedelta(0) < world.ca.orders[0].made_at - back < timedelta(minutes=15)
