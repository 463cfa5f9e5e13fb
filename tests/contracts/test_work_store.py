"""The contract of ``ports.WorkStore``, ``LineageStore`` and ``NodeStore``, over SQLite and the one in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from certd.errors import LeaseLost, RowDamaged
from certd.model import (
    Attempt,
    Authorization,
    Certificate,
    Lease,
    Leftover,
    Order,
    Rank,
    RenewalWindow,
    Request,
    Secret,
    TxtCleanup,
)
from certd.store.lineages import Lineages
from certd.store.node import Node
from certd.store.provider_ids import Remotes
from certd.store.work import LEASE
from tests.contracts.stores import Bench
from tests.unit.cases import NOW

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
LINK = "link.example.com"


def claimed(bench: Bench, link: str = LINK) -> Lease:
    bench.want(link, "issuer:test")
    (lease,) = bench.mine.claim(limit=1)
    return lease


def certificate(name: str = "a", age: timedelta = timedelta(0)) -> Certificate:
    born = NOW - age
    return Certificate(
        link=LINK,
        generation=f"{born:%Y%m%d%H%M%S}-{name}",
        fingerprint=name * 64,
        issuer="test",
        domains=(LINK,),
        key_type="ecdsa-p256",
        not_before=born,
        not_after=born + 90 * DAY,
        chain_pem="chain\n",
        key=Secret("key " + name),
        issued_at=NOW,
        ari_id="ari",
        window_look_at=NOW + DAY,
        window=RenewalWindow(start=NOW, end=NOW + DAY, moment=NOW + MINUTE, look_again_at=NOW + DAY),
    )


def order() -> Order:
    authorization = Authorization(
        url="https://ca/authz",
        identifier=LINK,
        status="pending",
        challenge_url="https://ca/chall",
        txt_name=f"_acme-challenge.{LINK}",
        txt_value="value",
    )
    return Order(
        url="https://ca/order",
        finalize_url="https://ca/finalize",
        issuer="test",
        domains=(LINK,),
        key=Secret("the order's key"),
        key_type="ecdsa-p256",
        made_at=NOW,
        give_up_at=NOW + DAY,
        look_at=NOW,
        authorizations=(authorization,),
    )


def test_what_is_held_is_nobody_elses(bench: Bench) -> None:
    """A subject is claimed once; another holder gets nothing while the lease runs."""
    claimed(bench)
    assert bench.theirs.claim(limit=5) == []
    assert bench.theirs.claim(limit=5, subject=f"issue:{LINK}") == []


def test_a_dead_holders_subject_is_taken_over(bench: Bench) -> None:
    """When the lease has run out the next claim takes the subject over and counts a crash."""
    first = claimed(bench)
    bench.clock.sleep(LEASE + timedelta(seconds=1))
    (second,) = bench.theirs.claim(limit=5)
    assert (first.taken_over, second.taken_over, second.crashes) == (False, True, 1)
    assert second.generation > first.generation


def test_a_stale_holder_writes_nothing(bench: Bench) -> None:
    """Promise 1: after another has taken over, every write of the frozen holder is refused and nothing lands."""
    stale = claimed(bench)
    facts = bench.mine.facts(LINK)
    bench.clock.sleep(LEASE + timedelta(seconds=1))
    (fresh,) = bench.theirs.claim(limit=1)
    with pytest.raises(LeaseLost):
        bench.mine.keep(stale, replace(facts, current=certificate()))
    with pytest.raises(LeaseLost):
        bench.mine.leave(stale, facts, until=NOW, rank=Rank.FIRST, because="stale")
    with pytest.raises(LeaseLost):
        bench.mine.extend(stale)
    assert bench.theirs.facts(LINK).current is None
    bench.theirs.keep(fresh, facts)


def test_an_expired_lease_writes_nothing_even_when_nobody_took_it(bench: Bench) -> None:
    """The end of a lease is judged by the store's clock, whoever else wants the subject."""
    lease = claimed(bench)
    bench.clock.sleep(LEASE + timedelta(seconds=1))
    with pytest.raises(LeaseLost):
        bench.mine.keep(lease, bench.mine.facts(LINK))


def test_keeping_renews_the_lease(bench: Bench) -> None:
    """Every write of facts begins by renewing the lease."""
    lease = claimed(bench)
    for _ in range(3):
        bench.clock.sleep(LEASE - timedelta(seconds=5))
        bench.mine.keep(lease, bench.mine.facts(LINK))
    assert bench.theirs.claim(limit=1) == []


