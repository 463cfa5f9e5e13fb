"""A TLS proxy in front of a real Pebble that lets everything through but what it is told to bend."""

from __future__ import annotations

import http.client
import http.server
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import trustme

from tests.lab.pebble import Pebble


@dataclass(frozen=True, slots=True)
class Reply:
    """What Pebble answered, or what is sent in its place."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """Its value; empty where there is none."""
        return next((value for known, value in self.headers if known.lower() == name.lower()), "")


# Path, how often it was asked for so far (from 1), what Pebble says when asked; returns what the client gets.
Bend = Callable[[str, int, Callable[[], Reply]], Reply]


class Meddler:
    """Listens on loopback; Pebble builds its URLs from the Host header, so that all of them lead here again."""

    def __init__(self, pebble: Pebble, folder: Path, bend: Bend) -> None:
        self.asked: dict[str, int] = {}
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        authority = trustme.CA()
        certificate = authority.issue_cert("localhost", "127.0.0.1")
        self.ca_file = folder / "meddler-ca.pem"
        authority.cert_pem.write_to_path(self.ca_file)
        upstream = ssl.create_default_context(cafile=str(pebble.ca_file))
        meddler = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                kind = self.path.split("?")[0].strip("/").split("/")[0]
                with meddler._lock:
                    meddler.asked[kind] = count = meddler.asked.get(kind, 0) + 1

                def real() -> Reply:
                    connection = http.client.HTTPSConnection("localhost", pebble.port, context=upstream, timeout=20)
                    connection.request(self.command, self.path, body or None, dict(self.headers.items()))
                    answer = connection.getresponse()
                    reply = Reply(answer.status, tuple(answer.getheaders()), answer.read())
                    connection.close()
                    return reply

                reply = bend(kind, count, real)
                self.send_response(reply.status)
                for name, value in reply.headers:
                    if name.lower() not in {"content-length", "transfer-encoding", "connection", "date", "server"}:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(reply.body)

            do_GET = do_POST = do_HEAD = _any  # noqa: N815

            def log_message(self, format: str, *arguments: object) -> None:
                """Nobody reads it."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    @property
    def directory(self) -> str:
        """The URL of the directory."""
        return f"https://localhost:{self._server.server_address[1]}/dir"

    def __enter__(self) -> Meddler:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
