"""What pages read in bulk is what everybody else reads one by one; what nodes tell each other. In both databases."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from certd.model import Attempt, CertificateSpec, Deployment, Generation, Health, Observation, Secret, TxtCleanup
from certd.store.database import MOST_VALUES
from certd.store.postgres import PostgresDatabase
from certd.store.reports import Reports
from certd.store.stores import Stores, open_stores
from tests.contracts.test_work_store import certificate, order
from tests.lab.postgresql import PostgreSQL
from tests.unit.cases import NOW

LINK = "link.example.com"
DAY = timedelta(days=1)
SEAL = Secret("0" * 64)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.lab("postgresql"))])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    shared = None
    if request.param == "postgresql":
        database: PostgreSQL = request.getfixturevalue("server")
        shared = PostgresDatabase(database.make(f"t{uuid.uuid4().hex}"))
    made = open_stores(tmp_path, "one", shared=shared)
    yield made
    made.close()


def test_facts_in_bulk_are_the_facts(stores: Stores) -> None:
    """Everything but keys and chains, for known and for unknown links."""
    spec = CertificateSpec(link=LINK, domains=(LINK,), labels={"brand": "x"})
    stores.specs.set([spec])
    (lease,) = stores.lineages.claim(limit=1)
    cleanup = TxtCleanup(provider="corp", name=f"_acme-challenge.{LINK}", value="value", made_at=NOW, added_at=NOW)
    facts = replace(
        stores.lineages.facts(LINK),
        order=order(),
        cleanups=(cleanup,),
        current=certificate(),
        attempt=Attempt(failures=2, failed_at=NOW, not_before=NOW + DAY, kind="dns", message="why", hint="how"),
        others=(Attempt(failures=1, failed_at=NOW, kind="caa", issuer="other"),),
    )
    stores.lineages.keep(lease, facts)
    one = stores.lineages.facts(LINK)
    many = stores.bulk_reader.lineages([LINK, "unknown.example", *(f"l{n}.example" for n in range(2 * MOST_VALUES))])
    assert len(many) == 2 * MOST_VALUES + 2
    assert many["unknown.example"].current is None
    found = many[LINK]
    assert found.current is not None
    assert found.order is not None
    assert one.current is not None
    assert one.order is not None
    assert (found.current.key.reveal(), found.current.chain_pem, found.order.key.reveal()) == ("", "", "")
    # Secrets are no equals of each other; they are told apart above.
    shown = replace(
        found,
        current=replace(found.current, key=one.current.key, chain_pem=one.current.chain_pem),
        order=replace(found.order, key=one.order.key),
    )
    assert shown == one
    assert stores.bulk_reader.specs([LINK, "unknown.example"]) == {LINK: spec}


def deployed(stores: Stores, error: str = "") -> Deployment:
    """One link on one proxy, served."""
    made = certificate()
    stores.node.copy_in(made, 1)
    generation = Generation(
        link=LINK,
        name=made.generation,
        fingerprint=made.fingerprint,
        domains=(LINK,),
        not_before=made.not_before,
        not_after=made.not_after,
        issuer="test",
    )
    observation = Observation(
        endpoint="a:443",
        address="127.0.0.1:443",
        health=Health.GOOD,
        at=NOW,
        not_after=made.not_after,
        fingerprint=made.fingerprint,
    )
    return Deployment(
        link=LINK,
        domains=(LINK,),
        pointed=generation,
        wanted=generation,
        served=made.fingerprint,
        verified_at=NOW,
        observations=(observation,),
        error=error,
        ours=frozenset({made.fingerprint}),
    )


def test_deployments_in_bulk_are_the_deployments(stores: Stores) -> None:
    """What is wanted, what is ours and what is held follow from copies and holds in both."""
    stores.node.ensure("deploy:nginx", "proxy:nginx", 2)  # type: ignore[arg-type]
    (lease,) = stores.node.claim(limit=1)
    links = [(LINK, (LINK,))]
    facts = replace(stores.node.proxy_facts("nginx", links), deployments=(deployed(stores),))
    stores.node.keep(lease, facts)
    stores.node.hold("nginx", LINK, certificate().not_after + 9000 * DAY)
    (one,) = stores.node.proxy_facts("nginx", links).deployments
    assert stores.bulk_reader.deployments(dict(links)) == {LINK: {"nginx": one}}
    assert one.hold_until is not None


def test_nodes_tell_each_other(stores: Stores) -> None:
    """What changed is told, what did not is not, what is gone goes; a node that was not heard of for days is none."""
    shared = stores.lineages.database
    mine, theirs = Reports(shared, "one"), Reports(shared, "two")
    deployment = deployed(stores)
    assert theirs.tell([("edge", deployment)]) == 1
    assert theirs.tell([("edge", replace(deployment, looked_at=NOW))]) == 0
    assert Reports(shared, "two").tell([("edge", deployment)]) == 0
    (told,) = mine.of_others([LINK, "unknown.example"])[LINK]
    assert (told.node, told.proxy, told.report.is_verified) == ("two", "edge", True)
    assert told.report.good_until == certificate().not_after
    assert theirs.of_others([LINK]) == {}
    assert theirs.tell([("edge", replace(deployment, served="", error="broken"))]) == 1
    (told,) = mine.of_others([LINK])[LINK]
    assert (told.report.is_verified, told.report.error) == (False, "broken")
    with shared.writing() as transaction:
        transaction.execute("UPDATE node SET heard_at = heard_at - 400000 WHERE name = ?", "two")
    mine.tell([])
    assert mine.of_others([LINK]) == {}
    # It comes back, and tells everything again.
    assert theirs.tell([("edge", replace(deployment, served="", error="broken"))]) == 1
    assert len(mine.of_others([LINK])) == 1
    assert theirs.tell([]) == 1
    assert mine.of_others([LINK]) == {}