def test_what_was_given_back_is_due_when_it_was_said(bench: Bench) -> None:
    """A released subject is due at its time, not before, and is no crash."""
    lease = claimed(bench)
    bench.mine.release(lease, due=NOW + MINUTE, rank=Rank.RENEWAL, because="later")
    assert bench.mine.claim(limit=1) == []
    assert bench.mine.next_due() == NOW + MINUTE
    bench.clock.sleep(MINUTE)
    (again,) = bench.theirs.claim(limit=1)
    assert not again.taken_over
    assert again.crashes == 0


def test_rank_first_then_age(bench: Bench) -> None:
    """Among what is due the lower rank comes first, then the earliest due time."""
    for name in "abc":
        bench.want(name, "issuer:test")
    for lease in bench.mine.claim(limit=3):
        rank = Rank.URGENT if lease.subject == "issuer:c" else Rank.RENEWAL
        due = {"issue:a": NOW + 2 * MINUTE, "issue:b": NOW + MINUTE, "issue:c": NOW + 3 * MINUTE}[lease.subject]
        rank = Rank.URGENT if lease.subject == "issue:c" else Rank.RENEWAL
        bench.mine.release(lease, due=due, rank=rank, because="")
    bench.clock.sleep(5 * MINUTE)
    assert [lease.subject for lease in bench.mine.claim(limit=3)] == ["issue:c", "issue:b", "issue:a"]


def test_a_lane_gets_no_more_than_its_share(bench: Bench) -> None:
    """A lane with little room left yields no more than that; the others are not held back."""
    for number in range(5):
        bench.want(f"a{number}", "issuer:a")
        bench.want(f"b{number}", "issuer:b")
    dependencies = [lease.dependency for lease in bench.mine.claim(limit=10, dependencies={"issuer:a": 2})]
    assert (dependencies.count("issuer:a"), dependencies.count("issuer:b")) == (2, 5)


def test_a_lane_that_is_away_yields_one_probe(bench: Bench) -> None:
    """What is away is one fact: nothing before the probe is due, then one row, then nothing again."""
    for number in range(5):
        bench.want(f"a{number}", "issuer:a")
    bench.mine.dependency_away("issuer:a", "it refuses connections", NOW + MINUTE)
    assert bench.mine.claim(limit=5) == []
    assert bench.mine.next_due() == NOW + MINUTE
    bench.clock.sleep(MINUTE)
    assert len(bench.mine.claim(limit=5)) == 1
    assert bench.mine.claim(limit=5) == []
    (dependency,) = bench.mine.dependencies()
    assert (dependency.dependency, dependency.failures, dependency.because) == ("issuer:a", 1, "it refuses connections")
    bench.mine.dependency_away("issuer:a", "still", bench.clock.now() + MINUTE)
    assert bench.mine.dependencies()[0].failures == 2
    assert bench.mine.dependencies()[0].away_since == NOW
    bench.mine.dependency_back("issuer:a")
    assert len(bench.mine.claim(limit=5)) == 4


def test_an_operator_is_not_held_back_by_a_lane(bench: Bench) -> None:
    """A subject that is asked for by name is claimed, due or not."""
    lease = claimed(bench)
    bench.mine.release(lease, due=NOW + DAY, rank=Rank.RENEWAL, because="")
    assert len(bench.mine.claim(limit=1, subject=f"issue:{LINK}")) == 1


def test_waking_makes_due(bench: Bench) -> None:
    """A woken subject is due now; a rank only rises."""
    lease = claimed(bench)
    bench.mine.release(lease, due=NOW + DAY, rank=Rank.RENEWAL, because="")
    bench.mine.wake(f"issue:{LINK}", rank=Rank.URGENT)
    assert len(bench.mine.claim(limit=1)) == 1


def test_waking_what_is_worked_on_is_not_lost(bench: Bench) -> None:
    """A subject that is woken while somebody works on it is due again as soon as it is given back."""
    lease = claimed(bench)
    bench.theirs.wake(f"issue:{LINK}")
    assert bench.theirs.claim(limit=1) == []
    bench.mine.release(lease, due=NOW + DAY, rank=Rank.RENEWAL, because="")
    assert len(bench.mine.claim(limit=1)) == 1


