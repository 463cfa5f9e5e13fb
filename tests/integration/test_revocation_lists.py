"""Revocation lists over real HTTP, a real store, and what follows of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509

from certd.acme.crl import RevocationLists, judge_host
from certd.daemon.active_alarms import ActiveAlarms
from certd.daemon.revocation_job import RevocationJob
from certd.errors import EgressFailed, GateRefused
from certd.model import Begin, Desired, Lease
from certd.pki.chain import read_certificate
from certd.pki.keys import make_key
from certd.pki.trust import Trust
from certd.planning.issue import plan_issue
from certd.planning.relax import may_reuse_key
from certd.store.stores import Stores, open_stores
from certd.system.egress import Egress
from certd.system.network import Network
from tests.lab.certificates import NOW, Issuer, Leaf, make_ca
from tests.lab.revoking import make_list, make_listed_ca, make_listed_leaf, serial_of
from tests.lab.rude import Rude, http
from tests.simulation.clock import VirtualClock
from tests.simulation.world import SilentJournal
from tests.unit.cases import SPEC, WISH

LINK = "link.example.com"


@dataclass
class Bench:
    """A list server, a store with one link, and the daemon's watch."""

    folder: Path
    bodies: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    own_hosts: tuple[str, ...] = ("127.0.0.1",)

    def __post_init__(self) -> None:
        self.server = Rude(dict.fromkeys(("/leaf.crl", "/between.crl"), self._answer))
        self.root = make_ca("Root")
        self.between = self._intermediate("Between")
        self.clock = VirtualClock(NOW)
        self.stores: Stores = open_stores(self.folder, "one", now=lambda: self.clock.now().timestamp())
        self.egress = Egress(Network(), user_agent="test")
        self.active_alarms = ActiveAlarms()
        self.journal = SilentJournal()
        self.now = 1000.0
        trust = Trust(roots=(self.root.certificate,))
        app: Any = SimpleNamespace(
            settings=SimpleNamespace(issue=True),
            stores=self.stores,
            clock=self.clock,
            egress=self.egress,
            root_store=SimpleNamespace(trust=lambda issuer: trust),
        )
        self.watch = RevocationJob(lambda: app, self.journal, self.active_alarms)
        self.watch._lists = RevocationLists(lambda: self.egress, lambda: self.now, lambda: self.own_hosts)

    def _answer(self, method: str, path: str) -> bytes:
        self.asked.append(path)
        body = self.bodies.get(path)
        return http("200 OK", body) if body is not None else http("404 Not Found")

    def _intermediate(self, name: str) -> Issuer:
        return make_listed_ca(name, self.root, f"{self.server.url}/between.crl")

    def leaf(self) -> Leaf:
        """Signed by the intermediate."""
        return make_listed_leaf(self.between, LINK, f"{self.server.url}/leaf.crl")

    def serve(self, leaf: Leaf) -> str:
        """Make it the link's current certificate."""
        certificate = read_certificate(
            leaf.pem + self.between.pem, leaf.key, link=LINK, issuer="letsencrypt", issued_at=NOW
        )
        assert self.stores.lineages.adopt(certificate)
        with self.stores.own.writing() as transaction:
            transaction.execute("UPDATE lineage SET current = ? WHERE link = ?", certificate.fingerprint, LINK)
        return certificate.fingerprint

    def look(self) -> str:
        """An hour later; returns why the current one is revoked."""
        self.now += 3600
        self.watch.look()
        current = self.stores.lineages.facts(LINK).current
        assert current is not None
        return current.revoked_because


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    with made.server:
        yield made
    made.egress.close()


