"""SQLite's connections: few, whoever asks, and none left behind by threads that have ended."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from certd.errors import StoreError
from certd.store.sqlite import MOST_IDLE, SqliteDatabase
from certd.store.stores import open_stores


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


def aged(path: Path, seconds: float) -> None:
    """As if it had been written so long ago."""
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_a_mark_changes_with_every_commit(database: SqliteDatabase) -> None:
    """Another connection's, too; a transaction that was rolled back changes nothing."""
    aged(database.path, 60)
    before = database.mark()
    assert before
    assert count(database) == 0
    assert database.mark() == before
    with pytest.raises(StoreError), database.writing() as transaction:
        transaction.execute("INSERT INTO t SELECT 1 FROM nowhere")
    assert database.mark() == before
    write(SqliteDatabase(database.path))
    assert database.mark() != before


def test_what_was_written_just_now_has_no_mark(database: SqliteDatabase) -> None:
    """The next commit may fall within the same tick of the file system's clock, and would not be seen; neither has what
    was written by a clock that was ahead.
    """
    write(database)
    assert database.mark() == ""
    aged(database.path, -60)
    assert database.mark() == ""


def test_the_records_are_read_when_something_was_written(tmp_path: Path) -> None:
    """The responder asks every second: what another process adds is there at the next time, and an idle store is not
    read at all.
    """
    stores, other = (open_stores(tmp_path, name).lineages for name in ("a", "b"))
    path = tmp_path / "certd.db"
    aged(path, 60)
    assert stores.records("own") == {}
    assert stores.records("own") is stores.records("own")
    with other.database.writing() as transaction:
        transaction.execute(
            "INSERT INTO debt (link, provider, name, target, value, body) "
            "VALUES ('l', 'own', '_acme-challenge.l.example', '', 'v', '')"
        )
    assert stores.records("own") == {"_acme-challenge.l.example": frozenset({"v"})}
    assert stores.records("another") == {}
