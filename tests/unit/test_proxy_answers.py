"""What a proxy, or whatever stands in its place, answers is data: asking gives an outcome and never an exception."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certd.model.acm import AmazonSettings, AmazonUse
from certd.ports import Outcome, Verdict
from certd.targets.acm import AcmRemote
from certd.targets.api_target import bring_each
from certd.targets.caddy import CaddyAdmin
from certd.targets.haproxy import HaproxySocket
from certd.targets.hooks import Renewed
from certd.targets.reload_syntax import reload_mistake
from certd.targets.reloads import Nothing, Signal
from tests.lab.certificates import make_ca, make_leaf
from tests.lab.ports import free_port
from tests.lab.process import Process

CA = make_ca("Root")
LEAF = make_leaf(CA, "link.example.com")


class Answers:
    """An HTTP server that answers what it is told."""

    def __init__(self) -> None:
        self.status, self.body = 200, b""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(outer.body)))
                self.end_headers()
                self.wfile.write(outer.body)

            def log_message(self, format: str, *args: object) -> None:
                """Silent."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@pytest.fixture
def answers() -> Iterator[Answers]:
    made = Answers()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.mark.parametrize(
    "body",
    [b"[" * 1000, b'{"error":' * 1000, b"9" * 2000, b"\xff\xfe", b"[]", b"{}", b"null", b'{"error": 1}', b""],
)
def test_an_answer_of_caddys(tmp_path: Path, answers: Answers, body: bytes) -> None:
    """A thousand brackets, numbers without end, no text: Caddy refuses, in its own words if it has any."""
    (tmp_path / "Caddyfile").write_text("")
    answers.status, answers.body = 400, body
    asked = CaddyAdmin(answers.address, str(tmp_path / "Caddyfile")).ask()
    assert asked.verdict is Verdict.NO
    assert "refuses the configuration (400)" in asked.words


def test_a_refusal_of_caddys_that_says_200(tmp_path: Path, answers: Answers) -> None:
    """Caddy 2.6 writes its warnings first, and with them the status; the error behind them is a no."""
    (tmp_path / "Caddyfile").write_text("")
    warning = b'{"file":"Caddyfile","line":2,"message":"Caddyfile input is not formatted"}'
    answers.body = b"[" + b",".join([warning] * 200) + b']\n{"error":"loading new config: no such file"}\n'
    asked = CaddyAdmin(answers.address, str(tmp_path / "Caddyfile")).ask()
    assert asked.verdict is Verdict.NO
    assert asked.words == "Caddy refuses the configuration (200): loading new config: no such file"
    answers.body = b"[" + warning + b"]\n"
    assert CaddyAdmin(answers.address, str(tmp_path / "Caddyfile")).ask().verdict is Verdict.YES