def test_facts_come_back_as_they_were_kept(bench: Bench) -> None:
    """Order, debts, certificate, window and attempt survive; keys included."""
    lease = claimed(bench)
    cleanup = TxtCleanup(provider="corp", name=f"_acme-challenge.{LINK}", value="value", made_at=NOW, added_at=NOW)
    facts = replace(
        bench.mine.facts(LINK),
        order=order(),
        cleanups=(cleanup,),
        current=certificate(),
        attempt=Attempt(failures=2, failed_at=NOW, not_before=NOW + DAY, kind="dns", message="why", hint="how"),
    )
    bench.mine.keep(lease, facts)
    assert replace(bench.theirs.facts(LINK), issued_lately=()) == facts
    bench.mine.keep(lease, replace(facts, order=None, cleanups=(), attempt=Attempt()))
    cleared = bench.theirs.facts(LINK)
    assert (cleared.order, cleared.cleanups, cleared.attempt) == (None, (), Attempt())


def test_a_request_is_fulfilled_only_by_what_came_after(bench: Bench) -> None:
    """A request made while an older order is finished stays when the certificate is older than it."""
    lease = claimed(bench)
    facts = bench.mine.facts(LINK)
    bench.theirs.request(LINK, Request(by="op", at=NOW + MINUTE))
    bench.mine.keep(lease, replace(facts, current=certificate()))
    assert bench.mine.facts(LINK).request == Request(by="op", at=NOW + MINUTE)
    newer = replace(certificate("b"), issued_at=NOW + 2 * MINUTE)
    bench.mine.keep(lease, replace(facts, current=newer))
    assert bench.mine.facts(LINK).request is None


def test_certificates_are_numbered_in_order(bench: Bench) -> None:
    """Every certificate gets the next number once, and adopting a known one changes nothing."""
    lease = claimed(bench)
    facts = bench.mine.facts(LINK)
    for one in (certificate("a"), certificate("b"), certificate("a")):
        bench.mine.keep(lease, replace(facts, current=one))
    found = list(bench.theirs.certificates_since(0))
    assert [one and (one.fingerprint[0], one.key.reveal()) for _, one in found] == [("a", "key a"), ("b", "key b")]
    assert [one and one.fingerprint[0] for _, one in bench.theirs.certificates_since(found[0][0])] == ["b"]
    assert not bench.mine.adopt(certificate("a"))


def test_an_adopted_certificate_becomes_current_where_it_ends_later(bench: Bench) -> None:
    """Adoption never replaces a certificate by one that ends sooner."""
    bench.want(LINK, "issuer:test")
    assert bench.mine.adopt(certificate("a"))
    assert bench.mine.adopt(certificate("b", age=DAY))
    current = bench.mine.facts(LINK).current
    assert current is not None
    assert current.fingerprint[0] == "a"


def test_issued_lately_counts_exact_names_only(bench: Bench) -> None:
    """The weekly allowance is for one exact set of names; adopted ones do not count."""
    lease = claimed(bench)
    facts = bench.mine.facts(LINK)
    bench.mine.keep(lease, replace(facts, current=replace(certificate("a"), domains=(LINK, "other.example.com"))))
    bench.mine.keep(lease, replace(facts, current=certificate("b")))
    if isinstance(bench.mine, Lineages):
        bench.mine.adopt(replace(certificate("c"), issuer="imported"))
        assert bench.mine.facts(LINK).issued_lately == (NOW,)
        bench.clock.sleep(timedelta(days=8))
        assert bench.mine.facts(LINK).issued_lately == ()


def test_the_newest_copy_is_wanted(bench: Bench) -> None:
    """A proxy's facts want the newest copy that this node has; an older one that comes later changes nothing."""
    bench.node.copy_in(certificate("b"), 1)
    bench.node.copy_in(certificate("a", age=DAY), 2)
    facts = bench.node.proxy_facts("nginx", [(LINK, (LINK,))])
    (deployment,) = facts.deployments
    assert deployment.wanted is not None
    assert deployment.wanted.fingerprint[0] == "b"
    assert deployment.ours == frozenset({"a" * 64, "b" * 64})
    assert bench.node.sequence() == 2
    copy = bench.node.certificate(LINK, deployment.wanted.name)
    assert copy is not None
    assert copy.key == Secret("key b")


