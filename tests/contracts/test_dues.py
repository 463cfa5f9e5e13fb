"""The contract of ``ports.NodeStore`` for what is due of a proxy, over SQLite and the one in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from certd.model import Deployment, Lease, ProxyFacts, Rank
from certd.store.node import ALL, Node
from tests.contracts.stores import Bench
from tests.contracts.test_work_store import certificate
from tests.unit.cases import NOW

MINUTE = timedelta(minutes=1)
YEAR = timedelta(days=365)
LINKS: Mapping[str, tuple[str, ...]] = {name: (f"{name}.example.com",) for name in ("a", "b", "c", "d")}


def due(bench: Bench, links: Mapping[str, tuple[str, ...]] = LINKS, *, most: int = 10) -> ProxyFacts:
    now = bench.clock.now()
    return bench.node.due_facts("edge", links, by=now, latest=now + YEAR, most=most)


def names(facts: ProxyFacts) -> list[str]:
    return [deployment.link for deployment in facts.deployments]


def held(bench: Bench) -> Lease:
    if isinstance(bench.node, Node):
        bench.node.ensure("deploy:edge", "proxy:edge", Rank.RENEWAL)
    else:
        bench.node.add("edge")
    (lease,) = bench.node.claim(limit=1)
    return lease


def served(facts: ProxyFacts) -> ProxyFacts:
    return replace(facts, deployments=tuple(replace(one, served="f" * 64) for one in facts.deployments))


def kept(bench: Bench, times: Mapping[str, datetime | None]) -> Lease:
    """All four are served, and due at these times."""
    lease = held(bench)
    bench.node.keep(lease, served(due(bench)), times)
    return lease


def in_minutes(*minutes: int) -> dict[str, datetime | None]:
    return {link: NOW + number * MINUTE for link, number in zip(LINKS, minutes, strict=True)}


def test_new_links_are_due(bench: Bench) -> None:
    """What nobody has written anything about is due, with its names."""
    facts = due(bench)
    assert facts.deployments == tuple(Deployment(link=link, domains=domains) for link, domains in LINKS.items())
    assert facts.later is None


def test_only_what_is_due_is_read_the_longest_due_first(bench: Bench) -> None:
    """Of the others it is said which is the first, and when."""
    kept(bench, in_minutes(3, 2, 1, 9))
    assert names(due(bench)) == []
    assert due(bench).later == ("c", NOW + MINUTE)
    bench.clock.sleep(2 * MINUTE)
    assert names(due(bench)) == ["c", "b"]
    assert due(bench).later == ("a", NOW + 3 * MINUTE)


def test_at_most_so_many(bench: Bench) -> None:
    """What was not read though it is due comes later, with its time."""
    kept(bench, in_minutes(3, 2, 1, 9))
    bench.clock.sleep(4 * MINUTE)
    facts = due(bench, most=2)
    assert names(facts) == ["c", "b"]
    assert facts.later == ("a", NOW + 3 * MINUTE)


def test_what_is_in_trouble_is_not_behind_all_others(bench: Bench) -> None:
    """Up to half of what is read is in trouble, however long the others have waited."""
    lease = kept(bench, in_minutes(1, 1, 1, 9))
    facts = bench.node.proxy_facts("edge", [*LINKS.items()])
    failed = replace(facts.deployments[3], served="", error="serves aaaa")
    bench.node.keep(lease, replace(facts, deployments=(failed,), woken=due(bench).woken), {"d": NOW + 2 * MINUTE})
    bench.clock.sleep(3 * MINUTE)
    assert names(due(bench, most=2)) == ["d", "a"]
    assert names(due(bench)) == ["d", "a", "b", "c"]


def test_what_came_in_is_not_behind_all_others(bench: Bench) -> None:
    """After a start all are to be looked at, which takes an hour where there are thousands: a renewed certificate is
    deployed before.
    """
    kept(bench, in_minutes(5, 5, 5, 5))
    links = dict(LINKS)
    assert names(due(bench, links, most=2)) == ["a", "b"]
    bench.node.copy_in(replace(certificate("x"), link="d"), 1)
    assert names(due(bench, links, most=2)) == ["d", "a"]


def test_never_is_until_a_copy_comes(bench: Bench) -> None:
    """Without a time nothing is due; a copy that comes in makes it due, and no other."""
    kept(bench, dict.fromkeys(LINKS))
    bench.clock.sleep(YEAR)
    assert (names(due(bench)), due(bench).later) == ([], None)
    bench.node.copy_in(replace(certificate("x"), link="b"), 1)
    facts = due(bench)
    assert names(facts) == ["b"]
    assert facts.deployments[0].wanted is not None


def test_what_comes_in_meanwhile_is_not_put_off(bench: Bench) -> None:
    """A copy that comes after the facts were read, and before they are kept, is planned for."""
    lease = held(bench)
    facts = due(bench)
    bench.node.copy_in(replace(certificate("x"), link="b"), 1)
    bench.node.keep(lease, facts, in_minutes(5, 5, 5, 5))
    again = due(bench)
    assert "b" in names(again)
    bench.node.keep(lease, again, in_minutes(5, 5, 5, 5))
    assert names(due(bench)) == []


def test_kept_without_times_all_are_due(bench: Bench) -> None:
    """Whoever cannot say when leaves it to the next pass."""
    lease = kept(bench, in_minutes(5, 5, 5, 5))
    bench.node.keep(lease, bench.node.proxy_facts("edge", [("b", LINKS["b"])]))
    assert names(due(bench)) == ["b"]


def test_a_clock_that_was_ahead_puts_nothing_off(bench: Bench) -> None:
    """A time beyond every meant one has come."""
    kept(bench, in_minutes(5, 5, 5, 5) | {"c": NOW + 2 * YEAR})
    assert names(due(bench)) == ["c"]


def test_another_configuration_makes_all_due(bench: Bench) -> None:
    """New links are due, old ones are planned again with their new names, and those that went are left alone."""
    kept(bench, in_minutes(5, 5, 5, 5))
    other = {"b": ("other.example.com",), "e": ("e.example.com",)}
    facts = due(bench, other)
    assert {one.link: one.domains for one in facts.deployments} == other
    bench.clock.sleep(YEAR)
    assert set(names(due(bench, other))) == set(other)
    assert set(names(due(bench, dict(LINKS)))) == set(LINKS), "they came back"


def test_links_that_a_proxy_has_no_more_hide_nothing(bench: Bench) -> None:
    """Thousands moved to another proxy are renewed there, or are on hold here: what this one still has is seen."""
    if not isinstance(bench.node, Node):
        return
    lease = held(bench)
    moved = [f"a{number}" for number in range(20)]
    before = {name: (f"{name}.example.com",) for name in (*moved, "z")}
    facts = due(bench, before, most=30)
    bench.node.keep(lease, facts, dict.fromkeys(names(facts)))
    left = {"z": before["z"]}
    facts = served(due(bench, left))
    bench.node.keep(lease, facts, dict.fromkeys(names(facts)))
    bench.node.copy_all([replace(certificate(f"{name}-x"), link=name) for name in (*moved, "z")], 1)
    assert names(due(bench, left)) == ["z"]
    bench.node.keep(lease, served(due(bench, left)), {"z": NOW + MINUTE})
    bench.node.hold("edge", ALL, NOW + YEAR)
    assert names(due(bench, left)) == ["z"]
    assert names(due(bench, before, most=30))[-1] == "z", "they came back"


def test_a_hold_makes_due_what_it_holds(bench: Bench) -> None:
    """Of a link on every proxy, of a proxy all links: when it begins, and when it is ended."""
    if not isinstance(bench.node, Node):
        return
    lease = kept(bench, in_minutes(5, 5, 5, 5))
    bench.node.hold(ALL, "c", NOW + YEAR)
    facts = due(bench)
    assert [(one.link, one.hold_until) for one in facts.deployments] == [("c", NOW + YEAR)]
    bench.node.keep(lease, facts, in_minutes(5, 5, 5, 5))
    bench.node.hold("edge", ALL, NOW + YEAR)
    facts = due(bench)
    assert (len(facts.deployments), facts.hold_until) == (4, NOW + YEAR)


def test_a_row_that_rotted_is_one_that_was_never_written(bench: Bench) -> None:
    """It is looked at when it is due, like a new one."""
    if not isinstance(bench.node, Node):
        return
    kept(bench, in_minutes(5, 5, 5, 5))
    with bench.node.database.writing() as transaction:
        transaction.execute("UPDATE deployment SET body = 'x' || body WHERE link = 'b'")
    bench.clock.sleep(5 * MINUTE)
    assert {one.link: one.served for one in due(bench).deployments}["b"] == ""
    assert [link for _, link in ((proxy, one.link) for proxy, one in bench.node.deployments())] == ["a", "c", "d"]


def test_pages_of_deployments_are_whole(bench: Bench) -> None:
    """Read page by page, each deployment comes once, in order."""
    lease = held(bench)
    many = {f"l{number:04}": (f"l{number}.example.com",) for number in range(1201)}
    while due(bench, many, most=500).deployments:
        facts = due(bench, many, most=500)
        bench.node.keep(lease, facts, dict.fromkeys(names(facts)))
    assert [one.link for _, one in bench.node.deployments()] == list(many)


def test_a_hold_that_a_clock_ahead_began_ends_with_it(bench: Bench) -> None:
    """An hour of a year to come would be a year; nobody can ask for more than a week."""
    if not isinstance(bench.node, Node):
        return
    kept(bench, in_minutes(5, 5, 5, 5))
    bench.node.hold("edge", ALL, NOW + YEAR)
    bench.node.hold(ALL, "c", NOW + timedelta(days=7))
    bench.node.wake_impossible(timedelta(days=1))
    facts = due(bench)
    assert facts.hold_until is None
    assert [one.hold_until for one in facts.deployments if one.link == "c"] == [NOW + timedelta(days=7)]
