"""Mail goes by TLS to another host, also where somebody takes the offer out of the server's answer."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from certd.alarms.mail import Mail
from certd.errors import AlarmFailed
from certd.model import Alarm, Level, Notice, Secret
from tests.lab.certificates import make_ca, make_leaf
from tests.unit.cases import NOW

# Of the loopback network, and not one of the names of this machine: it stands for another host.
ELSEWHERE = "127.0.0.2"


class Relay:
    """A mail server of a few words; ``took`` has the messages, and whether they came by TLS."""

    def __init__(self, host: str, context: ssl.SSLContext | None) -> None:
        self.listener = socket.create_server((host, 0))
        self.port = self.listener.getsockname()[1]
        self.context = context
        self.took: list[tuple[bool, str]] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            try:
                self._talk(connection)
            except OSError:
                connection.close()

    def _talk(self, connection: socket.socket) -> None:
        secure = False
        connection.sendall(b"220 relay\r\n")
        file = connection.makefile("rb")
        while line := file.readline():
            word = line.split()[0].upper() if line.split() else b""
            if word == b"EHLO":
                offer = b"250-relay\r\n250 STARTTLS\r\n" if self.context and not secure else b"250 relay\r\n"
                connection.sendall(offer)
            elif word == b"STARTTLS" and self.context:
                connection.sendall(b"220 go\r\n")
                connection = self.context.wrap_socket(connection, server_side=True)
                file, secure = connection.makefile("rb"), True
            elif word == b"DATA":
                connection.sendall(b"354 go\r\n")
                lines = []
                while (text := file.readline()) not in {b".\r\n", b""}:
                    lines.append(text)
                self.took.append((secure, b"".join(lines).decode()))
                connection.sendall(b"250 taken\r\n")
            elif word == b"QUIT":
                connection.sendall(b"221 bye\r\n")
                connection.close()
                return
            else:
                connection.sendall(b"250 fine\r\n")


@contextmanager
def relay(host: str, folder: Path | None = None) -> Iterator[Relay]:
    """With a certificate of its own making where a folder is given."""
    context = None
    if folder is not None:
        leaf = make_leaf(make_ca("nobody's"), "relay.example")
        (folder / "pair.pem").write_text(leaf.pem + leaf.key.reveal())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "pair.pem")
    made = Relay(host, context)
    try:
        yield made
    finally:
        made.listener.close()


def tell(host: str, port: int, *, plaintext: bool = False, password: str = "") -> None:
    secret = (lambda: Secret(password)) if password else None
    server = f"smtp://{'me@' if password else ''}{host}:{port}"
    mail = Mail(server, "a@example.com", ("b@example.com",), "node", secret, plaintext=plaintext, deadline=10)
    mail.tell(Notice(alarm=Alarm(cause="c", level=Level.NOTE, subject="link.example.com", words="w"), since=NOW))


def test_an_offer_that_was_taken_out() -> None:
    """No mail, and the words name the key that permits it."""
    with relay(ELSEWHERE) as server:
        with pytest.raises(AlarmFailed, match=r"offers no STARTTLS; alarms\.smtp_plaintext = true"):
            tell(ELSEWHERE, server.port)
        assert server.took == []


def test_in_the_clear_where_it_is_permitted_and_never_a_password() -> None:
    """The operator's word for the mails alone."""
    with relay(ELSEWHERE) as server:
        tell(ELSEWHERE, server.port, plaintext=True)
        assert [secure for secure, _ in server.took] == [False]
        with pytest.raises(AlarmFailed, match="a password is not sent in the clear"):
            tell(ELSEWHERE, server.port, plaintext=True, password="hunter2")
    assert len(server.took) == 1


def test_a_certificate_of_its_own_making(tmp_path: Path) -> None:
    """Good enough for a relay on this machine, not for another host."""
    with relay("127.0.0.1", tmp_path) as here:
        tell("127.0.0.1", here.port)
        assert [secure for secure, _ in here.took] == [True]
    with relay(ELSEWHERE, tmp_path) as there:
        with pytest.raises(AlarmFailed, match="certificate"):
            tell(ELSEWHERE, there.port)
        assert there.took == []


def test_a_relay_on_this_machine_without_tls() -> None:
    """Nothing leaves the machine."""
    with relay("127.0.0.1") as server:
        tell("127.0.0.1", server.port)
        assert len(server.took) == 1
