"""SQLite's connections: few, whoever asks, and none left behind by threads that have ended."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from certd.errors import StoreError
from certd.store.sqlite import MOST_IDLE, SqliteDatabase


def descriptors(path: Path) -> int:
    """How many of this process's descriptors are open on a file."""
    found = 0
    for number in os.listdir("/proc/self/fd"):
        try:
            found += os.readlink(f"/proc/self/fd/{number}") == str(path)
        except OSError:
            continue
    return found


@pytest.fixture
def database(tmp_path: Path) -> SqliteDatabase:
    made = SqliteDatabase(tmp_path / "a.db")
    with made.writing() as transaction:
        transaction.execute("CREATE TABLE t (x BIGINT)")
    return made


def count(database: SqliteDatabase) -> int:
    with database.reading() as transaction:
        row = transaction.one("SELECT count(*) FROM t")
    assert row is not None
    return int(row[0] or 0)


def write(database: SqliteDatabase) -> None:
    with database.writing() as transaction:
        transaction.execute("INSERT INTO t VALUES (1)")


def test_threads_that_ended_leave_no_connection(database: SqliteDatabase) -> None:
    """The clockwork runs each job in a thread of its own: a thousand a day once were a thousand descriptors."""
    for _ in range(40):
        thread = threading.Thread(target=write, args=(database,))
        thread.start()
        thread.join()
    assert count(database) == 40
    assert descriptors(database.path) == 1


def test_many_at_once_are_not_all_kept(database: SqliteDatabase) -> None:
    """Each reader has its own while it reads; afterwards a handful stays."""
    together = threading.Barrier(20)

    def read() -> None:
        with database.reading() as transaction:
            transaction.one("SELECT count(*) FROM t")
            together.wait(60)

    threads = [threading.Thread(target=read) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= descriptors(database.path) <= MOST_IDLE


def test_a_failure_inside_undoes_and_keeps_nothing_open(database: SqliteDatabase) -> None:
    """An error of ours and one of SQLite's: rolled back, and the next one begins afresh."""

    def fail(error: str) -> None:
        with database.writing() as transaction:
            transaction.execute("INSERT INTO t VALUES (1)")
            if error == "ours":
                raise StoreError("no")
            transaction.execute("INSERT INTO nowhere VALUES (1)")

    for error in ("ours", "SQLite's"):
        with pytest.raises(StoreError):
            fail(error)
        assert count(database) == 0
        write(database)
        with database.writing() as transaction:
            transaction.execute("DELETE FROM t")


def test_closed_while_somebody_reads(database: SqliteDatabase) -> None:
    """What is in use is closed when it is given back."""
    with database.reading() as transaction:
        database.close()
        assert transaction.one("SELECT count(*) FROM t") == (0,)
    assert descriptors(database.path) == 0
