"""An HTTP server that misbehaves as told: stalls, drips, lies about itself, or sends far too much."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType

from tests.lab.ports import free_port

Answer = Callable[[str, str], bytes]
"""Method and path in, raw answer out."""


def http(status: str, body: bytes = b"", **headers: str) -> bytes:
    """A raw answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def problem(status: str, kind: str, detail: str, **headers: str) -> bytes:
    """A problem document."""
    body = json.dumps({"type": f"urn:ietf:params:acme:error:{kind}", "detail": detail}).encode()
    return http(status, body, Content_Type="application/problem+json", Replay_Nonce="bm9uY2U", **headers)


class Rude:
    """Listens on loopback.

    Args:
        answers: By path; what is not named gets a 404. A directory stands at ``/dir``, nonces at ``/nonce``.
        drip: Send one byte of each answer every so many seconds.
    """

    def __init__(self, answers: Mapping[str, Answer] | None = None, *, drip: float = 0.0, stall: bool = False) -> None:
        self.port = free_port()
        self.seen: list[tuple[str, str]] = []
        self.connections = 0
        self._answers = dict(answers or {})
        self._drip = drip
        self._stall = stall
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._is_open = True

    @property
    def url(self) -> str:
        """Its base."""
        return f"http://127.0.0.1:{self.port}"

    def answer(self, more: Mapping[str, Answer]) -> None:
        """Answer these paths, too."""
        self._answers |= more

    def directory(self) -> bytes:
        """A directory object."""
        names = ("newNonce", "newAccount", "newOrder", "renewalInfo")
        paths = ("nonce", "account", "order", "ari")
        body = {name: f"{self.url}/{path}" for name, path in zip(names, paths, strict=True)}
        return http("200 OK", json.dumps(body).encode(), Content_Type="application/json")

    def _serve(self) -> None:
        while self._is_open:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as reader:
            while line := reader.readline():
                method, path, _ = line.decode("latin-1").split(" ", 2)
                length = 0
                while (header := reader.readline()) not in {b"\r\n", b""}:
                    name, _, value = header.decode("latin-1").partition(":")
                    length = int(value) if name.lower() == "content-length" else length
                reader.read(length)
                self.seen.append((method, path))
                if self._stall:
                    time.sleep(60)
                answer = self._answer(method, path)
                self._send(connection, answer, head=method == "HEAD")
                if b"Connection: close" in answer or not answer.startswith(b"HTTP/"):
                    return

    def _answer(self, method: str, path: str) -> bytes:
        if path in self._answers:
            return self._answers[path](method, path)
        if path == "/dir":
            return self.directory()
        if path == "/nonce":
            return http("200 OK", Replay_Nonce="bm9uY2U")
        if path == "/account":
            return http("201 Created", b"{}", Location=f"{self.url}/account/1", Replay_Nonce="bm9uY2U")
        return http("404 Not Found")

    def _send(self, connection: socket.socket, answer: bytes, *, head: bool) -> None:
        if head:
            answer = answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        if not self._drip:
            connection.sendall(answer)
            return
        for byte in answer:
            connection.sendall(bytes([byte]))
            time.sleep(self._drip)

    def __enter__(self) -> Rude:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        self._listener.close()


class HttpProxy:
    """A CONNECT proxy that counts what goes through it.

    Args:
        hosts: Names that it alone can resolve.
    """

    def __init__(self, hosts: Mapping[str, str] | None = None) -> None:
        self._hosts = hosts or {}
        self.port = free_port()
        self.tunnels: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", self.port))

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._tunnel, args=(connection,), daemon=True).start()

    def _tunnel(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(4096)
            target = head.split(b" ")[1].decode()
            self.tunnels.append(target)
            host, _, port = target.rpartition(":")
            with socket.create_connection((self._hosts.get(host, host), int(port))) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=_pump, args=(server, client), daemon=True)
                back.start()
                _pump(client, server)

    def __enter__(self) -> HttpProxy:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)
