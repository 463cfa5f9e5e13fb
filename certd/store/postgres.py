"""PostgreSQL, shared by many nodes; the same statements, its own clock, and a deadline for every transaction.

``clock_timestamp()`` and not ``now()``: the latter is the transaction's start, and a holder that was frozen in the
middle of one would fence with a time that has passed.

Behind PgBouncer in transaction mode each transaction may go to another server connection. There the time limits are set
in the transaction, by the message that begins it, and no statement is prepared. Nothing listens, and no lock is held
for a session. A direct connection has its limits and its prepared statements for good, which costs half the time.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

from certd.errors import StoreAway, StoreError
from certd.model import Secret
from certd.store.database import Row, Value
from certd.system.guard import GUARD

CONNECT_SECONDS = 5
STATEMENT_MILLISECONDS = 10_000
DEADLINE_SECONDS = 15.0
CONNECTIONS = 8

# Of those that are idle, a node keeps these: with them it renews its leases on a server that has no connection left.
MOST_IDLE = 2
IDLE_SECONDS = 5.0

# How long it waits for a connection on a full server: longer than other nodes keep what they do not need, and short of
# a lease. Between two tries it takes one of its own that is given back.
FULL_SECONDS = 8.0
FULL_RETRY_SECONDS = 0.25

# What PostgreSQL (SQLSTATE 53300, which libpq does not hand on for a refused connection) and PgBouncer say then.
FULL = ("too many clients", "too many connections", "connection slots are reserved", "no more connections allowed")

# Trust anchors where the address names none and libpq has none of its own (~/.postgresql/root.crt): the system's.
SYSTEM_ANCHORS = Path("/etc/ssl/certs/ca-certificates.crt")
OWN_ANCHORS = Path(".postgresql/root.crt")

# What libpq says when a server offers less than was demanded of it.
TOO_WEAK = ("ssl", "certificate", "authentication method requirement", "server did not complete authentication")

# Set for a connection beside its limits, and read back: whether what is set for a connection counts.
MARKER = "certd.direct"

NOW = "extract(epoch from clock_timestamp())::float8"


class PostgresDatabase:
    """A handful of connections, taken in turn by the threads.

    Args:
        address: ``postgresql://user@host/database``, without the password. Another host than this must show TLS with a
            trusted certificate for its name, and ask for the password by SCRAM; unless the address says otherwise.
        password: Of that user.
        clock: An SQL expression for epoch seconds; tests move their own.
    """

    def __init__(self, address: str, password: Secret | None = None, *, clock: str = NOW) -> None:
        self._clock = clock
        self._address = address
        self._password = password
        self._idle: list[_Connection] = []
        self._lock = threading.Lock()
        self._given_back = threading.Condition(self._lock)
        self._closer: threading.Timer | None = None
        self._free = threading.Semaphore(CONNECTIONS)
        self._is_pooled = False

    @contextlib.contextmanager
    def writing(self) -> Iterator[_Statements]:
        """Read committed: every write is fenced by a row that it updates first."""
        with self._transaction() as statements:
            yield statements

    @contextlib.contextmanager
    def reading(self) -> Iterator[_Statements]:
        """One snapshot."""
        with self._transaction("ISOLATION LEVEL REPEATABLE READ READ ONLY") as statements:
            yield statements

    def glancing(self) -> contextlib.AbstractContextManager[_Statements]:
        """A snapshot as well."""
        return self.reading()

    def mark(self) -> str:
        """See ``Database.mark``: only the server could tell."""
        return ""

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            if self._closer is not None:
                self._closer.cancel()
                self._closer = None
            while self._idle:
                self._idle.pop().close()

    @contextlib.contextmanager
    def _transaction(self, mode: str = "") -> Iterator[_Statements]:
        if not self._free.acquire(timeout=DEADLINE_SECONDS):
            raise StoreAway("the database: every connection is waited for", hint="is it overloaded?")
        try:
            with self._in_words():
                connection = self._begun(mode)
                try:
                    # A server that froze acknowledges what is sent and answers nothing; only we can end that.
                    with GUARD.watch(DEADLINE_SECONDS, connection.twin):
                        yield _Statements(connection.connection, self._clock)
                        connection.connection.execute("COMMIT")
                except BaseException:
                    connection.give_up()
                    raise
                self._give_back(connection)
        finally:
            self._free.release()

    def _begun(self, mode: str) -> _Connection:
        """A connection with a transaction; an idle one may have died since, so there is a second try."""
        until = time.monotonic() + FULL_SECONDS
        while True:
            with self._lock:
                known = self._idle.pop() if self._idle else None
            if known is not None:
                try:
                    with GUARD.watch(DEADLINE_SECONDS, known.twin):
                        known.begin(mode)
                    return known
                except psycopg.Error:
                    known.give_up()
            try:
                fresh = self._connected()
            except psycopg.OperationalError as error:
                if not _is_full(error) or time.monotonic() >= until:
                    raise
                with self._given_back:
                    self._given_back.wait_for(lambda: self._idle, FULL_RETRY_SECONDS)
                continue
            with GUARD.watch(DEADLINE_SECONDS, fresh.twin):
                fresh.begin(mode)
            return fresh

    def _give_back(self, connection: _Connection) -> None:
        """Make it idle. The last one given back is the first one taken, so what is not needed stays at the front."""
        connection.idle_since = time.monotonic()
        with self._given_back:
            self._idle.append(connection)
            self._given_back.notify()
            self._close_later()

    def _close_later(self) -> None:
        """Have more idle ones than are kept closed, though nothing happens any more; the lock is held."""
        if len(self._idle) > MOST_IDLE and self._closer is None:
            self._closer = threading.Timer(IDLE_SECONDS, self._close_surplus)
            self._closer.daemon = True
            self._closer.start()

    def _close_surplus(self) -> None:
        """Close those beyond what is kept that nobody took for a while."""
        before = time.monotonic() - IDLE_SECONDS
        with self._lock:
            surplus = [one for one in self._idle[:-MOST_IDLE] if one.idle_since <= before]
            self._idle = [one for one in self._idle if one not in surplus]
            self._closer = None
            self._close_later()
        for connection in surplus:
            connection.close()

    def _connected(self) -> _Connection:
        """A connection, and whether a pooler stands before the server: one that refuses what is set for a connection,
        or passes over it in silence.
        """
        options = " ".join(f"-c {name}={value}" for name, value in {**limits(), MARKER: "on"}.items())
        connection, is_pooled = None, self._is_pooled
        if not is_pooled:
            try:
                connection = self._opened(options=options)
            except psycopg.OperationalError as error:
                if "unsupported startup parameter" not in str(error):
                    raise
                is_pooled = self._is_pooled = True
        if connection is None:
            connection = self._opened()
        made = _Connection(connection, is_pooled=is_pooled)
        if not is_pooled:
            try:
                with GUARD.watch(DEADLINE_SECONDS, made.twin):
                    found = connection.execute(f"SELECT current_setting('{MARKER}', true)".encode()).fetchone()
            except BaseException:
                made.give_up()
                raise
            made.is_pooled = found != ("on",)
        if made.is_pooled:
            connection.prepare_threshold = None
        return made

    def _opened(self, **more: Any) -> psycopg.Connection:
        return psycopg.connect(
            self._address,
            password=self._password.reveal() if self._password else None,
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            application_name="certd",
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
            tcp_user_timeout=int(DEADLINE_SECONDS * 1000),
            **more,
            **demanded(self._address),
        )

    @contextlib.contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except (errors.DeadlockDetected, errors.SerializationFailure, errors.QueryCanceled) as error:
            raise StoreAway(f"the database: {_first_line(error)}") from error
        except errors.IdleInTransactionSessionTimeout as error:
            raise StoreAway(
                f"the database: {_first_line(error)}; nothing was written", hint="was this machine or certd frozen?"
            ) from error
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            if _is_full(error):
                raise StoreAway(
                    f"the database has no connection left: {_first_line(error)}",
                    hint=f"raise its max_connections, or close what holds them; a node takes up to {CONNECTIONS}",
                ) from error
            raise StoreAway(f"the database does not answer: {_first_line(error)}", hint=_hint_for(error)) from error
        except psycopg.Error as error:
            raise StoreError(f"the database: {_first_line(error)}") from error


def limits() -> dict[str, int]:
    """The server's own time limits by their names, in milliseconds."""
    return {
        "statement_timeout": STATEMENT_MILLISECONDS,
        "lock_timeout": STATEMENT_MILLISECONDS,
        "idle_in_transaction_session_timeout": int(DEADLINE_SECONDS * 1000),
    }