def test_a_revoked_leaf_is_replaced_at_once(bench: Bench) -> None:
    """The list names it: the reason is noted, and the next plan orders."""
    leaf = bench.leaf()
    bench.serve(leaf)
    bench.bodies = {"/leaf.crl": make_list(bench.between), "/between.crl": make_list(bench.root)}
    assert bench.look() == ""
    assert not isinstance(plan_issue(WISH, bench.stores.lineages.facts(LINK), NOW), Begin)
    bench.bodies["/leaf.crl"] = make_list(bench.between, {serial_of(leaf.pem): x509.ReasonFlags.key_compromise})
    assert "keyCompromise" in bench.look()
    action = plan_issue(WISH, bench.stores.lineages.facts(LINK), NOW)
    assert isinstance(action, Begin)
    assert "/leaf.crl" in action.because
    assert LINK in bench.stores.lineages.troubled()
    (lease,) = bench.stores.lineages.claim(limit=1)
    assert lease.subject == f"issue:{LINK}"


def test_a_revoked_intermediate_is_replaced_once(bench: Bench) -> None:
    """The next certificate comes at once; where it hangs from the same intermediate it is an alarm and no loop."""
    bench.serve(bench.leaf())
    revoked = make_list(bench.root, {serial_of(bench.between.pem): x509.ReasonFlags.ca_compromise})
    bench.bodies = {"/leaf.crl": make_list(bench.between), "/between.crl": revoked}
    assert 'its intermediate "Between" is revoked' in bench.look()
    bench.serve(bench.leaf())
    assert bench.look() == ""
    (alarm,) = bench.active_alarms.all()
    assert "name another issuer" in alarm.hint
    bench.bodies["/between.crl"] = make_list(bench.root)
    assert bench.look() == ""
    assert bench.active_alarms.all() == []


def test_what_cannot_be_learned_is_no_revocation(bench: Bench) -> None:
    """No server, a page, a stranger's list: said once, and nothing is ordered."""
    leaf = bench.leaf()
    bench.serve(leaf)
    forged = make_list(bench.between, {serial_of(leaf.pem): None}, signed_by=make_ca("Between"))
    for body in (None, b"<html>", forged):
        bench.bodies = {} if body is None else {"/leaf.crl": body}
        bench.journal.lines.clear()
        assert bench.look() == ""
        assert any("/leaf.crl" in line for line in bench.journal.lines)


def test_no_host_of_the_own_network_is_asked(bench: Bench) -> None:
    """A certificate may name any address; this machine's and its network's are asked where an issuer names them."""
    bench.own_hosts = ("ca.example",)
    bench.serve(bench.leaf())
    bench.bodies = {"/leaf.crl": make_list(bench.between), "/between.crl": make_list(bench.root)}
    assert bench.look() == ""
    assert bench.asked == []
    assert any("127.0.0.1, which is not a public host" in line for line in bench.journal.lines)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "169.254.169.254", "10.0.0.1", "[::1]", "[fd00::1]", "[::ffff:10.0.0.1]"]
)
def test_hosts_that_are_not_public(host: str) -> None:
    """Unless the configuration names them."""
    with pytest.raises(EgressFailed, match="which is not a public host") as caught:
        judge_host(f"http://{host}/list.crl", ())
    assert "issuer.NAME.allowed_hosts" in caught.value.hint
    judge_host(f"http://{host}/list.crl", (host.strip("[]"),))


def test_a_public_host_and_an_unknown_name_are_left_to_the_request() -> None:
    """What does not resolve here may be known to a proxy."""
    judge_host("http://1.1.1.1/list.crl", ())
    judge_host("http://nowhere.invalid/list.crl", ())


def test_a_list_is_fetched_once_for_all(bench: Bench) -> None:
    """Two links that share a shard ask for it once an hour, and a dead server is not waited for by each."""
    bench.serve(bench.leaf())
    other = bench.leaf()
    certificate = read_certificate(
        other.pem + bench.between.pem, other.key, link="other.example.com", issuer="letsencrypt", issued_at=NOW
    )
    bench.stores.lineages.adopt(certificate)
    bench.look()
    assert sorted(bench.asked) == ["/between.crl", "/leaf.crl"]
    bench.watch.look()
    assert len(bench.asked) == 2


