"""A PostgreSQL on another host gets the password only by TLS that is verified, and by SCRAM."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from certd.config.choices import known_choices
from certd.config.loader import load
from certd.errors import CertdError, StoreAway, StoreError
from certd.model import Secret
from certd.store.postgres import PostgresDatabase, demanded
from tests.lab.certificates import make_ca, make_leaf
from tests.lab.postgresql import PostgreSQL

HOST = "db.example.test"
PASSWORD = "CANARYPASSWORD"
pytestmark = pytest.mark.lab("postgresql")


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("roots") / "ca.pem"


@pytest.fixture(scope="module")
def with_tls(roots: Path) -> Iterator[PostgreSQL]:
    """One that offers TLS with a certificate for its name."""
    ca = make_ca("Database Root")
    roots.write_text(ca.pem)
    leaf = make_leaf(ca, HOST)
    with PostgreSQL(tls=(leaf.pem, leaf.key.reveal()), password=PASSWORD) as server:
        yield server


@pytest.fixture(scope="module")
def without_tls() -> Iterator[PostgreSQL]:
    """One that offers none."""
    with PostgreSQL(password=PASSWORD, method="md5") as server:
        yield server


def address(port: int, more: str = "", host: str = HOST) -> str:
    """Of another host, as far as the address says; it answers on this one."""
    return f"postgresql://certd@{host}:{port}/postgres?hostaddr=127.0.0.1{more}"


def asked(url: str) -> object:
    """A statement's result, with the password."""
    database = PostgresDatabase(url, Secret(PASSWORD))
    try:
        with database.reading() as transaction:
            return transaction.one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    finally:
        database.close()


def test_tls_with_the_right_name_is_taken(with_tls: PostgreSQL, roots: Path) -> None:
    """By default, once the root is known."""
    assert asked(address(with_tls.port, f"&sslrootcert={roots}")) == (True,)


def test_a_root_that_nobody_knows_is_refused(with_tls: PostgreSQL) -> None:
    """The system's roots count where the address names none; the way out is said."""
    with pytest.raises(StoreAway, match="certificate verify failed") as refused:
        asked(address(with_tls.port))
    assert "sslrootcert=" in refused.value.hint


def test_a_wrong_name_is_refused(with_tls: PostgreSQL, roots: Path) -> None:
    """A certificate of the right CA for another host."""
    with pytest.raises(StoreAway, match="does not match host name") as refused:
        asked(address(with_tls.port, f"&sslrootcert={roots}", host="other.example.test"))
    assert "sslmode=" in refused.value.hint


def test_no_tls_is_refused_unless_the_address_says_so(without_tls: PostgreSQL, monkeypatch: pytest.MonkeyPatch) -> None:
    """In so many words, and for the way of asking as well; the environment says nothing in that."""
    monkeypatch.setenv("PGSSLMODE", "disable")
    monkeypatch.setenv("PGREQUIREAUTH", "md5")
    with pytest.raises(StoreAway, match="does not support SSL") as refused:
        asked(address(without_tls.port))
    assert "sslmode=disable" in refused.value.hint
    with pytest.raises(StoreAway, match="authentication method requirement") as refused:
        asked(address(without_tls.port, "&sslmode=disable"))
    assert "require_auth=" in refused.value.hint
    assert asked(address(without_tls.port, "&sslmode=disable&require_auth=md5")) == (False,)


def test_on_this_machine_nothing_is_demanded(without_tls: PostgreSQL) -> None:
    """A socket or loopback, as most set-ups of one machine have it."""
    assert asked(f"postgresql://certd@127.0.0.1:{without_tls.port}/postgres") == (False,)


class Thief:
    """Declines TLS and asks for the password in the clear."""

    def __enter__(self) -> Thief:
        self.heard = bytearray()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()
        return self

    def _serve(self) -> None:
        try:
            while True:
                connection, _ = self.listener.accept()
                connection.settimeout(5)
                with connection:
                    while received := connection.recv(4096):
                        self.heard += received
                        # SSLRequest and GSSENCRequest have eight bytes; what is longer is a start-up message.
                        is_request = len(received) == 8
                        connection.sendall(b"N" if is_request else b"R" + struct.pack("!ii", 8, 3))
        except OSError:
            return

    def __exit__(self, *_: object) -> None:
        self.listener.close()
        self.thread.join(6)


@pytest.mark.parametrize("more", ["", "&sslmode=disable"])
def test_who_declines_tls_or_asks_in_the_clear_gets_no_password(more: str) -> None:
    """Neither by the default nor where the address gives up TLS alone."""
    with Thief() as thief, pytest.raises(StoreAway):
        asked(address(thief.port, more))
    assert PASSWORD.encode() not in thief.heard
    assert thief.heard


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("postgresql://u@10.0.0.5/certd", ("verify-full", "scram-sha-256")),
        ("postgresql://u@db/certd", ("verify-full", "scram-sha-256")),
        ("postgresql://u@localhost,db/certd", ("verify-full", "scram-sha-256")),
        ("postgresql://u@localhost/certd?hostaddr=10.0.0.5", ("verify-full", "scram-sha-256")),
        ("postgresql://u@db/certd?sslmode=require", (None, "scram-sha-256")),
        ("postgresql://u@db/certd?require_auth=none", ("verify-full", None)),
        ("postgresql://u@db/certd?sslcert=/c&sslkey=/k", ("verify-full", "scram-sha-256,none")),
        ("postgresql:///certd?service=shared", ("verify-full", "scram-sha-256")),
        ("postgresql://u@localhost/certd", (None, None)),
        ("postgresql://u@127.0.0.1/certd", (None, None)),
        ("postgresql://u@[::1]/certd", (None, None)),
        ("postgresql:///certd?host=/run/postgresql", (None, None)),
        ("postgresql:///certd", (None, None)),
    ],
)
def test_what_is_demanded_of_whom(url: str, wanted: tuple[str | None, str | None]) -> None:
    """Of every host but this one; each demand is given up by its own name alone."""
    found = demanded(url)
    assert (found.get("sslmode"), found.get("require_auth")) == wanted


def test_another_host_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """PGHOST names the host where the address names none."""
    monkeypatch.setenv("PGHOST", "db.example.com")
    assert demanded("postgresql:///certd")["sslmode"] == "verify-full"


def test_an_address_that_cannot_be_read_is_not_repeated() -> None:
    """libpq would repeat all of it."""
    with pytest.raises(StoreError) as refused:
        demanded("postgresql://u@[CANARYPASSWORD/certd")
    assert PASSWORD not in str(refused.value)


def test_a_password_among_the_options_is_refused(tmp_path: Path) -> None:
    """As one before the host is."""
    path = tmp_path / "certd.toml"
    path.write_text(f'[certd]\nseal = "file:/s"\nstore = "postgresql://u@db/certd?password={PASSWORD}"\n')
    with pytest.raises(CertdError) as refused:
        load(path, known_choices())
    assert "certd.store: must not hold the password" in str(refused.value)
    assert PASSWORD not in str(refused.value)
