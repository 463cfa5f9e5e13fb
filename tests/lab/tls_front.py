"""A TLS end in front of another TLS server, whose own root a test changes."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from pathlib import Path
from types import TracebackType

import trustme

from tests.lab.ports import free_port

SILENCE_SECONDS = 120.0


class TlsFront:
    """Forwards what it decrypts.

    Args:
        behind: The port of the server behind it, on loopback; its certificate is not looked at.
        folder: For the anchors, ``anchor-1.pem`` and so on.
    """

    def __init__(self, behind: int, folder: Path) -> None:
        self.port = free_port()
        self._behind = behind
        self._folder = folder
        self._number = 0
        self._open: set[socket.socket] = set()
        self._context: ssl.SSLContext
        self.renew_root()
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()

    def renew_root(self) -> Path:
        """From now on its certificate leads to another root; who was connected is sent away. Returns the anchor."""
        authority = trustme.CA()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost", "127.0.0.1").configure_cert(self._context)
        self._number += 1
        anchor = self._folder / f"anchor-{self._number}.pem"
        authority.cert_pem.write_to_path(anchor)
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        return anchor

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(accepted,), daemon=True).start()

    def _serve(self, accepted: socket.socket) -> None:
        blind = ssl.create_default_context()
        blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
        try:
            with (
                self._context.wrap_socket(accepted, server_side=True) as client,
                blind.wrap_socket(socket.create_connection(("127.0.0.1", self._behind))) as server,
            ):
                self._open.add(client)
                _relay(client, server)
                self._open.discard(client)
        except OSError:
            accepted.close()

    def __enter__(self) -> TlsFront:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()


def _relay(client: ssl.SSLSocket, server: ssl.SSLSocket) -> None:
    """Until either goes away. In one thread: OpenSSL's connections are not to be read and written at once from two."""
    other = {client: server, server: client}
    while True:
        ready = [each for each in other if each.pending()] or select.select(list(other), [], [], SILENCE_SECONDS)[0]
        if not ready:
            return
        for each in ready:
            each.settimeout(0)
            try:
                some = each.recv(65536)
            except ssl.SSLWantReadError:
                # Half a record, or one that is not for us, such as a session ticket.
                continue
            if not some:
                return
            other[each].settimeout(SILENCE_SECONDS)
            other[each].sendall(some)
