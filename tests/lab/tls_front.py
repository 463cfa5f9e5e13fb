"""A TLS end in front of another TLS server, whose own root a test changes."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from pathlib import Path
from types import TracebackType

import trustme

from tests.lab.ports import free_port


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
                back = threading.Thread(target=_pour, args=(server, client), daemon=True)
                back.start()
                _pour(client, server)
                back.join()
                self._open.discard(client)
        except OSError:
            accepted.close()

    def __enter__(self) -> TlsFront:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()


def _pour(source: ssl.SSLSocket, sink: ssl.SSLSocket) -> None:
    with contextlib.suppress(OSError):
        while some := source.recv(65536):
            sink.sendall(some)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)
