"""A pass in which nothing is due, and a dead CA's lane."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from certd.model import CertificateSpec
from certd.store.stores import Stores, open_stores
from tests.bench.figures import Figure, percentile


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
