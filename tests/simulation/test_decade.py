"""Ten years as they are announced: lives of 90, 64, 45 days with spells of six days, outages of everything,
certificates called back, validations that fail for reasons of the world, a second CA.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import pytest

from certd.errors import AcmeUnreachable
from certd.ports import OrderSeen
from certd.ports.dns import Obstacle
from tests.simulation.clock import EPOCH
from tests.simulation.world import Event, Outages, World

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
YEARS = 10
SEEDS = 100

SHORT = timedelta(hours=160)


class Lives:
    """How long a certificate lives that is signed at a time: Let's Encrypt's plan, and spells of ``shortlived``."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(f"{seed}-lives")
        spells = sorted(chance.uniform(0, 365 * YEARS) for _ in range(YEARS))
        self.spells = [(EPOCH + start * DAY, EPOCH + (start + chance.uniform(7, 21)) * DAY) for start in spells]
        self.first = EPOCH + chance.uniform(40, 700) * DAY
        self.second = self.first + chance.uniform(200, 700) * DAY

    def __call__(self, now: datetime) -> timedelta:
        if any(start <= now < end for start, end in self.spells):
            return SHORT
        return 90 * DAY if now < self.first else 64 * DAY if now < self.second else 45 * DAY

    def shortest_around(self, now: datetime) -> timedelta:
        """Of all that may be served at a time or signed soon after."""
        return min(self(now + days * DAY) for days in range(-7, 15))


def outages(seed: int, salt: str, a_year: float, lives: Lives, share: float = 1 / 12) -> Outages:
    """So many a year, each shorter than a share of the life that is served: a quarter of the margin."""
    chance = random.Random(f"{seed}-{salt}")
    starts = sorted(EPOCH + chance.uniform(0, YEARS * 365) * DAY for _ in range(round(YEARS * a_year)))
    return Outages(
        tuple((start, start + lives.shortest_around(start) * share * chance.random() ** 2) for start in starts)
    )


def events(seed: int, lives: Lives, is_calm: Callable[[datetime, datetime], bool]) -> list[Event]:
    """Strangers, suspends, wrong clocks; and incidents where a day is enough to do something about them."""
    chance = random.Random(f"{seed}-events")

    def moments(a_year: float) -> list[datetime]:
        return [EPOCH + chance.uniform(0, YEARS * 365) * DAY for _ in range(round(YEARS * a_year))]

    found = [Event(at, "stranger") for at in moments(12)]
    suspends = [Event(at, "suspend", lives.shortest_around(at) / 20 * chance.random() ** 2) for at in moments(2)]
    for at in moments(4):
        found.append(Event(at, "clock", chance.uniform(-6, 6) * HOUR))
        found.append(Event(at + chance.uniform(1, 48) * HOUR, "clock"))
    for at in moments(3):
        asleep = any(at - 4 * DAY < one.at < at + 30 * HOUR for one in suspends)
        if not asleep and is_calm(at, at + 30 * HOUR):
            found.append(Event(at, "incident"))
    return found + suspends


@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_avoidable_lapse_and_no_limit(seed: int) -> None:
    """0 s of lapse, 0 answers that a good client never sees, one account, no TXT value left, incidents answered."""
    lives = Lives(seed)
    away, dns = outages(seed, "ca", 5, lives), outages(seed, "dns", 3, lives)
    reload_fails, unseen, elsewhere = (outages(seed, what, 2, lives, 1 / 16) for what in ("reload", "unseen", "view"))

    def is_calm(start: datetime, end: datetime) -> bool:
        return not any(outage.touches(start, end) for outage in (away, dns, reload_fails, unseen, elsewhere))

    with_fallback = seed % 2 == 0
    world = World(
        seed,
        years=YEARS,
        life=lives,
        events=events(seed, lives, is_calm),
        with_staging=seed % 3 != 0,
        ca_away=away,
        dns_away=dns,
        reload_fails=reload_fails,
        unseen=unseen,
        sees_otherwise=elsewhere,
        fallback_away=outages(seed, "fallback", 5, lives) if with_fallback else None,
    )
    world.run()
    assert world.lapsed == timedelta(0), "\n".join(world.journal.lines)
    assert [said for ca in world.cas.values() for said in ca.refused] == [], "\n".join(world.journal.lines)
    assert {name: ca.accounts for name, ca in world.cas.items()} == dict.fromkeys(world.cas, 1)
    assert world.dns.published() <= 1
    assert world.incidents > 0
    assert len(world.ca.issued) > YEARS * 365 // 62