def test_many_copies_are_one_transaction(bench: Bench) -> None:
    """A hundred are all copied, in their order, or none, and what was looked at moves on only with them."""
    if not isinstance(bench.node, Node):
        return
    many = [replace(certificate("a"), link=f"l{number}.example.com") for number in range(100)]
    with pytest.raises(TypeError):
        bench.node.copy_all([*many, replace(certificate("b"), domains=None)], 7)  # type: ignore[arg-type]
    assert bench.node.links() == frozenset()
    assert bench.node.sequence() == 0
    bench.node.copy_all(many, 7)
    assert bench.node.links() == {one.link for one in many}
    assert bench.node.sequence() == 7
    bench.node.copy_all([], 9)
    assert bench.node.sequence() == 9


def test_deployments_come_back(bench: Bench) -> None:
    """What a proxy was given and seen to serve survives; the lease fences it."""
    if isinstance(bench.node, Node):
        bench.node.ensure("deploy:nginx", "proxy:nginx", Rank.RENEWAL)
    else:
        bench.node.add("nginx")
    bench.node.copy_in(certificate("a"), 1)
    (lease,) = bench.node.claim(limit=1)
    facts = bench.node.proxy_facts("nginx", [(LINK, (LINK,))])
    (deployment,) = facts.deployments
    done = replace(deployment, pointed=deployment.wanted, served="a" * 64, verified_at=NOW, error="x")
    bench.node.keep(lease, replace(facts, deployments=(done,), reload_seconds=2.5))
    again = bench.node.proxy_facts("nginx", [(LINK, (LINK,))])
    assert again.deployments == (done,)
    assert again.reload_seconds == 2.5
    assert list(bench.node.deployments()) == [("nginx", done)]
    bench.clock.sleep(LEASE + timedelta(seconds=1))
    with pytest.raises(LeaseLost):
        bench.node.keep(lease, facts)


def test_old_certificates_are_pruned(bench: Bench) -> None:
    """A month after its end a certificate goes, unless its lineage still goes by it."""
    if not isinstance(bench.mine, Lineages):
        return
    lease = claimed(bench)
    facts = bench.mine.facts(LINK)
    bench.mine.keep(lease, replace(facts, current=certificate("a", age=DAY)))
    bench.mine.keep(lease, replace(facts, current=certificate("b")))
    assert bench.mine.prune() == 0
    bench.clock.sleep(timedelta(days=121))
    assert bench.mine.prune() == 1
    current = bench.mine.facts(LINK).current
    assert current is not None
    assert current.fingerprint[0] == "b"


