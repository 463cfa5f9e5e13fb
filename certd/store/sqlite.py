"""SQLite with the rollback journal: the write-ahead log of the version in Debian 12 can corrupt a database
(sqlite.org/wal.html, "the WAL-reset bug"), and a full flush at each commit is what promise 3 stands on.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from certd.errors import StoreAway, StoreDamaged, StoreError
from certd.store.database import Row, Value

BUSY_SECONDS = 10.0


class SqliteDatabase:
    """One file; a connection for each thread, one writer at a time within the process.

    Args:
        now: Epoch seconds; tests and the simulation inject it.
    """

    def __init__(self, path: Path, *, now: Callable[[], float] = time.time) -> None:
        self.path = path
        self._now = now
        self._local = threading.local()
        self._lock = threading.Lock()
        self._connections: list[sqlite3.Connection] = []
        if not path.exists():
            # sqlite3 would make it readable by the umask's grace.
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))

    @contextlib.contextmanager
    def writing(self) -> Iterator[_Statements]:
        """BEGIN IMMEDIATE: a transaction that will write says so first, or it may fail in the middle."""
        # Threads queue here; SQLite's own waiting sleeps in steps of up to 100 ms.
        with self._lock, self._in_words():
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield _Statements(connection)
                connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[_Statements]:
        """A read transaction."""
        with self._in_words():
            connection = self._connection()
            connection.execute("BEGIN")
            try:
                yield _Statements(connection)
            finally:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")

    def copy_to(self, path: Path) -> None:
        """A consistent copy, made before each migration."""
        with self._in_words(), contextlib.closing(sqlite3.connect(path)) as copy:
            os.chmod(path, 0o600)
            self._connection().backup(copy)

    def judge(self) -> None:
        """Look through the file. Raises StoreDamaged."""
        with self.reading() as transaction:
            row = transaction.one("PRAGMA quick_check(1)")
        if row is None or row[0] != "ok":
            raise StoreDamaged(f"{self.path}: {row[0] if row else 'it cannot be read'}")

    def close(self) -> None:
        """Close every thread's connection."""
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
            self._local = threading.local()

    def _connection(self) -> sqlite3.Connection:
        known: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if known is not None:
            return known
        connection = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        connection.create_function("certd_now", 0, self._now)
        connection.execute("PRAGMA journal_mode = TRUNCATE")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -1024")
        connection.execute("PRAGMA trusted_schema = OFF")
        self._local.connection = connection
        self._connections.append(connection)
        return connection

    @contextlib.contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            text = str(error)
            if "locked" in text or "busy" in text or "unable to open" in text:
                raise StoreAway(f"{self.path}: {text}", hint="is another program writing to it?") from error
            hint = "free some space" if "full" in text else ""
            raise StoreError(f"{self.path}: {text}", hint=hint) from error
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.IntegrityError):
                raise StoreError(f"{self.path}: {error}") from error
            raise StoreDamaged(
                f"{self.path}: {error}", hint="restart certd: it moves the file aside and adopts what is on the disk"
            ) from error


class _Statements:
    """Implements database.Transaction on one connection."""

    __slots__ = ("_connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, *values: Value) -> int:
        return self._connection.execute(_dialect(sql), values).rowcount

    def all(self, sql: str, *values: Value) -> list[Row]:
        return self._connection.execute(_dialect(sql), values).fetchall()

    def one(self, sql: str, *values: Value) -> Row | None:
        row: Row | None = self._connection.execute(_dialect(sql), values).fetchone()
        return row


def _dialect(sql: str) -> str:
    """One writer at a time needs no row locks."""
    return sql.replace("{now}", "certd_now()").replace("{skip_locked}", "")