def test_a_stale_holder_does_not_take_a_revocation_back(bench: Bench) -> None:
    """Whoever held the facts when the list was read writes them later; the revocation stays."""
    leaf = bench.leaf()
    bench.serve(leaf)
    lease: Lease
    (lease,) = bench.stores.lineages.claim(limit=1)
    before = bench.stores.lineages.facts(LINK)
    bench.bodies = {"/leaf.crl": make_list(bench.between, {serial_of(leaf.pem): None})}
    bench.look()
    bench.stores.lineages.keep(lease, before)
    current = bench.stores.lineages.facts(LINK).current
    assert current is not None
    assert "revoked" in current.revoked_because


def test_a_burnt_key_is_never_used_again(bench: Bench) -> None:
    """Not by reuse_key, not by an import; other keys are not concerned."""
    leaf = bench.leaf()
    bench.serve(leaf)
    desired = Desired(spec=SPEC.__class__(link=LINK, domains=(LINK,), dns="corp", reuse_key=True), issuer=WISH.issuer)
    facts = bench.stores.lineages.facts(LINK)
    assert may_reuse_key(desired, facts)
    assert facts.current is not None
    bench.stores.revocations.burn(facts.current, "keyCompromise")
    assert not may_reuse_key(desired, bench.stores.lineages.facts(LINK))
    again = read_certificate(leaf.pem + bench.between.pem, leaf.key, link="b", issuer="imported", issued_at=NOW)
    with pytest.raises(GateRefused, match="compromised"):
        bench.stores.lineages.adopt(again)
    other = bench.leaf()
    fine = read_certificate(other.pem + bench.between.pem, other.key, link="b", issuer="imported", issued_at=NOW)
    assert bench.stores.lineages.adopt(fine)
    assert make_key("ecdsa-p256") != leaf.key
    assert timedelta(0) < fine.life


def test_each_shard_is_fetched_once(bench: Bench) -> None:
    """However links and shards lie among each other: with ten thousand links a list that was thrown away and fetched
    again for the next one would be gigabytes an hour.
    """
    shards = [f"/{number}.crl" for number in range(20)]
    bench.bodies = {"/between.crl": make_list(bench.root), **dict.fromkeys(shards, make_list(bench.between))}
    bench.server.answer(dict.fromkeys(shards, bench._answer))
    for number in range(60):
        link = f"l{number:02}.example.com"
        leaf = make_listed_leaf(bench.between, link, bench.server.url + shards[number % 20])
        chain = leaf.pem + bench.between.pem
        assert bench.stores.lineages.adopt(
            read_certificate(chain, leaf.key, link=link, issuer="letsencrypt", issued_at=NOW)
        )
    bench.now += 3600
    bench.watch.look()
    assert sorted(bench.asked) == sorted([*shards, "/between.crl"])


def test_a_chain_that_cannot_be_read_holds_back_no_other(bench: Bench) -> None:
    """It is said, and the next one is looked at."""
    leaf = bench.leaf()
    bench.serve(leaf)
    with bench.stores.own.writing() as transaction:
        # Sorts before the link.
        transaction.execute(
            "INSERT INTO certificate (sequence, fingerprint, link, generation, issuer, names, key_type, not_before, "
            "not_after, issued_at, chain, sealed_key, ari_id) SELECT 999, 'odd', 'a.example.com', generation, issuer, "
            "names, key_type, not_before, not_after, issued_at, 'rotten', sealed_key, '' FROM certificate LIMIT 1"
        )
        transaction.execute("INSERT INTO lineage (link, current) VALUES ('a.example.com', 'odd')")
    revoked = make_list(bench.between, {serial_of(leaf.pem): x509.ReasonFlags.key_compromise})
    bench.bodies = {"/leaf.crl": revoked, "/between.crl": make_list(bench.root)}
    assert "keyCompromise" in bench.look()