def demanded(address: str) -> dict[str, Any]:
    """What is demanded of the server beside the address: nothing of one on this machine.

    By itself libpq takes a connection without TLS, verifies nothing, and gives its password to whoever asks
    (``sslmode=prefer``, the PostgreSQL manual, 34.19). What the address says stands; the environment weakens nothing.

    Raises:
        StoreError: the address cannot be read; it is not repeated.
    """
    try:
        said = conninfo_to_dict(address)
    except psycopg.ProgrammingError:
        raise StoreError(
            "certd.store: PostgreSQL cannot read this address", hint="postgresql://user@host/certd"
        ) from None
    if "service" not in said and all(_is_local(host) for host in _hosts(said)):
        return {}
    by_certificate = "sslcert" in said
    wanted = {
        "sslmode": "verify-full",
        "require_auth": "scram-sha-256,none" if by_certificate else "scram-sha-256",
        # Kerberos would encrypt in the place of TLS, and verify no certificate.
        "gssencmode": "disable",
    }
    if said.get("sslmode", "verify-full") == "verify-full" and not (Path.home() / OWN_ANCHORS).exists():
        wanted["sslrootcert"] = str(SYSTEM_ANCHORS) if SYSTEM_ANCHORS.exists() else "system"
    return {name: value for name, value in wanted.items() if name not in said}


