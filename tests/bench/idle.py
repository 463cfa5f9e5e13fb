"""A pass in which nothing is due, on both databases, and a dead CA's lane."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from certd.model import CertificateSpec
from certd.store.database import Database
from certd.store.postgres import PostgresDatabase
from certd.store.stores import Stores, open_stores
from tests.bench.figures import Figure, percentile
from tests.lab.postgresql import PostgreSQL, postgres_bin

# Rows of work, none of them due, without their links.
ROWS = """
WITH RECURSIVE row(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM row WHERE n < ?)
INSERT INTO work (subject, lane, "rank", due)
SELECT 'issue:' || n, 'issuer:letsencrypt', 2 + (n & 1), {now} + 100000 + n FROM row
"""


def filled(folder: Path, count: int) -> Stores:
    """A store with so many links, none of them due."""
    folder.mkdir()
    stores = open_stores(folder, "bench")
    stores.specs.set(
        [CertificateSpec(link=f"l{n}.example.com", domains=(f"l{n}.example.com",), dns="corp") for n in range(count)]
    )
    with stores.lineages.database.writing() as transaction:
        transaction.execute("UPDATE work SET due = due + 1000000 + abs(random() % 1000000)")
    return stores


def one_pass(stores: Stores) -> float:
    """Seconds of claim and next due time, median of many."""
    times = []
    for _ in range(50):
        started = time.perf_counter()
        assert stores.lineages.claim(limit=8) == []
        stores.lineages.next_due()
        stores.node.claim(limit=8)
        stores.node.next_due()
        times.append(time.perf_counter() - started)
    return percentile(times, 0.5)


def claims(folder: Path, shared: Callable[[str], Database | None]) -> tuple[float, float]:
    """Seconds of a claim with nothing due, in ten thousand and in a million rows; the runs alternate."""
    sizes: dict[int, list[float]] = {10_000: [], 1_000_000: []}
    opened = {}
    for count in sizes:
        (folder / str(count)).mkdir(parents=True)
        opened[count] = open_stores(folder / str(count), "bench", shared=shared(f"rows{count}"))
        with opened[count].lineages.database.writing() as transaction:
            transaction.execute(ROWS, count)
    for _ in range(100):
        for count, times in sizes.items():
            started = time.perf_counter()
            assert opened[count].lineages.claim(limit=8) == []
            times.append(time.perf_counter() - started)
    for stores in opened.values():
        stores.close()
    small, large = (percentile(times, 0.5) for times in sizes.values())
    return small, large


def due_search(folder: Path) -> list[Figure]:
    """What a dispatch asks the store, whatever the number of rows."""
    found = {"SQLite": claims(folder / "sqlite", lambda name: None)}
    if postgres_bin():
        with PostgreSQL() as server:
            found["PostgreSQL"] = claims(folder / "postgresql", lambda name: PostgresDatabase(server.make(name)))
    return [
        figure
        for database, (small, large) in found.items()
        for figure in (
            Figure(name=f"{database}, 10,000 rows", value=small * 1000, unit="ms", most=2),
            Figure(name=f"{database}, 1,000,000 rows, ratio", value=large / small, unit="x", most=2),
        )
    ]


def passes(folder: Path) -> list[Figure]:
    """With ten and with a hundred thousand links; then ten thousand in a dead CA's lane."""
    small, large = filled(folder / "small", 10_000), filled(folder / "large", 100_000)
    quick, slow = one_pass(small), one_pass(large)
    with small.lineages.database.writing() as transaction:
        transaction.execute("UPDATE work SET due = 0")
    small.lineages.dependency_away("issuer:letsencrypt", "away", datetime.now(UTC) - timedelta(seconds=1))
    probes = sum(len(small.lineages.claim(limit=8)) for _ in range(20))
    assert small.lineages.claim(limit=8) == []
    return [
        Figure(name="10,000 links", value=quick * 1000, unit="ms", most=10, against="certbot 3.8 s for 1,000"),
        Figure(name="100,000 links, ratio", value=slow / quick, unit="x", most=2),
        Figure(name="probes of a dead lane with 10,000 links", value=probes, unit="", most=1),
    ]