DAMAGE = {
    "the order": ("UPDATE orders SET body = '{\"url\": 7'", "order"),
    "the order's key": ("UPDATE orders SET sealed_key = 'c1.x'", "order"),
    "a debt": ("UPDATE debt SET body = '[]'", "debt"),
    "the attempt": ('UPDATE lineage SET attempt = \'{"failures": "many"}\'', "attempt"),
    "the certificate's key": ("UPDATE certificate SET sealed_key = replace(sealed_key, '.', '..')", "certificate"),
    "the renewal window": ("UPDATE certificate SET renewal_window = 'soon'", "certificate"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_row_is_set_aside(bench: Bench, name: str) -> None:
    """The lineage goes on with what is left: nothing owed to the DNS is forgotten, the row can be looked at."""
    if not isinstance(bench.mine, Lineages):
        return
    statement, kind = DAMAGE[name]
    lease = claimed(bench)
    cleanup = TxtCleanup(
        provider="corp", name="_acme-challenge.x", value="v", made_at=NOW, target="t.example", added_at=NOW
    )
    facts = replace(bench.mine.facts(LINK), current=certificate("a"), order=order(), cleanups=(cleanup,))
    bench.mine.keep(lease, replace(facts, attempt=Attempt(failures=2, message="x")))
    with bench.mine.database.writing() as transaction:
        assert transaction.execute(statement)
    with pytest.raises(RowDamaged):
        bench.mine.facts(LINK)
    with pytest.raises(LeaseLost):
        bench.mine.repair(replace(lease, generation=lease.generation + 1))
    assert bench.mine.repair(lease) == kind
    repaired = bench.mine.facts(LINK)
    assert [(cleanup.name, cleanup.value, cleanup.target) for cleanup in repaired.cleanups] == [
        ("_acme-challenge.x", "v", "t.example")
    ]
    assert (repaired.order is None) == (kind == "order")
    assert (repaired.current is None) == (kind == "certificate")
    assert (repaired.attempt.failures == 0) == (kind == "attempt")
    with bench.mine.database.reading() as transaction:
        assert transaction.all("SELECT link, kind FROM damaged") == [(LINK, kind)]


def test_a_clock_that_was_ahead_puts_nothing_off_for_good(bench: Bench) -> None:
    """Rows that are due later than anything is ever left are due now; others, and what somebody holds, stay."""
    for link in ("far", "near", "held"):
        bench.want(link, "issuer:test")
    for lease in bench.mine.claim(limit=3):
        if lease.subject != "issue:held":
            due = NOW + (400 * DAY if lease.subject == "issue:far" else DAY)
            bench.mine.release(lease, due=due, rank=Rank.RENEWAL, because="x")
    assert bench.mine.wake_impossible(DAY + 60 * MINUTE) == 1
    (lease,) = bench.mine.claim(limit=3)
    assert lease.subject == "issue:far"


def test_the_soonest_end_among_those_that_wait(bench: Bench) -> None:
    """Of the links that wait for a dependency, the certificate that ends first; not one that has ended, not one that
    rests, not one that waits for something else.
    """
    ends = {"a": 90 * DAY, "b": 30 * DAY, "c": -DAY, "rests": DAY, "elsewhere": DAY}
    for letter, (link, left) in zip("abcde", ends.items(), strict=True):
        name = f"{link}.example.com"
        lease = claimed(bench, name)
        facts = replace(bench.mine.facts(name), current=replace(certificate(letter), link=name, not_after=NOW + left))
        dependency = "issuer:other" if link == "elsewhere" else "issuer:test"
        until = NOW + DAY
        bench.mine.leave(lease, facts, until=until, rank=Rank.RENEWAL, because="tested", dependency=dependency)
    assert bench.mine.soonest_end("issuer:test") is None
    for link in ("a", "b", "c", "elsewhere"):
        bench.mine.wake(f"issue:{link}.example.com")
    assert bench.mine.soonest_end("issuer:test") == NOW + 30 * DAY
    assert bench.mine.soonest_end("issuer:other") == NOW + DAY


def test_what_is_called_how_at_a_provider(real: Bench) -> None:
    """Names by proxy, link and role; leftovers until they are gone; another link's and another proxy's stay."""
    assert isinstance(real.node, Node)
    remotes = Remotes(real.node.database)
    mine, other = remotes.of("edge", LINK), remotes.of("edge2", LINK)
    assert mine.name("certificate") == ""
    mine.keep("certificate", "one")
    mine.keep("certificate", "two")
    other.keep("certificate", "theirs")
    assert (mine.name("certificate"), mine.name("private_key"), other.name("certificate")) == ("two", "", "theirs")
    key = Leftover(role="private_key", name="k", generation="1")
    for leftover in (key, replace(key, role="certificate"), key):
        mine.leave(leftover)
    assert [each.role for each in mine.leftovers()] == ["certificate", "private_key"]
    assert list(other.leftovers()) == []
    (first, second) = remotes.leftovers("edge")
    assert (first.leftover.role, first.failures, first.reason) == ("certificate", 0, "")
    remotes.put_off("edge", LINK, second.leftover, until=NOW + DAY, reason="still in use")
    (_, second) = remotes.leftovers("edge")
    assert (second.failures, second.try_at, second.reason) == (1, NOW + DAY, "still in use")
    mine.forget(key)
    assert [each.role for each in mine.leftovers()] == ["certificate"]
    real.node.forget(LINK)
    assert (mine.name("certificate"), list(mine.leftovers()), other.name("certificate")) == ("", [], "")


def test_the_troubled_are_found(real: Bench) -> None:
    """On every database: a link that failed, and none that is well. Without this no alarm is ever told."""
    assert isinstance(real.mine, Lineages)
    lease = claimed(real)
    well = replace(real.mine.facts(LINK), current=certificate())
    real.mine.keep(lease, well)
    assert real.mine.troubled() == frozenset()
    real.mine.keep(lease, replace(well, attempt=Attempt(failures=1, kind="dns", message="100 % wrong")))
    assert real.mine.troubled() == {LINK}
