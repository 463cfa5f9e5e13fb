"""How many connections a node takes and keeps, and what it does on a server that has none left."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from certd.errors import StoreAway
from certd.model import Rank
from certd.store import postgres
from certd.store.postgres import PostgresDatabase
from certd.store.stores import Stores, open_stores
from tests.contracts.stores import SEAL
from tests.lab.postgresql import PostgreSQL

pytestmark = pytest.mark.lab("postgresql")

MOST = 12


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    """A small server."""
    with PostgreSQL(max_connections=MOST) as made:
        yield made


def opened(folder: Path, node: str, url: str) -> Stores:
    (folder / node).mkdir()
    return open_stores(folder / node, node, seal_keys=[SEAL], shared=PostgresDatabase(url))


def all_at_once(count: int, call: Callable[[], object]) -> None:
    """Run it in so many threads, which begin together. Raises what one of them raises."""
    together = threading.Barrier(count)

    def run(_: int) -> None:
        together.wait()
        call()

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(run, range(count)))


@contextlib.contextmanager
def full(url: str) -> Iterator[list[psycopg.Connection]]:
    """Others take every connection that is left."""
    taken: list[psycopg.Connection] = []
    try:
        for _ in range(MOST + 1):
            try:
                taken.append(psycopg.connect(url, autocommit=True))
            except psycopg.OperationalError:
                break
        yield taken
    finally:
        close(taken)


def close(connections: list[psycopg.Connection]) -> None:
    for connection in connections:
        connection.close()


def connections(watcher: psycopg.Connection, database: str) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name = 'certd'"
    row = watcher.execute(query, [database]).fetchone()
    return int(row[0]) if row else 0


def slow(database: PostgresDatabase) -> None:
    with database.reading() as transaction:
        transaction.all("SELECT pg_sleep(0.3)")


def test_a_node_keeps_two_idle_connections(server: PostgreSQL, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are closed after some seconds, though nothing happens any more."""
    monkeypatch.setattr(postgres, "IDLE_SECONDS", 0.5)
    name = f"t{uuid.uuid4().hex}"
    database = PostgresDatabase(server.make(name))
    with psycopg.connect(server.url(), autocommit=True) as watcher:
        all_at_once(8, lambda: slow(database))
        assert connections(watcher, name) > 2
        until = time.monotonic() + 10
        while connections(watcher, name) != 2:
            assert time.monotonic() < until, "they are kept"
            time.sleep(0.1)
        time.sleep(1)
        assert connections(watcher, name) == 2
        slow(database)
        database.close()


def test_a_burst_goes_by_the_connections_that_the_node_has(server: PostgreSQL, tmp_path: Path) -> None:
    """On a full server a node renews its leases by its own connections; nothing is taken over."""
    url = server.make(f"t{uuid.uuid4().hex}")
    mine = opened(tmp_path, "mine", url)
    theirs = opened(tmp_path, "theirs", url)
    mine.lineages.ensure("issue:a", "issuer:x", Rank.FIRST)
    (lease,) = mine.lineages.claim(limit=1)
    assert theirs.lineages.claim(limit=1) == []
    with full(url):
        all_at_once(8, lambda: mine.lineages.extend(lease))
        assert theirs.lineages.claim(limit=1) == []
        all_at_once(4, lambda: theirs.lineages.claim(limit=1))
    mine.lineages.extend(lease)
    mine.close()
    theirs.close()


def test_a_server_without_a_connection_left_is_said_so(
    server: PostgreSQL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In those words, with what to do."""
    monkeypatch.setattr(postgres, "FULL_SECONDS", 0.5)
    url = server.make(f"t{uuid.uuid4().hex}")
    with full(url), pytest.raises(StoreAway) as refused:
        opened(tmp_path, "late", url)
    assert str(refused.value).startswith("the database has no connection left: ")
    assert "too many clients already" in str(refused.value)
    assert "max_connections" in (refused.value.hint or "")


def test_a_connection_that_becomes_free_is_taken(server: PostgreSQL, tmp_path: Path) -> None:
    """Other nodes close what they do not need within seconds: so long a node that has none waits."""
    url = server.make(f"t{uuid.uuid4().hex}")
    with full(url) as taken:
        later = threading.Timer(1.0, lambda: close(taken[:3]))
        later.start()
        opened(tmp_path, "late", url).close()
        later.join()
