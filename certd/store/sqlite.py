"""SQLite with the rollback journal: the write-ahead log of the version in Debian 12 can corrupt a database
(sqlite.org/wal.html, "the WAL-reset bug"), and a full flush at each commit is what
"Remember first" (docs/design.md) stands on.
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
from certd.store.write_queue import Gate, WriteQueue

BUSY_SECONDS = 10.0

# A file that was written so lately may be written again within the same tick of the file system's clock (4 ms; a second
# on some, two on FAT), and then looks as before.
SETTLED_SECONDS = 3.0

# Each keeps its descriptor, its prepared statements and a page cache that is full where there are many links. Writers
# take turns, so more are used at once only for a moment.
MOST_IDLE = 4
CACHE_KIB = 512


class SqliteDatabase:
    """One file; a handful of connections, taken in turn by the threads, one writer at a time within the process.

    Not one for each thread: the clockwork runs each job in a new one, and a connection that outlives its thread is a
    file descriptor and half a megabyte that nobody gives back.

    Args:
        now: Epoch seconds; tests and the simulation inject it.
    """

    def __init__(self, path: Path, *, now: Callable[[], float] = time.time) -> None:
        self.path = path
        self._now = now
        self.turns = WriteQueue()
        self._gate = Gate(MOST_IDLE - 1)
        self._group: _Group | None = None
        self._idle: list[sqlite3.Connection] = []
        self._epoch = 0
        if not path.exists():
            # sqlite3 would make it readable by the umask's grace.
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))

    @contextlib.contextmanager
    def writing(self) -> Iterator[_Statements]:
        """BEGIN IMMEDIATE: a transaction that will write says so first, or it may fail in the middle."""
        self.turns.take()
        group, joins = self._group or _Group(), self._group is not None
        with self._in_words():
            try:
                yield from self._joined(group) if joins else self._begun(group)
            finally:
                if not joins:
                    self._group = None
                    group.ended.set()
                self.turns.pass_on()
            if joins:
                group.ended.wait()
                group.judge()

    @contextlib.contextmanager
    def reading(self) -> Iterator[_Statements]:
        """A read transaction."""
        with self._in_words(), self._gate.reading(), self._connection() as connection:
            connection.execute("BEGIN")
            try:
                yield _Statements(connection)
            finally:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def glancing(self) -> Iterator[_Statements]:
        """Without a transaction around it: each statement lets other threads run, and is waited for again."""
        with self._in_words(), self._gate.reading(), self._connection() as connection:
            yield _Statements(connection)

    def copy_to(self, path: Path) -> None:
        """A consistent copy, made before each migration."""
        with self._in_words(), contextlib.closing(sqlite3.connect(path)) as copy, self._connection() as connection:
            os.chmod(path, 0o600)
            connection.backup(copy)

    def judge(self) -> None:
        """Look through the file. Raises StoreDamaged."""
        with self.reading() as transaction:
            row = transaction.one("PRAGMA quick_check(1)")
        if row is None or row[0] != "ok":
            raise StoreDamaged(f"{self.path}: {row[0] if row else 'it cannot be read'}")

    def mark(self) -> str:
        """See ``Database.mark``: each commit writes to the file. Empty while that was just now."""
        try:
            status = os.stat(self.path)
        except OSError:
            return ""
        is_settled = time.time() - status.st_mtime > SETTLED_SECONDS
        return f"{status.st_ino} {status.st_size} {status.st_mtime_ns}" if is_settled else ""

    def close(self) -> None:
        """Close what is idle, and what is in use when it is given back."""
        self._epoch += 1
        while self._idle:
            self._idle.pop().close()

    def _begun(self, group: _Group) -> Iterator[_Statements]:
        """A transaction of our own. Who waits when it could be committed joins it: one flush for all of them."""
        with self._connection() as connection:
            group.connection = connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield _Statements(connection)
                if self.turns.waiting:
                    self._group = group
                    self.turns.let_others()
                    group.judge()
                with self._gate.closed():
                    connection.execute("COMMIT")
            except BaseException as error:
                group.error = group.error or error
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    def _joined(self, group: _Group) -> Iterator[_Statements]:
        """A part of somebody else's transaction, which can be undone by itself."""
        group.judge()
        connection = group.connection
        connection.execute("SAVEPOINT joined")
        try:
            yield _Statements(connection)
            connection.execute("RELEASE joined")
        except BaseException as error:
            try:
                connection.execute("ROLLBACK TO joined")
                connection.execute("RELEASE joined")
            except sqlite3.Error:
                # A full disk, and some other errors, have undone everything; a part that cannot be undone undoes it.
                group.error = group.error or error
            raise

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """One that nobody else uses meanwhile; taking and giving back are single operations on a list."""
        epoch = self._epoch
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._opened()
        is_sound = False
        try:
            yield connection
            is_sound = True
        except sqlite3.Error:
            raise
        except BaseException:
            # Our own errors say nothing about the connection.
            is_sound = True
            raise
        finally:
            if is_sound and not connection.in_transaction and epoch == self._epoch and len(self._idle) < MOST_IDLE:
                self._idle.append(connection)
            else:
                connection.close()

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        connection.create_function("certd_now", 0, self._now)
        connection.execute("PRAGMA journal_mode = TRUNCATE")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.execute("PRAGMA trusted_schema = OFF")
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


class _Group:
    """Transactions that reach the disk together, or not at all."""

    connection: sqlite3.Connection

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.ended = threading.Event()

    def judge(self) -> None:
        """Raises sqlite3.Error when it is lost."""
        if isinstance(self.error, sqlite3.Error):
            raise type(self.error)(*self.error.args)
        if self.error is not None:
            raise sqlite3.OperationalError("what it was to be written with was broken off")


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
    return sql.replace("{now}", "certd_now()").replace("{now_once}", "certd_now()").replace("{skip_locked}", "")
