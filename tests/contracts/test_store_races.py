"""The contracts of the stores where two are at work at once, or a row has rotted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from certd.model import Rank
from certd.store.lineages import Lineages
from certd.store.node import Node
from tests.contracts.stores import Bench
from tests.contracts.test_work_store import LINK, certificate, claimed

DAY = timedelta(days=1)


def test_a_copy_that_came_since_is_not_dropped(bench: Bench) -> None:
    """Housekeeping drops what was there before what is kept. What came after it had looked is not its to judge: a copy
    is made once, and a node without it would serve the old one until its end.
    """
    if not isinstance(bench.node, Node):
        return
    for number, name in enumerate("abc", start=1):
        bench.node.copy_in(certificate(name), number)
    bench.node.drop_copies(LINK, frozenset({certificate("b").generation}))
    assert [copy.fingerprint[0] for copy in bench.node.copies(LINK)] == ["b", "c"]
    bench.node.drop_copies(LINK, frozenset())
    assert [copy.fingerprint[0] for copy in bench.node.copies(LINK)] == ["b", "c"]


@pytest.mark.parametrize("before", [None, "a"])
def test_what_was_adopted_meanwhile_stays(bench: Bench, before: str | None) -> None:
    """`certd import` asks nobody who holds the lineage: whoever does must not put the older one back, or none."""
    lease = claimed(bench)
    facts = bench.mine.facts(LINK)
    if before:
        facts = replace(facts, current=certificate(before, age=DAY))
        bench.mine.keep(lease, facts)
    assert bench.theirs.adopt(certificate("b"))
    bench.mine.keep(lease, facts)
    current = bench.mine.facts(LINK).current
    assert current is not None
    assert current.fingerprint[0] == "b"
    bench.mine.keep(lease, replace(facts, current=certificate("c")))
    current = bench.mine.facts(LINK).current
    assert current is not None
    assert current.fingerprint[0] == "c"


def test_a_damaged_certificate_holds_back_no_other(bench: Bench) -> None:
    """One that cannot be opened is passed over by whoever copies; those after it come all the same."""
    if not isinstance(bench.mine, Lineages):
        return
    lease = claimed(bench)
    facts = bench.mine.facts(LINK)
    for name in "abc":
        bench.mine.keep(lease, replace(facts, current=certificate(name)))
    with bench.mine.database.writing() as transaction:
        statement = "UPDATE certificate SET sealed_key = replace(sealed_key, '.', '..') WHERE fingerprint <> ?"
        assert transaction.execute(statement, "c" * 64)
    found = list(bench.theirs.certificates_since(0))
    assert [certificate and certificate.fingerprint[0] for _, certificate in found] == [None, None, "c"]


NODE_DAMAGE = {
    "a deployment": "UPDATE deployment SET body = '{' WHERE link = ?",
    "the proxy": "UPDATE proxy SET body = '[]' WHERE proxy <> ?",
}


@pytest.mark.parametrize("name", NODE_DAMAGE)
def test_a_damaged_row_of_a_node_is_one_that_was_never_written(bench: Bench, name: str) -> None:
    """What is remembered of a proxy can be looked at again; it holds up neither the other links nor the start."""
    if not isinstance(bench.node, Node):
        return
    other = "other.example.com"
    links = [(LINK, (LINK,)), (other, (other,))]
    bench.node.ensure("deploy:nginx", "proxy:nginx", Rank.RENEWAL)
    (lease,) = bench.node.claim(limit=1)
    facts = bench.node.proxy_facts("nginx", links)
    done = tuple(replace(deployment, served="a" * 64) for deployment in facts.deployments)
    bench.node.keep(lease, replace(facts, deployments=done, reload_seconds=2.5))
    with bench.node.database.writing() as transaction:
        assert transaction.execute(NODE_DAMAGE[name], LINK)
    again = {deployment.link: deployment for deployment in bench.node.proxy_facts("nginx", links).deployments}
    assert again[other].served == "a" * 64
    assert again[LINK].served == ("a" * 64 if name == "the proxy" else "")
    assert other in {deployment.link for _, deployment in bench.node.deployments()}


def test_a_lane_that_nobody_asks_any_more_is_forgotten(bench: Bench) -> None:
    """Its table was renamed or taken out: an alarm about it would never end. One that is asked time and again stays."""
    if not isinstance(bench.mine, Lineages):
        return
    for dependency in ("dns:gone", "dns:asked"):
        bench.mine.dependency_away(dependency, "no answer", bench.clock.now())
    for _ in range(3):
        bench.clock.sleep(DAY)
        bench.mine.dependency_away("dns:asked", "no answer", bench.clock.now() + DAY)
        bench.mine.prune()
    assert [dependency.dependency for dependency in bench.mine.dependencies()] == ["dns:asked"]