def _hosts(said: Mapping[str, object]) -> list[str]:
    """Every host that may be connected to or is named; an empty one is this machine's socket."""
    named = [str(said[name]) for name in ("host", "hostaddr") if said.get(name)]
    named = named or [os.environ[name] for name in ("PGHOST", "PGHOSTADDR") if os.environ.get(name)]
    return [host for text in named for host in text.split(",")]


def _is_local(host: str) -> bool:
    if not host or host.startswith(("/", "@")) or host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_full(error: psycopg.Error) -> bool:
    words = str(error).lower()
    return isinstance(error, errors.TooManyConnections) or any(phrase in words for phrase in FULL)


def _hint_for(error: psycopg.Error) -> str:
    words = str(error).lower()
    if not any(phrase in words for phrase in TOO_WEAK):
        return "what is served goes on being served"
    return (
        "another host must show TLS with a trusted certificate for its name, and ask by SCRAM. certd.store can name "
        "its root (?sslrootcert=/etc/certd/database-ca.pem) or what you accept (sslmode=disable, require_auth=md5)"
    )


class _Connection:
    """A connection and a duplicate of its socket, which the guard can shut while libpq reads it.

    Attributes:
        is_pooled: A pooler may hand each transaction to another connection of the server.
    """

    def __init__(self, connection: psycopg.Connection, *, is_pooled: bool) -> None:
        self.connection = connection
        self.is_pooled = is_pooled
        self.idle_since = 0.0
        self.twin = socket.socket(fileno=os.dup(connection.pgconn.socket))

    def begin(self, mode: str) -> None:
        """Begin a transaction, in one message."""
        words = [f"BEGIN {mode}"]
        if self.is_pooled:
            words += [f"SET LOCAL {name} = {value}" for name, value in limits().items()]
        self.connection.execute("; ".join(words).encode())

    def give_up(self) -> None:
        """Whatever it was doing is undone by the server."""
        with contextlib.suppress(OSError):
            self.twin.shutdown(socket.SHUT_RDWR)
        self.close()

    def close(self) -> None:
        """Close both."""
        self.twin.close()
        with contextlib.suppress(psycopg.Error):
            self.connection.close()


class _Statements:
    """Implements database.Transaction on one connection."""

    __slots__ = ("_clock", "_connection")

    def __init__(self, connection: psycopg.Connection, clock: str) -> None:
        self._connection = connection
        self._clock = clock

    def execute(self, sql: str, *values: Value) -> int:
        return self._run(sql, values).rowcount

    def all(self, sql: str, *values: Value) -> list[Row]:
        return self._run(sql, values).fetchall()

    def one(self, sql: str, *values: Value) -> Row | None:
        return self._run(sql, values).fetchone()

    def _run(self, sql: str, values: tuple[Value, ...]) -> psycopg.Cursor:
        text = _dialect(sql, self._clock)
        if values:
            # psycopg reads a percent sign as a placeholder where a statement has values, and only there.
            text = text.replace("%", "%%")
        return self._connection.execute(text.replace("?", "%s").encode(), values or None)


def _dialect(sql: str, clock: str) -> str:
    """A volatile function is no index condition; a scalar subquery, read once before the search, is one."""
    text = sql.replace("{now}", clock).replace("{now_once}", f"(SELECT {clock})")
    return text.replace("{skip_locked}", "FOR UPDATE SKIP LOCKED")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
