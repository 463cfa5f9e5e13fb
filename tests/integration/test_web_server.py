"""The server under the status page: slow and hostile clients, sockets, bounds."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from certd.errors import CertdError
from certd.web.exchange import Request, Response, sentence
from certd.web.server import MOST_CONNECTIONS, WebServer
from tests.lab.ports import free_port
from tests.lab.threads import wakings

BIG = b"x" * 4_000_000


class Answers:
    """Answers that can be held up."""

    def __init__(self) -> None:
        self.gate = threading.Event()

    def __call__(self, request: Request) -> Response:
        if request.path == "/wait":
            self.gate.wait(30)
        if request.path == "/broken":
            raise RuntimeError("a bug")
        return Response(body=BIG) if request.path == "/big" else sentence(200, f"{request.path} {request.is_socket}")


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def server(answers: Answers) -> Iterator[WebServer]:
    made = WebServer(f"127.0.0.1:{free_port()}", answers, quick=lambda path: path == "/healthz")
    made.start()
    yield made
    answers.gate.set()
    made.stop()


def talk(port: int, words: bytes, *, seconds: float = 20.0) -> bytes:
    """Everything that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as client:
        client.sendall(words)
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_a_request_is_answered(server: WebServer) -> None:
    """With what keeps a browser from doing anything but showing it."""
    said = talk(server.port, b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").decode()
    assert said.startswith("HTTP/1.1 200 OK\r\n")
    assert said.endswith("/a False\n")
    for words in ("Content-Security-Policy: default-src 'none'", "nosniff", "frame-ancestors 'none'", "no-referrer"):
        assert words in said
    head = talk(server.port, b"HEAD /a HTTP/1.1\r\n\r\n").decode()
    assert head.endswith("\r\n\r\n")
    assert "Content-Length: 9" in head


def test_a_request_in_pieces(server: WebServer) -> None:
    """However it is cut."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        for byte in b"GET /x HTTP/1.1\r\n\r\n":
            client.send(bytes([byte]))
        assert b"200 OK" in client.recv(65536)


def test_slow_clients_hold_up_nobody(server: WebServer) -> None:
    """More of them than there is room for, none of which ever ends its request; and some that never read."""
    slow = []
    for _ in range(MOST_CONNECTIONS + 20):
        client = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        client.send(b"GET / HTTP/1.1\r\nX: ")
        slow.append(client)
    deaf = []
    for _ in range(8):
        client = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(b"GET /big HTTP/1.1\r\n\r\n")
        deaf.append(client)
    for path in (b"/healthz", b"/page"):
        assert b"200 OK" in talk(server.port, b"GET " + path + b" HTTP/1.1\r\n\r\n")
    for client in slow + deaf:
        client.close()


def test_a_request_must_come_in_time(server: WebServer) -> None:
    """One that does not is dropped."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
        client.send(b"GET / HTTP/1.1\r\n")
        assert client.recv(100) == b""


def test_health_waits_for_no_page(server: WebServer, answers: Answers) -> None:
    """Pages that wait for a frozen database hold up pages only; what cannot wait any more is told so at once."""
    waiting = [socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(60)]
    for client in waiting:
        client.sendall(b"GET /wait HTTP/1.1\r\n\r\n")
    assert b"200 OK" in talk(server.port, b"GET /healthz HTTP/1.1\r\n\r\n")
    deadline = time.monotonic() + 60
    last = b""
    while b"503" not in last:
        assert time.monotonic() < deadline
        # One that still finds a place waits with the others.
        with contextlib.suppress(TimeoutError):
            last = talk(server.port, b"GET /wait HTTP/1.1\r\n\r\n", seconds=1)
    assert b"Retry-After: 2" in last
    answers.gate.set()
    assert b"200 OK" in waiting[0].recv(65536)
    for client in waiting:
        client.close()


def test_a_bug_in_a_page_ends_nothing(server: WebServer) -> None:
    """The next page comes."""
    for _ in range(5):
        assert b"500 Internal" in talk(server.port, b"GET /broken HTTP/1.1\r\n\r\n")
    assert b"200 OK" in talk(server.port, b"GET /a HTTP/1.1\r\n\r\n")


HOSTILE = {
    "a head without end": (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000, b" 431 "),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b" 400 "),
    "a body": (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", b" 405 "),
    "line breaks in the path": (b"GET /a%0d%0aSet-Cookie:x HTTP/1.1\r\n\r\n", b" 200 "),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_requests(server: WebServer, case: str) -> None:
    """Answered or refused, in words, and nothing they send becomes a header."""
    words, expected = HOSTILE[case]
    said = talk(server.port, words)
    assert expected in said.split(b"\r\n")[0] + b" "
    assert b"Set-Cookie" not in said.split(b"\r\n\r\n")[0]


def test_a_unix_socket(short_path: Path, answers: Answers) -> None:
    """For its owner and group; one that was left behind is replaced, anything else is not."""
    path = short_path / "http.sock"
    path.write_text("precious")
    with pytest.raises(CertdError, match="is no socket"):
        WebServer(f"unix:{path}", answers).start()
    assert path.read_text() == "precious"
    path.unlink()
    for _ in range(2):
        server = WebServer(f"unix:{path}", answers)
        server.start()
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(20)
            client.connect(str(path))
            client.sendall(b"GET /s HTTP/1.1\r\n\r\n")
            assert b"/s True" in client.recv(65536)
        server.stop()


def test_an_address_that_is_taken(server: WebServer, answers: Answers) -> None:
    """Said with the key's name."""
    with pytest.raises(CertdError, match="cannot listen on"):
        WebServer(f"127.0.0.1:{server.port}", answers).start()


def test_nobody_asks_and_nothing_wakes(server: WebServer) -> None:
    """A page that nobody looks at costs no processor; whoever has begun and goes on to say nothing is sent away all the
    same.
    """
    assert talk(server.port, b"GET /a HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 200 OK")
    time.sleep(0.2)
    assert wakings("web", 1.6) == 0
    started = time.monotonic()
    assert talk(server.port, b"GET", seconds=60) == b""
    assert time.monotonic() - started >= 4.5
