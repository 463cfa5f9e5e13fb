"""Threads that write at once: one after the other, on the disk together, and each undone by itself."""

from __future__ import annotations

import sqlite3
import struct
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from certd.errors import StoreError
from certd.store.sqlite import MOST_IDLE, SqliteDatabase
from certd.store.write_queue import Gate, WriteQueue

WRITERS = 6


@pytest.fixture
def database(tmp_path: Path) -> SqliteDatabase:
    made = SqliteDatabase(tmp_path / "a.db")
    with made.writing() as transaction:
        transaction.execute("CREATE TABLE t (x BIGINT, y TEXT)")
    return made


def commits(path: Path) -> int:
    """The file change counter (sqlite.org/fileformat2.html, section 1.3.7)."""
    with path.open("rb") as file:
        file.seek(24)
        found: tuple[int] = struct.unpack(">I", file.read(4))
    return found[0]


def on_disk(path: Path) -> set[int]:
    """What another program sees."""
    with sqlite3.connect(path) as other:
        return {int(x) for (x,) in other.execute("SELECT x FROM t")}


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def behind_one(database: SqliteDatabase, writers: Sequence[Callable[[], None]]) -> None:
    """Run these one behind the other, all of them while a first transaction (x = 0) is open."""
    with database.writing() as transaction:
        transaction.execute("INSERT INTO t VALUES (0, '')")
        threads = [threading.Thread(target=writer) for writer in writers]
        for number, thread in enumerate(threads):
            thread.start()
            wait_for(lambda wanted=number + 1: database.turns.waiting == wanted)  # type: ignore[misc]
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def test_who_waits_reaches_the_disk_together(database: SqliteDatabase) -> None:
    """Six threads that wait for a seventh pay for one flush, and each finds its own on the disk when it goes on."""
    seen: dict[int, bool] = {}

    def write(number: int) -> None:
        with database.writing() as transaction:
            transaction.execute("INSERT INTO t VALUES (?, '')", number)
        seen[number] = number in on_disk(database.path)

    before = commits(database.path)
    behind_one(database, [lambda n=n: write(n) for n in range(1, WRITERS + 1)])  # type: ignore[misc]
    assert commits(database.path) == before + 1
    assert seen == dict.fromkeys(range(1, WRITERS + 1), True)
    assert on_disk(database.path) == set(range(WRITERS + 1))


def test_a_failure_undoes_itself_alone(database: SqliteDatabase) -> None:
    """A lease that was lost, or a statement that is refused, takes nobody along."""
    said: list[str] = []

    def write(number: int, error: str) -> None:
        try:
            with database.writing() as transaction:
                transaction.execute("INSERT INTO t VALUES (?, '')", number)
                if error == "ours":
                    raise StoreError("no")
                if error:
                    transaction.execute("INSERT INTO nowhere VALUES (1)")
        except StoreError as failed:
            said.append(f"{number} {failed}")

    behind_one(database, [partial(write, n, e) for n, e in enumerate(["", "ours", "", "SQLite's", ""], start=1)])
    assert on_disk(database.path) == {0, 1, 3, 5}
    assert said == ["2 no", f"4 {database.path}: no such table: nowhere"]


def test_a_full_disk_fails_everybody(database: SqliteDatabase) -> None:
    """SQLite then undoes all of it: whoever wrote before hears of it, whoever comes after writes nothing by itself."""
    said: dict[int, str] = {}

    def write(number: int, size: int) -> None:
        try:
            with database.writing() as transaction:
                if size:
                    transaction.one("PRAGMA max_page_count = 4")
                transaction.execute("INSERT INTO t VALUES (?, ?)", number, "x" * size)
                if size:
                    transaction.execute("ROLLBACK")  # what a full disk makes SQLite do by itself
            said[number] = "written"
        except StoreError as failed:
            said[number] = str(failed)

    with pytest.raises(StoreError):
        behind_one(database, [partial(write, n, s) for n, s in enumerate([0, 100_000, 0], start=1)])
    wait_for(lambda: len(said) == 3)
    assert on_disk(database.path) == set()
    assert "full" in said[2]
    assert "written" not in said.values()
    with database.writing() as transaction:
        transaction.execute("INSERT INTO t VALUES (9, '')")
    assert on_disk(database.path) == {9}


def test_readers_and_writers_at_once(database: SqliteDatabase) -> None:
    """Nothing is lost, nothing is seen by halves, and nobody sleeps in SQLite's steps."""
    odd: list[object] = []

    def write() -> None:
        for _ in range(20):
            with database.writing() as transaction:
                for name in ("a", "b"):
                    transaction.execute("UPDATE t SET x = x + 1 WHERE y = ?", name)

    def read() -> None:
        for _ in range(40):
            with database.reading() as transaction:
                first, second = (transaction.one("SELECT x FROM t WHERE y = ?", name) for name in ("a", "b"))
            if first != second:
                odd.append((first, second))

    with database.writing() as transaction:
        transaction.execute("INSERT INTO t VALUES (0, 'a'), (0, 'b')")
    threads = [threading.Thread(target=each) for each in [write, read] * 5]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert odd == []
    assert on_disk(database.path) == {100}


def test_turns_are_taken_in_order() -> None:
    """Who lets others write before it commits comes behind those who waited, and before those who come later."""
    turns, order = WriteQueue(), []
    turns.take()
    assert not turns.let_others()

    def work(name: str) -> None:
        turns.take()
        order.append(name)
        if name == "a":
            later.start()
            wait_for(lambda: turns.waiting == 3)
        turns.pass_on()

    later = threading.Thread(target=work, args=("later",))
    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b")]
    for number, thread in enumerate(threads):
        thread.start()
        wait_for(lambda wanted=number + 1: turns.waiting == wanted)  # type: ignore[misc]
    assert turns.let_others()
    order.append("first")
    turns.pass_on()
    for thread in (*threads, later):
        thread.join(30)
    assert order == ["a", "b", "first", "later"]


def test_a_commit_waits_for_readers_and_they_for_it() -> None:
    """But neither for ever: SQLite's own locks are behind it."""
    gate = Gate(MOST_IDLE, patience=0.05)
    with gate.reading():
        started = time.monotonic()
        with gate.closed():
            waited = time.monotonic() - started
            with gate.reading():
                pass
    assert waited >= 0.05
    with gate.closed():
        pass
    with gate.reading():
        pass
