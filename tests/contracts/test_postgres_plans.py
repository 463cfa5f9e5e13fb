"""How PostgreSQL finds what is due: by the index, in a table of a hundred thousand rows."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from certd.store import postgres
from certd.store.database import Value
from certd.store.postgres import PostgresDatabase
from certd.store.stores import Stores, open_stores
from tests.contracts.stores import SEAL
from tests.lab.postgresql import PostgreSQL

pytestmark = pytest.mark.lab("postgresql")

COUNT = 100_000
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def stores(server: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """So many links, none of them due; one in a thousand is leased."""
    url = server.make(f"t{uuid.uuid4().hex}")
    made = open_stores(tmp_path_factory.mktemp("plans"), "one", seal_keys=[SEAL], shared=PostgresDatabase(url))
    fill(url, COUNT)
    yield made
    made.close()


def fill(url: str, count: int) -> None:
    """Rows of work in one lane, due within the next 60 days."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            'INSERT INTO work (subject, lane, "rank", due, owner, lease_until) '
            "SELECT 'issue:l' || n, 'issuer:letsencrypt', 2 + n %% 2, extract(epoch from now()) + 60 + n %% 5000000, "
            "CASE WHEN n %% 1000 = 0 THEN 'other/b/1' ELSE '' END, "
            "CASE WHEN n %% 1000 = 0 THEN extract(epoch from now()) + 60 END "
            "FROM generate_series(1, %s) n",
            [count],
        )
        connection.execute("ANALYZE")


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The plan of each statement, taken just before it runs; one line each."""
    found: list[str] = []
    real = postgres._Statements._run

    def explained(self: postgres._Statements, sql: str, values: tuple[Value, ...]) -> psycopg.Cursor:
        plan = real(self, f"EXPLAIN {sql}", values).fetchall()
        found.append(" | ".join(re.sub(r"\s+", " ", str(line)) for (line,) in plan))
        return real(self, sql, values)

    monkeypatch.setattr(postgres._Statements, "_run", explained)
    return found


def scans(plans: Sequence[str]) -> list[str]:
    """Those that read a whole work table."""
    return [plan for plan in plans if re.search(r"Seq Scan on (node_)?work\b", plan)]


def searches(plans: Sequence[str]) -> list[str]:
    """The index conditions on the due time."""
    return re.findall(r"Index Cond: (\([^|]*\bdue <= [^|]*\))", " ".join(plans))


def test_the_due_time_is_an_index_condition(stores: Stores, plans: list[str]) -> None:
    """A claim with nothing due: the store's clock bounds the search, and is no filter behind it."""
    assert stores.lineages.claim(limit=8) == []
    # One for each rank.
    assert len(searches(plans)) == 4
    assert not scans(plans)
    assert not [plan for plan in plans if "Filter: (due" in plan]


def test_nothing_of_the_due_path_reads_every_row(stores: Stores, plans: list[str]) -> None:
    """The next due time, one subject, its lease, what waits in a lane, and what a start frees."""
    assert stores.lineages.next_due() is not None
    (lease,) = stores.lineages.claim(limit=1, subject="issue:l1")
    stores.lineages.extend(lease)
    stores.lineages.wake("issue:l1")
    stores.lineages.resting("issue:l2")
    assert stores.lineages.waiting_in("issuer:letsencrypt", 8) == []
    assert stores.bulk_reader.due() == {}
    assert stores.lineages.wake_impossible(365 * DAY) == 0
    stores.history.prune()
    assert len(plans) > 20
    assert not scans(plans)
    assert stores.lineages.break_own_leases("one") == 1
    assert not scans(plans), "a start looks for its own leases"


def test_the_lease_is_judged_by_the_clock_of_the_row(stores: Stores, plans: list[str]) -> None:
    """The fence reads the clock at the row, not once before the statement waited for it."""
    (lease,) = stores.lineages.claim(limit=1, subject="issue:l3")
    plans.clear()
    stores.lineages.extend(lease)
    (fence,) = [plan for plan in plans if plan.startswith("Update on work")]
    assert re.search(r"Filter: .*lease_until > .*clock_timestamp\(\)", fence)
    assert "InitPlan" not in fence


def test_many_rows_put_off_by_a_wrong_clock_are_woken(
    server: PostgreSQL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No statement takes so long that the server ends it; what is done stands when a later part fails."""
    monkeypatch.setattr(postgres, "STATEMENT_MILLISECONDS", 1_500)
    url = server.make(f"t{uuid.uuid4().hex}")
    stores = open_stores(tmp_path, "one", seal_keys=[SEAL], shared=PostgresDatabase(url))
    fill(url, 200_000)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE work SET due = due + 1000000000 WHERE lease_until IS NULL")
    assert stores.lineages.wake_impossible(365 * DAY) == 199_800
    assert len(stores.lineages.claim(limit=8)) == 8
    stores.close()
