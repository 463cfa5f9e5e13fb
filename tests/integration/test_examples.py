"""The examples for web applications: certd publishes, they forward every octet, and take each new certificate."""

from __future__ import annotations

import hashlib
import os
import ssl
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.test_proxy_config import DOMAIN, NASTY, asked, context_of
from tests.lab.certd import ROOT, certd
from tests.lab.certificates import make_ca, make_leaf
from tests.lab.esp import LANDING, Esp
from tests.lab.ports import free_port
from tests.lab.process import Process

Wait = Callable[..., None]
EXAMPLES = ROOT / "config" / "examples"
PROGRAMS = {
    "python": [sys.executable, str(EXAMPLES / "link_proxy.py")],
    "node": ["node", str(EXAMPLES / "link-proxy.mjs")],
}

CONFIG = """
[certd]
state = "{folder}/state"
issue = false
listen = ""

[issuer.own]
directory = "https://ca.example.test/directory"
roots = "{folder}/roots.pem"

[proxy.app]
kind = "files"
paths = {{ combined = "{folder}/link.pem" }}
reload = "none"
endpoints = ["127.0.0.1:{tls}"]

[[link]]
domain = "{domain}"
issuer = "own"
proxy = "app"
"""


@pytest.fixture
def service(short_path: Path) -> Iterator[Esp]:
    ca = make_ca("Service Root")
    (short_path / "service.pem").write_text(ca.pem)
    with Esp(DOMAIN, context=context_of(ca, short_path, "localhost")) as made:
        yield made


@pytest.mark.parametrize("name", [pytest.param("python"), pytest.param("node", marks=pytest.mark.lab("node"))])
def test_it_forwards_and_takes_new_certificates(name: str, service: Esp, short_path: Path, eventually: Wait) -> None:
    """From the placeholder to an adopted certificate without a restart; the service's name is verified."""
    plain, tls = free_port(), free_port()
    ca = make_ca("Own Root")
    (short_path / "roots.pem").write_text(ca.pem)
    config = short_path / "certd.toml"
    config.write_text(CONFIG.format(folder=short_path, tls=tls, domain=DOMAIN))
    certd(config, "publish")
    environment = {
        "UPSTREAM": service.url,
        "CERTIFICATE": str(short_path / "link.pem"),
        "HTTP_PORT": str(plain),
        "HTTPS_PORT": str(tls),
        "SSL_CERT_FILE": str(short_path / "service.pem"),
        "NODE_EXTRA_CA_CERTS": str(short_path / "service.pem"),
    }
    process = Process(PROGRAMS[name], log=short_path / "app.log", env=environment).start()
    try:
        process.wait_for_port(tls)
        process.wait_for_port(plain)
        for by_tls in (True, False):
            for path in NASTY:
                answer = asked(tls if by_tls else plain, path, by_tls=by_tls)
                assert answer.startswith(b"HTTP/1.1 302"), (path, answer[:300], process.output())
                assert (service.seen[-1].path, service.seen[-1].host) == (path, DOMAIN)
                assert f"{LANDING}?from={path}".encode() in answer
            assert asked(tls if by_tls else plain, "/o", method="HEAD", by_tls=by_tls).startswith(b"HTTP/1.1 302")
            body = "List-Unsubscribe=One-Click"
            asked(tls if by_tls else plain, "/u", method="POST", body=body, by_tls=by_tls)
            assert (service.seen[-1].method, service.seen[-1].body) == ("POST", body.encode())
        assert set(service.asked_for) == {"localhost"}

        leaf = make_leaf(ca, DOMAIN)
        (short_path / "new.pem").write_text(leaf.pem + ca.pem)
        (short_path / "new.key").write_text(leaf.key.reveal())
        certd(config, "import", "files", DOMAIN, str(short_path / "new.pem"), str(short_path / "new.key"))
        certd(config, "once", code=None)
        wanted = hashlib.sha256(ssl.PEM_cert_to_DER_cert(leaf.pem)).hexdigest()

        def shows_it() -> bool:
            shown = ssl.get_server_certificate(("127.0.0.1", tls))
            return hashlib.sha256(ssl.PEM_cert_to_DER_cert(shown)).hexdigest() == wanted

        eventually(shows_it, 30)
    finally:
        process.stop()
    assert "Traceback" not in process.output(), process.output()
    assert os.path.exists(short_path / "link.pem")
