"""Due work is found by an index, never by a scan."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from certd.errors import StoreError
from certd.model import Rank
from certd.store.stores import open_stores
from certd.store.work import WAKE_BATCH


def plan(path: Path, sql: str, *values: object) -> str:
    """What SQLite would do."""
    connection = sqlite3.connect(path)
    rows = connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
    return "; ".join(str(row[3]) for row in rows)


def test_due_rows_are_searched_in_the_index(tmp_path: Path) -> None:
    """By lane, rank and due time; without sorting, without a scan of the table."""
    stores = open_stores(tmp_path, "n")
    stores.lineages.ensure("issue:a", "issuer:x", Rank.FIRST)
    stores.close()
    sql = 'SELECT subject FROM work WHERE lane = ? AND "rank" = ? AND due <= ? ORDER BY due LIMIT ?'
    said = plan(tmp_path / "certd.db", sql, "issuer:x", 3, 9e9, 8)
    assert "SEARCH work USING INDEX work_due (lane=? AND rank=? AND due<?)" in said
    assert "SCAN" not in said
    assert "TEMP B-TREE" not in said


def test_lanes_are_found_without_reading_every_row(tmp_path: Path) -> None:
    """Ten thousand links in two lanes: a claim and the next due time touch a handful of rows."""
    stores = open_stores(tmp_path, "n")
    with stores.lineages.database.writing() as transaction:
        for number in range(10_000):
            dependency = "issuer:a" if number % 2 else "issuer:b"
            stores.lineages.ensure_in(transaction, f"issue:{number}", dependency, Rank.FIRST)
        transaction.execute("UPDATE work SET due = due + 1000000")
    (connection,) = stores.lineages.database._idle  # type: ignore[attr-defined]
    steps = [0]

    def count() -> int:
        steps[0] += 1
        return 0

    connection.set_progress_handler(count, 1000)
    assert stores.lineages.claim(limit=8) == []
    assert stores.lineages.next_due() is not None
    # A scan of ten thousand rows takes some hundred thousand steps of SQLite's machine.
    assert steps[0] < 10
    with stores.lineages.database.reading() as transaction:
        transaction.all("SELECT subject, due + 1 FROM work WHERE because <> 'x'")
    assert steps[0] > 10, "nothing was counted"
    stores.close()


def test_leases_are_found_without_reading_every_row(tmp_path: Path) -> None:
    """What a start frees: few are held, whoever holds them."""
    stores = open_stores(tmp_path, "n")
    stores.close()
    for table in ("work", "node_work"):
        sql = f"SELECT subject FROM {table} WHERE lease_until IS NOT NULL AND owner LIKE ? ESCAPE '~'"  # noqa: S608
        assert f"USING INDEX {table}_leased" in plan(tmp_path / "certd.db", sql, "n/%")


def test_what_a_wrong_clock_put_off_is_woken_in_parts(tmp_path: Path) -> None:
    """Each part is a transaction of its own; the parts that were written stand when one fails."""
    stores = open_stores(tmp_path, "n")
    database = stores.lineages.database
    with database.writing() as transaction:
        for number in range(WAKE_BATCH + 10):
            stores.lineages.ensure_in(transaction, f"issue:{number}", "issuer:a", Rank.FIRST)
        transaction.execute("UPDATE work SET due = due + 1000000000")
        transaction.execute("UPDATE work SET due = due - 1000 WHERE subject = 'issue:3'")
        transaction.execute(
            "CREATE TRIGGER full BEFORE UPDATE ON work WHEN OLD.subject = 'issue:3' "
            "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )
    with pytest.raises(StoreError):
        stores.lineages.wake_impossible(timedelta(days=400))
    with database.writing() as transaction:
        assert transaction.one("SELECT count(*) FROM work WHERE due > {now} + 86400") == (10,)
        transaction.execute("DROP TRIGGER full")
    assert stores.lineages.wake_impossible(timedelta(days=400)) == 10
    stores.close()
