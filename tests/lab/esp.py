"""A stand-in for the e-mail service: it redirects a click only when the Host header is the link domain."""

from __future__ import annotations

import ssl
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from tests.lab.ports import free_port

LANDING = "https://shop.example.test/landing"
BAD_HOST = b"Bad Hostname in Link: You have clicked on a link that contains a bad hostname."


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    host: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    at: str = ""


class Esp:
    """Listens on loopback; counts what it answered, and remembers the last requests.

    Args:
        context: Speak TLS; the names that clients ask for are remembered.
        headers: Sent with each answer.
    """

    def __init__(
        self, *domains: str, context: ssl.SSLContext | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        self.port = free_port()
        self.clicks = 0
        self.refused = 0
        self.seen: deque[Seen] = deque(maxlen=100)
        self.asked_for: deque[str | None] = deque(maxlen=100)
        self.headers = dict(headers or {})
        self.status = 302
        service = self
        known = frozenset(domains)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                # As it came: the server's own idea of the path has lost a slash where there were two in front.
                path = self.requestline.split(" ")[1]
                headers, at = dict(self.headers.items()), self.connection.getsockname()[0]
                service.seen.append(Seen(self.command, path, self.headers.get("Host", ""), body, headers, at))
                if self.headers.get("Host", "").partition(":")[0].lower() not in known:
                    service.refused += 1
                    self._answer(404, BAD_HOST)
                    return
                service.clicks += 1
                self._answer(service.status, b"", location=f"{LANDING}?from={path}")

            do_HEAD = do_POST = do_GET  # noqa: N815

            def _answer(self, status: int, body: bytes, location: str = "") -> None:
                self.send_response(status)
                if location:
                    self.send_header("Location", location)
                for name, value in service.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("0.0.0.0", self.port), Handler)
        self._is_tls = context is not None
        if context is not None:
            context.sni_callback = lambda _, name, __: self.asked_for.append(name)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """What ``[esp.NAME] upstream`` says."""
        return f"https://localhost:{self.port}" if self._is_tls else f"http://127.0.0.1:{self.port}"

    def start(self) -> Esp:
        """Answer, in a thread."""
        threading.Thread(target=self._server.serve_forever, name="esp", daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Esp:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
