"""PostgreSQL behind a real PgBouncer in transaction mode: another server connection for each transaction."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from certd.errors import StoreAway
from certd.model import Rank
from certd.store import postgres
from certd.store.postgres import PostgresDatabase
from certd.store.stores import open_stores
from tests.contracts.stores import SEAL
from tests.lab.pgbouncer import PgBouncer
from tests.lab.postgresql import PostgreSQL

pytestmark = pytest.mark.lab("postgresql", "pgbouncer")

# As poolers are often set up: what they do not know at the start of a connection is passed over in silence.
SILENT = "ignore_startup_parameters = extra_float_digits,options"


@pytest.fixture(params=["", SILENT], ids=["strict", "silent"])
def url(request: pytest.FixtureRequest, server: PostgreSQL) -> Iterator[str]:
    """A fresh database behind a pooler with two connections."""
    name = f"t{uuid.uuid4().hex}"
    server.make(name)
    with PgBouncer(server, more=request.param) as pooler:
        yield pooler.url(name)


def test_many_nodes_share_two_connections(url: str, tmp_path: Path) -> None:
    """Eight threads of two nodes: every link is claimed once, and no statement of one is another's."""
    stores = []
    for node in ("one", "two"):
        (tmp_path / node).mkdir()
        stores.append(open_stores(tmp_path / node, node, seal_keys=[SEAL], shared=PostgresDatabase(url)))
    links = [f"l{number}.example.com" for number in range(60)]
    for link in links:
        stores[0].lineages.ensure(f"issue:{link}", "issuer:ca", Rank.FIRST)
    claimed: list[str] = []
    lock = threading.Lock()

    def work(number: int) -> None:
        store = stores[number % 2].lineages
        while True:
            found = store.claim(limit=1)
            if not found:
                return
            for lease in found:
                with lock:
                    claimed.append(lease.subject)
                store.extend(lease)
                store.facts(lease.subject.removeprefix("issue:"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert sorted(claimed) == sorted(f"issue:{link}" for link in links)
    for each in stores:
        each.close()


def test_a_statement_has_its_time_limit(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In each transaction, whichever connection carries it; and it stays with no other client."""
    monkeypatch.setattr(postgres, "STATEMENT_MILLISECONDS", 300)
    database = PostgresDatabase(url)
    for _ in range(3):
        with pytest.raises(StoreAway, match="statement timeout"), database.writing() as transaction:
            transaction.all("SELECT pg_sleep(5)")
    database.close()
    monkeypatch.setattr(postgres, "STATEMENT_MILLISECONDS", 60_000)
    other = PostgresDatabase(url)
    for _ in range(3):
        with other.reading() as transaction:
            assert transaction.all("SHOW statement_timeout") == [("1min",)]
            transaction.all(f"SELECT pg_sleep({timedelta(milliseconds=400).total_seconds()})")
    other.close()
