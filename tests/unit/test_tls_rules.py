"""A private CA without key identifiers serves certd on every Python: for an ACME server, a webhook, a mail server."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import urllib3.connection
import urllib3.util.ssl_
from cryptography import x509

from certd.alarms import mail
from certd.errors import EgressFailed
from certd.system.egress import Egress
from certd.system.network import Network
from tests.lab.certificates import Issuer, make_ca, make_leaf

STRICT = ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def authority() -> Issuer:
    """As many make one by hand: no key identifier, no key usage."""
    made = make_ca("A private CA")
    extensions = {type(each.value) for each in made.certificate.extensions}
    assert extensions == {x509.BasicConstraints}
    return made


@pytest.fixture
def url(authority: Issuer, tmp_path: Path) -> Iterator[str]:
    """An HTTPS server of that CA's."""
    leaf = make_leaf(authority, "localhost")
    (tmp_path / "leaf.pem").write_text(leaf.pem + leaf.key.reveal())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "leaf.pem")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"https://localhost:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=["this Python", "Python 3.13"])
def python(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The default contexts as they are here, and as they are since 3.13."""
    if request.param == "Python 3.13":

        def strict(make: object) -> object:
            def made(*args: object, **kwargs: object) -> ssl.SSLContext:
                context: ssl.SSLContext = make(*args, **kwargs)  # type: ignore[operator]
                context.verify_flags |= STRICT
                return context

            return made

        original = urllib3.util.ssl_.create_urllib3_context
        monkeypatch.setattr(urllib3.util.ssl_, "create_urllib3_context", strict(original))
        monkeypatch.setattr(urllib3.connection, "create_urllib3_context", strict(original))
        monkeypatch.setattr(ssl, "create_default_context", strict(ssl.create_default_context))
    return str(request.param)


def test_http(python: str, authority: Issuer, url: str, tmp_path: Path) -> None:
    """By ``ca_file`` and by ``network.ca_bundle``; without either the server is refused."""
    roots = tmp_path / "ca.pem"
    roots.write_text(authority.pem)
    network = Network(https_proxy="", no_proxy="", ca_bundle="")
    assert Egress(network, user_agent="certd", ca_file=str(roots)).send("GET", url).status == 200
    by_bundle = Network(https_proxy="", no_proxy="", ca_bundle=str(roots))
    assert Egress(by_bundle, user_agent="certd").send("GET", url).status == 200
    with pytest.raises(EgressFailed, match="not trusted"):
        Egress(network, user_agent="certd").send("GET", url)
    strange = tmp_path / "other.pem"
    strange.write_text(make_ca("Another CA").pem)
    with pytest.raises(EgressFailed, match="not trusted"):
        Egress(network, user_agent="certd", ca_file=str(strange)).send("GET", url)
    with pytest.raises(EgressFailed, match="not trusted"):
        Egress(network, user_agent="certd", ca_file=str(roots)).send("GET", url.replace("localhost", "127.0.0.1"))


def test_mail(python: str, authority: Issuer, url: str) -> None:
    """The mail server's context verifies by the same rules."""
    context = mail.client_context()
    context.load_verify_locations(cadata=authority.pem)
    port = int(url.rpartition(":")[2].strip("/"))
    with (
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        assert tls.version()
    with (
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        context.wrap_socket(plain, server_hostname="other.example")
