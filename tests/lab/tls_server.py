"""A TLS server with the certificate that a test wants it to show, and one answer."""

from __future__ import annotations

import ssl
import tempfile
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

from tests.lab.certificates import Leaf
from tests.lab.ports import free_port


class TlsServer:
    """Shows the certificates in turn.

    Args:
        leaves: One handshake each, and again from the first; every one with the issuers that are sent after it.
        headers: Sent with every answer.
        oldest: The oldest TLS version that is taken.
    """

    def __init__(
        self,
        *leaves: tuple[Leaf, Sequence[str]],
        headers: dict[str, str] | None = None,
        oldest: ssl.TLSVersion | None = None,
        status: int = 200,
        body: bytes = b"",
    ) -> None:
        self.port = free_port()
        contexts = [_context(leaf, issuers, oldest) for leaf, issuers in leaves]
        turn = iter(range(10_000))

        def choose(connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
            connection.context = contexts[next(turn) % len(contexts)]

        self.context = contexts[0]
        self.context.sni_callback = choose if len(contexts) > 1 else None

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                for key, value in (headers or {}).items():
                    self.send_header(key, value)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_HEAD = do_POST = do_GET  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """Whoever only looks hangs up."""

        self._server = Server(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self._server.socket = contexts[0].wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )

    @property
    def place(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    def choose_by(self, choose: Callable[[ssl.SSLObject, str | None, ssl.SSLContext], None]) -> None:
        """What is asked at each handshake which certificate to show."""
        self.context.sni_callback = choose

    def __enter__(self) -> TlsServer:
        threading.Thread(target=self._server.serve_forever, name="tls", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _context(leaf: Leaf, issuers: Sequence[str], oldest: ssl.TLSVersion | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if oldest is not None:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version = oldest
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pair.pem"
        path.write_text(leaf.pem + "".join(issuers) + leaf.key.reveal())
        context.load_cert_chain(path)
    return context
