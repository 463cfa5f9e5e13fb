"""One click by hand: what real servers and rude ones do to it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from certd.clicks.probe import MOST_BODY, Clicker
from certd.probes.tls_context import Anchors
from tests.lab.certificates import make_ca, make_leaf
from tests.lab.esp import LANDING, Esp
from tests.lab.ports import free_port
from tests.lab.tls_server import TlsServer

DOMAIN = "link.example.test"
ROOT = make_ca("Root")


def anchors(issuer: str) -> Anchors:
    return Anchors(pem=ROOT.pem)


@contextmanager
def server(script: bytes, *, drip: float = 0.0) -> Iterator[tuple[str, int]]:
    """Reads a request, says its piece, at once or octet by octet."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                try:
                    for octet in [script[i : i + 1] for i in range(len(script))] if drip else [script]:
                        connection.sendall(octet)
                        time.sleep(drip)
                except OSError:
                    pass

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()


def test_path_and_host_are_sent_as_they_are() -> None:
    """Nothing is escaped, nothing is normalised, no redirect is followed."""
    with Esp(DOMAIN) as esp:
        answer = Clicker(anchors).ask(("127.0.0.1", esp.port), host=DOMAIN, path="//a%2F/../b?x=%41+~~", tls=False)
        assert (answer.status, answer.trouble) == (302, "")
        assert answer.headers["location"] == f"{LANDING}?from=//a%2F/../b?x=%41+~~"
        assert (esp.seen[-1].path, esp.seen[-1].host) == ("//a%2F/../b?x=%41+~~", DOMAIN)
        assert (
            Clicker(anchors).ask(("127.0.0.1", esp.port), host=DOMAIN, path="/", method="POST", tls=False).status == 302
        )
        assert esp.seen[-1].method == "POST"


def test_certificates_are_judged_where_an_issuer_is_named() -> None:
    """Of the name that is asked for by SNI, not of the Host."""
    with TlsServer((make_leaf(ROOT, "service.example.test"), [])) as tls:
        place = ("127.0.0.1", tls.port)
        clicker = Clicker(anchors)
        assert clicker.ask(place, host=DOMAIN, path="/", name="service.example.test", issuer="x").status == 200
        assert "not trusted" in clicker.ask(place, host=DOMAIN, path="/", issuer="x").trouble
        assert clicker.ask(place, host=DOMAIN, path="/").status == 200


def test_rude_servers() -> None:
    """Each ends in a sentence, within the deadline: refused, no HTTP, an octet at a time, silence, endless bodies."""
    clicker = Clicker(anchors, deadline=1.5)
    assert clicker.ask(("127.0.0.1", free_port()), host=DOMAIN, path="/").trouble == "it refuses connections"
    with server(b"SSH-2.0-OpenSSH\r\n") as place:
        assert "no complete answer" in clicker.ask(place, host=DOMAIN, path="/", tls=False).trouble
    with server(b"HTTP/1.1 200 OK\r\n" + b"X-Slow: 1\r\n" * 100, drip=0.2) as place:
        started = time.monotonic()
        answer = clicker.ask(place, host=DOMAIN, path="/", tls=False)
        assert answer.trouble == "no complete answer within 1.5 s"
        assert time.monotonic() - started < 10
    with server(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n" + b"x" * 100_000) as place:
        answer = clicker.ask(place, host=DOMAIN, path="/", tls=False)
        assert (answer.status, len(answer.body)) == (200, MOST_BODY)
    with server(b"plain words") as place:
        assert clicker.ask(place, host=DOMAIN, path="/").trouble.startswith("TLS fails")


def test_through_an_http_proxy() -> None:
    """``network.https_proxy``: by CONNECT; what it does not let through is said."""
    asked: list[bytes] = []
    with Esp(DOMAIN) as esp, socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for allowed in (True, False):
                client, _ = listening.accept()
                asked.append(client.recv(4096))
                if not allowed:
                    client.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")
                    client.close()
                    continue
                with client, socket.create_connection(("127.0.0.1", esp.port)) as there:
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    there.sendall(client.recv(65536))
                    while chunk := there.recv(65536):
                        client.sendall(chunk)

        threading.Thread(target=serve, daemon=True).start()
        host, port = listening.getsockname()
        clicker = Clicker(anchors, via=lambda address: f"http://{host}:{port}")
        assert clicker.ask(("192.0.2.80", 80), host=DOMAIN, path="/x", tls=False).status == 302
        assert asked[0].startswith(b"CONNECT 192.0.2.80:80 HTTP/1.1\r\n")
        refused = clicker.ask(("192.0.2.80", 80), host=DOMAIN, path="/x", tls=False)
        assert "the HTTP proxy does not let it through" in refused.trouble