def test_an_incident_that_nobody_answers_is_a_lapse() -> None:
    """The oracle bites: with the CA away for days after an incident, and no second CA, a revoked one is served."""
    called_back = Event(EPOCH + 30 * DAY, "incident")
    away = Outages(((EPOCH + 30 * DAY, EPOCH + 33 * DAY),))
    alone = World(1, years=0.2, events=[called_back], ca_away=away)
    alone.run()
    assert timedelta(0) < alone.lapsed < 3 * DAY


def test_what_was_called_back_goes_to_the_next_ca() -> None:
    """The CA says so, and is away when it should sign: the second one is asked within the hour, not after a quarter of
    a margin that a revocation does not leave.
    """
    world = World(1, years=0.08, events=[Event(EPOCH + 30 * DAY, "incident")], fallback_away=Outages(()))
    world.run()
    assert len(world.ca.issued) == 1

    def busy(domains: Sequence[str], *, profile: str = "", replaces: str = "") -> OrderSeen:
        world.clock.sleep(timedelta(seconds=1))
        raise AcmeUnreachable("model: answers 503")

    world.ca.new_order = busy  # type: ignore[method-assign]
    world.end = EPOCH + 40 * DAY
    world.run()
    assert world.lapsed == timedelta(0)
    assert len(world.cas["fallback"].issued) == 1


def test_hundreds_of_new_names() -> None:
    """320 links of as many domains and 56 of one, all new at once: not one answer that a limit was passed, and not much
    longer than the limits make it.
    """
    world = World(5, years=0)
    started = world.clock.true
    names = [f"link.brand{number}.com" for number in range(320)] + [f"l{number}.example.org" for number in range(56)]
    for name in names:
        world.lineages.add(name, "issuer:model")
    passes = 0
    while any(world.lineages.facts(name).current is None for name in names):
        due = world.lineages.next_due()
        assert due is not None
        world.clock.true = max(world.clock.true, due)
        for lease in world.lineages.claim(limit=20):
            world.issue.reconcile(lease)
        passes += 1
        assert passes < 40_000
    assert world.ca.refused == []
    took = world.clock.true - started
    # 56 less 45 at once, one in 202 minutes: 37 hours; 376 orders are through after one.
    assert timedelta(hours=35) < took < timedelta(hours=50)


@pytest.mark.parametrize(
    "words", ['Account is not valid, has status "deactivated"', "The client lacks sufficient authorization"]
)
@pytest.mark.parametrize("pinned", [False, True])
def test_an_account_that_the_ca_ended(pinned: bool, words: str) -> None:
    """Another one is made at once and the renewal goes on, whatever the CA calls it; where CAA records pin the account
    nobody makes one, and the operator is told.
    """
    world = World(1, years=0.1)
    world.run()
    world.ca.words_of_the_end = words
    world.ca.account_ended = True
    if pinned:

        def pins(
            domains: Sequence[str], identities: Sequence[str], account: str, method: str = "dns-01"
        ) -> Obstacle | None:
            return None if account else Obstacle(words="CAA pins the account")

        world.dns.denied = pins  # type: ignore[method-assign]
        world.ca.caa = lambda: (("ca.example",), "model/account/1")  # type: ignore[method-assign]
    world.end = EPOCH + 70 * DAY
    world.run()
    assert world.ca.accounts == (1 if pinned else 2)
    assert len(world.ca.issued) == (1 if pinned else 2)
    if pinned:
        attempt = world.lineages.facts("link.example.com").attempt
        assert attempt.kind == "accountDeactivated"
        assert "CAA" in attempt.hint
        assert attempt.failures < 12
