"""The history of a lineage, in both databases."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from certd.model import Attempt
from certd.store.history import History
from certd.store.lineages import Lineages
from tests.contracts.stores import Bench, in_postgresql, in_sqlite
from tests.lab.postgresql import PostgreSQL
from tests.unit.cases import NOW

LINK = "link.example.com"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    """One server for the module."""
    with PostgreSQL() as made:
        yield made


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.lab("postgresql"))])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    if request.param == "sqlite":
        return in_sqlite(tmp_path)
    made: PostgreSQL = request.getfixturevalue("server")
    return in_postgresql(tmp_path, made.make(f"t{uuid.uuid4().hex}"))


def test_failures_are_history(bench: Bench) -> None:
    """The first of a kind, and then ever rarer: a week of refusals is a dozen lines."""
    assert isinstance(bench.mine, Lineages)
    bench.want(LINK, "issuer:test")
    (lease,) = bench.mine.claim(limit=1)
    facts = bench.mine.facts(LINK)
    for count in range(1, 21):
        attempt = Attempt(dns_failures=count, kind="dns", message=f"refused {count}", failed_at=NOW)
        facts = replace(facts, attempt=attempt)
        bench.mine.keep(lease, facts)
        bench.mine.keep(lease, facts)
    attempt = Attempt(failures=1, dns_failures=20, kind="rateLimited", message="too many", failed_at=NOW)
    bench.mine.keep(lease, replace(facts, attempt=attempt))
    events = History(bench.mine.database).events(LINK)
    assert sorted(event.because for event in events if event.what == "failed") == [
        "dns: refused 1", *(f"dns: refused {n} ({n} in a row)" for n in (16, 2, 4, 8)),
        "rateLimited: too many (21 in a row)",
    ]  # fmt: skip
