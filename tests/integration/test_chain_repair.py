"""An intermediate is revoked, its leaves are good: another chain is served, and the CA sees no order."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from certd.engine import IssueEngine
from certd.issuance.step import Issuance
from certd.model import ChainRepair, Desired
from certd.pki.chain import load_chain, read_certificate
from certd.probes.inspection import inspect
from certd.store.stores import open_stores
from tests.integration.test_revocation_lists import Bench
from tests.lab.certificates import DAY, NOW, make_ca
from tests.lab.revoking import make_list, make_listed_leaf, serial_of
from tests.lab.scene import DOMAIN, Scene
from tests.unit.cases import TERMS, WISH
from tests.unit.test_chain_repair import means

Wait = Callable[[Callable[[], bool]], None]
COUNT = 200


@dataclass
class Downloads:
    """A CA that has revoked an intermediate and signed it once more; it takes no order."""

    chains_of: dict[str, tuple[str, ...]] = field(default_factory=dict)
    asked: int = 0
    name: str = "letsencrypt"
    offers_renewal_information: bool = False

    def chains(self, certificate_url: str) -> Iterator[str]:
        self.asked += 1
        yield from self.chains_of[certificate_url]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    with made.server:
        yield made
    made.egress.close()


def test_a_revoked_intermediate_costs_no_order(bench: Bench) -> None:
    """Hundreds of links under it: each gets a clean chain by one download, as a generation that every node copies."""
    again = make_ca("Between", bench.root, key=bench.between.key)
    ca = Downloads()
    for number in range(COUNT):
        link = f"l{number:03}.example.com"
        leaf = make_listed_leaf(bench.between, link, f"{bench.server.url}/leaf.crl")
        url = f"https://ca/cert/{number}"
        ca.chains_of[url] = (leaf.pem + bench.between.pem, leaf.pem + again.pem)
        certificate = read_certificate(ca.chains_of[url][0], leaf.key, link=link, issuer="letsencrypt", issued_at=NOW)
        assert bench.stores.lineages.adopt(replace(certificate, url=url))
    copied = bench.stores.bulk_reader.last_sequence()
    revoked = make_list(bench.root, {serial_of(bench.between.pem): x509.ReasonFlags.superseded})
    bench.bodies = {"/leaf.crl": make_list(bench.between), "/between.crl": revoked}
    bench.watch.look()
    real = means(cast(Any, ca))
    authority = cast(Any, ca)
    crypto = replace(
        real.crypto,
        judge=lambda certificate, domains, now: None,
        fault_of=lambda chain, issuer, now: "",
    )
    issuance = Issuance(lambda name: authority, cast(Any, None), crypto, bench.clock, random.Random(1), bench.journal)

    def desired(link: str, facts: object, dependency: str) -> Desired:
        return Desired(spec=replace(WISH.spec, link=link, domains=(link,)), issuer=TERMS)

    engine = IssueEngine(bench.stores.lineages, issuance, desired, bench.clock, bench.journal, lambda link: None)
    while leases := bench.stores.lineages.claim(limit=50):
        for lease in leases:
            engine.reconcile(lease)
    for number in range(COUNT):
        current = bench.stores.lineages.facts(f"l{number:03}.example.com").current
        assert current is not None
        assert current.revoked_because == ""
        assert current.chain_pem == ca.chains_of[current.url][1]
        assert not current.chain_repair.is_open
    assert ca.asked == COUNT
    new = [certificate for _, certificate in bench.stores.lineages.certificates_since(copied)]
    assert len(new) == 100, "a hundred at a time"
    assert all(each is not None and each.generation.count("-") == 2 for each in new)
    bench.now += 3600
    bench.watch.look()
    assert ca.asked == COUNT
    assert bench.active_alarms.all() == []


def test_a_stale_holder_does_not_take_a_fault_back(bench: Bench) -> None:
    """Nor does an import of the same leaf with the chain before."""
    leaf = bench.leaf()
    certificate = read_certificate(
        leaf.pem + bench.between.pem, leaf.key, link="l.example.com", issuer="letsencrypt", issued_at=NOW
    )
    known = replace(certificate, url="https://ca/cert/1")
    bench.stores.lineages.adopt(known)
    (lease,) = bench.stores.lineages.claim(limit=1)
    before = bench.stores.lineages.facts("l.example.com")
    fault = ChainRepair(without=("ab",), reason="revoked", since=NOW, look_at=NOW)
    bench.stores.lineages.note_chain_fault(known, fault)
    bench.stores.lineages.keep(lease, before)
    found = bench.stores.lineages.facts("l.example.com").current
    assert found is not None
    assert found.chain_repair == fault
    assert "l.example.com" in bench.stores.lineages.troubled()
    mended = replace(found, chain_pem=leaf.pem, generation=f"{found.generation}-0a0b0c0d")
    bench.stores.lineages.keep(lease, replace(before, current=mended))
    bench.stores.lineages.adopt(certificate)
    last = bench.stores.lineages.facts("l.example.com").current
    assert last is not None
    assert (last.chain_pem, last.generation) == (leaf.pem, mended.generation)


@pytest.mark.lab("pebble", "nginx")
def test_the_other_chain_is_served(short_path: Path, eventually: Wait) -> None:
    """At a real CA with alternate chains and a real nginx: the same leaf with other issuers, proved by handshake."""
    made = Scene(short_path)
    made.pebble.knobs = {"PEBBLE_ALTERNATE_ROOTS": "2"}
    with made as scene:
        scene.pebble.roots.write_text("".join(scene.pebble.root(number) for number in range(3)))
        scene.nginx.start()
        scene.start_certd()
        eventually(lambda: "served  link=" in scene.certd_log())

        def sent() -> list[str]:
            chain = inspect(("127.0.0.1", scene.tls), DOMAIN).chain
            return [each.fingerprint(hashes.SHA256()).hex() for each in chain]

        leaf, faulty = sent()[:2]
        orders = scene.pebble.orders()
        stores = open_stores(scene.state / "private", "test")
        current = stores.lineages.facts(DOMAIN).current
        assert current is not None
        assert current.url
        assert load_chain(current.chain_pem)[1].fingerprint(hashes.SHA256()).hex() == faulty
        stores.lineages.note_chain_fault(
            current, ChainRepair(without=(faulty,), reason="its intermediate is revoked", since=NOW, look_at=NOW - DAY)
        )
        eventually(lambda: sent()[:1] == [leaf] and faulty not in sent())
        eventually(lambda: scene.certd_log().count("served  link=") == 2)
        assert scene.pebble.orders() == orders
        (link,) = scene.status()["links"]
        assert link["state"] == "served"
        assert link["certificate"]["generation"].startswith(f"{current.generation}-")
        scene.stop_certd()
        scene.start_certd()
        eventually(lambda: scene.certd_log().count("ready") == 2)
        assert faulty not in sent()
        assert scene.pebble.orders() == orders
        assert "chain replaced" in scene.run("history", DOMAIN)