@pytest.mark.lab("caddy")
def test_caddy_itself_refuses_after_a_warning(short_path: Path) -> None:
    """A certificate that is missing, in a Caddyfile that is not formatted: what runs stays, and certd hears a no."""
    folder, admin = short_path, f"unix/{short_path}/admin.sock"
    (folder / "Caddyfile").write_text(f"{{\n    admin {admin}\n}}\n")
    argv = ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    home = {name: str(folder) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    process = Process(argv, log=folder / "out.log", env=home).start()
    try:
        process.wait_until((folder / "admin.sock").exists)
        bad = f"{{\n  admin {admin}\n}}\nhttps://a.example:{free_port()} {{\n  tls /missing.pem /missing.key\n}}\n"
        (folder / "Caddyfile").write_text(bad)
        asked = CaddyAdmin(admin, str(folder / "Caddyfile")).ask()
    finally:
        process.stop()
    assert asked.verdict is Verdict.NO
    assert "/missing.pem" in asked.words


@pytest.mark.parametrize("address", ["localhost:²", "a..b:2019", f"{'a' * 70}.example:2019", "localhost:", ":", "[::1"])
def test_an_address_of_caddys_that_is_none(tmp_path: Path, address: str) -> None:
    """The configuration refuses it; asked all the same, it is a no."""
    (tmp_path / "Caddyfile").write_text("")
    assert "is no way to reload" in reload_mistake(f"caddy:{address}:/etc/caddy/Caddyfile")
    caddy = CaddyAdmin(address, str(tmp_path / "Caddyfile"))
    assert caddy.ask().verdict is Verdict.NO
    assert not caddy.may()


@pytest.mark.parametrize(
    ("reload", "right"),
    [
        ("caddy:localhost:²:/x", "caddy:localhost:2019:/etc/caddy/Caddyfile"),
        ("caddy:localhost:65536:/x", "caddy:localhost:2019:/etc/caddy/Caddyfile"),
        ("caddy:2019:/x", "caddy:localhost:2019:/etc/caddy/Caddyfile"),
        ("http:POST:http://[", "http:POST:http://127.0.0.1:8080/reload"),
        ("http:POST:http://a.example:70000/x", "http:POST:http://127.0.0.1:8080/reload"),
        ("http:POST:http://a..example/x", "http:POST:http://127.0.0.1:8080/reload"),
        ("http:PÖST:http://a.example/", "http:POST:URL"),
    ],
)
def test_a_reload_that_would_raise_is_refused(reload: str, right: str) -> None:
    """With what would be right."""
    words = reload_mistake(reload)
    assert "is no way to reload" in words
    assert right in words


@pytest.mark.parametrize(
    "reload", ["caddy:[::1]:2019:/x", "caddy:unix//run/caddy.sock:/x", "http:GET:http://[::1]:80/"]
)
def test_a_reload_that_is_right(reload: str) -> None:
    """Addresses of version 6 and Unix sockets."""
    assert reload_mistake(reload) == ""


@pytest.mark.parametrize("text", ["²", "9" * 30, "-1", "0", "", "x", "99999999999"])
def test_a_pid_file_is_data(tmp_path: Path, text: str) -> None:
    """Whatever is in it."""
    path = tmp_path / "pid"
    path.write_text(text)
    by_file = Signal(signal.SIGHUP, str(path))
    assert by_file.ask().verdict is Verdict.NO
    assert not by_file.may()


HAPROXYS = st.sampled_from(
    ["Pid: 1", "*", "# x", "/p", "/p\n*/p", f"SHA1 FingerPrint: {'A' * 40}", "certificate /p!", "Success!"]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(st.text(max_size=60) | HAPROXYS, max_size=8))
def test_answers_of_haproxys(tmp_path: Path, said: list[str]) -> None:
    """Any texts in any order."""
    pointer = tmp_path / "p"
    pointer.write_text("# x\n" + LEAF.pem)
    waiting = iter(said)

    class Talk(HaproxySocket):
        def _say(self, command: str) -> str:
            return next(waiting, "")

    asked = Talk("/run/x.sock", lambda: {"/p": pointer}, Nothing()).ask()
    assert isinstance(asked, Outcome)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "CertificateArn",
                    "Certificate",
                    "Tags",
                    "Key",
                    "Value",
                    "CertificateSummaryList",
                    "NextToken",
                    "DomainName",
                    "Serial",
                    "SubjectAlternativeNames",
                    "Type",
                    "KeyAlgorithm",
                    "__type",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies=st.lists(JSON, min_size=1, max_size=6), status=st.sampled_from([200, 400, 500]))
def test_answers_of_acm(tmp_path: Path, bodies: list[Any], status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any JSON in the place of Amazon's."""
    for name, text in {"cert": LEAF.pem, "chain": "", "privkey": LEAF.key.reveal()}.items():
        (tmp_path / f"{name}.pem").write_text(text)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    waiting = iter(bodies)

    def send(method: str, url: str, **more: object) -> object:
        body: Mapping[str, Any] = next(waiting, {})
        return SimpleNamespace(status=status, headers={}, body=json.dumps(body).encode(), links={})

    memory: Any = SimpleNamespace(name=lambda role: "", keep=lambda role, name: None)
    egress: Any = SimpleNamespace(send=send)
    deadline = timedelta(seconds=5)
    acm = AcmRemote("cloud", AmazonSettings(region="eu-central-1", use=AmazonUse.REGIONAL), egress, deadline)
    renewed = Renewed(
        link="link.example.com", generation="1", domains=("link.example.com",), folder=tmp_path, lineage=tmp_path
    )
    assert isinstance(bring_each(lambda: acm, (renewed,), lambda link: memory, deadline), Outcome)
    assert isinstance(acm.hindrance(), str)
