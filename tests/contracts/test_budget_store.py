"""The contract of ``take_turn`` and ``charge`` of ``ports.LineageStore``: SQLite, PostgreSQL, and the one in memory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from certd.acme.directories import LETS_ENCRYPT
from certd.errors import LeaseLost
from certd.model import Attempt, Lease, Limit, Need, Rank, Slot
from certd.store.lineages import Lineages
from certd.store.stores import open_stores
from certd.store.work import LEASE
from certd.wiring.rate_limit_report import rate_limit_report, replacement
from tests.contracts.stores import Bench
from tests.unit.cases import NOW, WISH, certificate, facts, window

HOUR = timedelta(hours=1)
ORDERS = Need(limit=Limit(kind="orders", most=4, per=4 * HOUR, reserve=1), subject="")
DOMAIN = Need(limit=Limit(kind="domain", most=50, per=7 * 24 * HOUR), subject="example.com")


def leases(bench: Bench, count: int) -> list[Lease]:
    """So many links, claimed."""
    for number in range(count):
        bench.want(f"l{number}.example.com", "issuer:ca")
    return sorted(bench.mine.claim(limit=count), key=lambda lease: lease.subject)


def test_slots_are_kept_and_used(bench: Bench) -> None:
    """Three at once, then one an hour; a slot is remembered with the lineage, and gone once it was used."""
    held = leases(bench, 5)
    turns = [bench.mine.take_turn(lease, "ca", [DOMAIN, ORDERS], urgent=False) for lease in held]
    assert [turn.slot for turn in turns] == [None, None, None, NOW + HOUR, NOW + 2 * HOUR]
    assert bench.mine.facts("l3.example.com").slot == Slot(issuer="ca", at=NOW + HOUR)
    bench.clock.sleep(HOUR)
    with pytest.raises(LeaseLost):
        bench.mine.take_turn(held[3], "ca", [DOMAIN, ORDERS], urgent=False)
    (again,) = bench.theirs.claim(limit=1, subject="issue:l3.example.com")
    assert bench.theirs.take_turn(again, "ca", [DOMAIN, ORDERS], urgent=False).because == ""
    assert bench.mine.facts("l3.example.com").slot is None


def test_a_slot_of_one_issuer_is_none_of_another(bench: Bench) -> None:
    """Each issuer has its own buckets; whoever turns to another gives the slot up."""
    held = leases(bench, 4)
    for lease in held:
        bench.mine.take_turn(lease, "ca", [ORDERS], urgent=False)
    assert bench.mine.take_turn(held[3], "other", [ORDERS], urgent=False).because == ""
    assert bench.mine.facts("l3.example.com").slot is None


def test_a_lost_lease_takes_nothing(bench: Bench) -> None:
    """A holder that froze spends nothing of a budget."""
    (lease,) = leases(bench, 1)
    bench.clock.sleep(LEASE + timedelta(seconds=1))
    (other,) = bench.theirs.claim(limit=1)
    for _ in range(5):
        with pytest.raises(LeaseLost):
            bench.mine.take_turn(lease, "ca", [ORDERS], urgent=False)
    assert bench.theirs.take_turn(other, "ca", [ORDERS], urgent=False).because == ""


def test_what_is_charged_counts(bench: Bench) -> None:
    """What was spent by something that happened holds back the next order."""
    names = Need(limit=Limit(kind="names", most=2, per=2 * HOUR), subject="a")
    (lease,) = leases(bench, 1)
    bench.mine.charge("ca", [names, names])
    turn = bench.mine.take_turn(lease, "ca", [names], urgent=True)
    assert turn.at == NOW + HOUR
    assert "exactly these names" in turn.because


def test_what_the_ca_never_heard_of_is_given_back(bench: Bench) -> None:
    """Ten tries at a CA that is away leave three orders for when it is back."""
    held = leases(bench, 4)
    for _ in range(10):
        assert bench.mine.take_turn(held[0], "ca", [DOMAIN, ORDERS], urgent=False).slot is None
        bench.mine.refund("ca", [DOMAIN, ORDERS])
    turns = [bench.mine.take_turn(lease, "ca", [DOMAIN, ORDERS], urgent=False) for lease in held]
    assert [turn.slot for turn in turns] == [None, None, None, NOW + HOUR]


def test_two_that_ask_at_once(real: Bench) -> None:
    """Sixteen links, two nodes, eight threads: three are served, thirteen have thirteen different slots."""
    held = leases(real, 16)

    def one(lease: Lease) -> object:
        return real.mine.take_turn(lease, "ca", [DOMAIN, ORDERS], urgent=False).slot

    with ThreadPoolExecutor(8) as pool:
        slots = list(pool.map(one, held))
    assert slots.count(None) == 3
    assert len(set(slots)) == 14


def test_what_one_more_costs(real: Bench) -> None:
    """``certd renew --force`` is told what it would take and what is left; nothing is taken by asking."""
    assert isinstance(real.mine, Lineages)
    desired = replace(WISH, issuer=replace(WISH.issuer, limits=LETS_ENCRYPT))
    given = facts(current=certificate(age=timedelta(days=3)))
    for _ in range(2):
        asked = rate_limit_report(real.mine, desired, given, NOW)
        assert asked.words == ("letsencrypt: the CA allows 5 certificates for exactly these names in 7 days; 5 left",)
        assert not asked.takes_reserve
    names = Need(limit=LETS_ENCRYPT[2], subject="link.example.com")
    real.mine.charge("letsencrypt", [names] * 4)
    reserve = rate_limit_report(real.mine, desired, given, NOW)
    assert (reserve.takes_reserve, reserve.not_before) == (True, None)
    real.mine.charge("letsencrypt", [names])
    spent = rate_limit_report(real.mine, desired, given, NOW)
    assert spent.not_before == NOW + names.limit.interval


def test_when_a_revoked_certificate_can_be_replaced(real: Bench) -> None:
    """After five certificates for one set of names the CA takes no order for 33.6 hours, inside its window or not: an
    order that replaces a revoked certificate is not exempt.
    """
    assert isinstance(real.mine, Lineages)
    desired = replace(WISH, issuer=replace(WISH.issuer, limits=LETS_ENCRYPT))
    inside = window(-HOUR, HOUR)
    given = facts(current=certificate(age=timedelta(days=60), window=inside))
    assert replacement(real.mine, desired, given, NOW) is None
    given = replace(given, issued_lately=(NOW,) * 5)
    real.mine.charge("letsencrypt", [Need(limit=LETS_ENCRYPT[2], subject="link.example.com")] * 5)
    held = replacement(real.mine, desired, given, NOW)
    assert held is not None
    assert held.until == NOW + timedelta(days=7) / 5
    assert "exactly these names" in held.because
    paused = Attempt(
        failures=1, failed_at=NOW, not_before=NOW + 3 * timedelta(days=1), kind="paused", message="open the address"
    )
    held = replacement(real.mine, desired, replace(given, attempt=paused), NOW)
    assert held is not None
    assert (held.until, "open the address" in held.because) == (NOW + timedelta(days=3), True)


def test_the_pages_know_of_slots(tmp_path: Path) -> None:
    """What is read in bulk for the pages holds them, too: they say when a link's turn is."""
    stores = open_stores(tmp_path, "one")
    links = [f"l{number}.example.com" for number in range(5)]
    for link in links:
        stores.lineages.ensure(f"issue:{link}", "issuer:ca", Rank.FIRST)
    for lease in stores.lineages.claim(limit=5):
        stores.lineages.take_turn(lease, "ca", [ORDERS], urgent=False)
    surveyed = stores.bulk_reader.lineages(links)
    assert sum(facts.slot is not None for facts in surveyed.values()) == 2
    assert {link: facts.slot for link, facts in surveyed.items()} == {
        link: stores.lineages.facts(link).slot for link in links
    }
    stores.close()
