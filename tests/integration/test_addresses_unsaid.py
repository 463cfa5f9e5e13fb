"""Addresses that hold a token are never repeated, whatever becomes of the connection: words name the host alone."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dns.message
import pytest

from certd.acme.session import Session
from certd.alarms import Webhook
from certd.alarms.apprise import Service
from certd.config.choices import known_choices
from certd.config.loader import load
from certd.config.settings import AlarmSettings, ProxySettings
from certd.daemon.alarm_job import AlarmJob
from certd.dns.exchange import Deadline
from certd.dns.providers.api import exchange, parsed_object
from certd.dns.resolvers import Resolvers, doh_at
from certd.errors import AlarmFailed, CertdError
from certd.model import Alarm, Level, Notice, Secret
from certd.model.address import Address, without_address
from certd.system.egress import Egress, Response
from certd.system.network import Network
from certd.targets.reloads import Http
from tests.lab.ports import free_port

# In every part of an address that may hold one.
CANARIES = ("CANARYUSER", "CANARYPASS", "CANARYPATH", "CANARYQUERY")
PLACE = "CANARYUSER:CANARYPASS@{host}/services/CANARYPATH%2B/hook?key=CANARYQUERY"


@dataclass
class Server:
    """Reads a request's first bytes and answers them, or does not."""

    answer: Callable[[bytes], bytes]
    port: int = 0
    sockets: list[socket.socket] = field(default_factory=list)

    def __enter__(self) -> Server:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.sockets.append(connection)
                said = self.answer(connection.recv(65536))
                if said:
                    connection.sendall(said)
                    connection.close()

    def __exit__(self, *_: object) -> None:
        self.listener.close()
        for connection in self.sockets:
            connection.close()


def echo(status: str) -> Callable[[bytes], bytes]:
    """A page that repeats the request, as error pages do, and a reason and a Location that do."""

    def said(request: bytes) -> bytes:
        line = request.partition(b"\r\n")[0]
        head = b"HTTP/1.1 " + status.encode() + b" " + line + b"\r\nLocation: http://h" + line.split(b" ")[1] + b"\r\n"
        return head + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(request) + request

    return said


def silent(request: bytes) -> bytes:
    return b""


# What answers, and the scheme and host that leads there.
FAILURES: dict[str, tuple[Callable[[bytes], bytes] | None, str, str]] = {
    "refused": (None, "http", "127.0.0.1:{free}"),
    "unreachable": (None, "http", "240.0.0.1:81"),
    "name unknown": (None, "http", "nowhere.invalid"),
    "no name at all": (None, "http", "a..b"),
    "a port that is none": (None, "http", "127.0.0.1:99999"),
    "TLS refused": (silent, "https", "127.0.0.1:{port}"),
    "no TLS": (lambda request: b"HTTP/1.1 400 Bad Request\r\n\r\n", "https", "127.0.0.1:{port}"),
    "404 that echoes": (echo("404"), "http", "127.0.0.1:{port}"),
    "500 that echoes": (echo("500"), "http", "127.0.0.1:{port}"),
    "a redirect that echoes": (echo("302"), "http", "127.0.0.1:{port}"),
    "200 that echoes": (echo("200"), "http", "127.0.0.1:{port}"),
    "no HTTP, and echoes": (lambda request: request, "http", "127.0.0.1:{port}"),
    "a length that echoes": (
        lambda request: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + request + b"\r\n",
        "http",
        "127.0.0.1:{port}",
    ),
    "silent": (silent, "http", "127.0.0.1:{port}"),
}


class Hasty(Egress):
    """With little patience."""

    def send(self, method: str, url: str, **words: Any) -> Response:
        return super().send(method, url, **{**words, "deadline": 0.7})


def hasty() -> Egress:
    return Hasty(Network(), user_agent="lab")


def raised(call: Callable[[], object]) -> str:
    """What an operator reads of it."""
    try:
        return str(call())
    except CertdError as error:
        return f"{error} ({error.hint})"


def notice() -> Notice:
    """Something to tell."""
    alarm = Alarm(cause="c", subject="s", level=Level.NOTE, words="w")
    return Notice(alarm=alarm, since=datetime.now(UTC))


def by_webhook(url: str) -> str:
    return raised(lambda: Webhook(lambda: Secret(url), hasty, "lab").tell(notice()))


def by_apprise(url: str) -> str:
    pytest.importorskip("apprise")
    service = url.replace("https://", "jsons://").replace("http://", "json://")
    return raised(lambda: Service(lambda: Secret(service), "lab", "apprise[0]").tell(notice()))


def by_ping(url: str) -> str:
    said: list[str] = []
    journal: Any = SimpleNamespace(warn=lambda what, **words: said.append(f"{what} {words}"))
    app: Any = SimpleNamespace(
        settings=SimpleNamespace(alarms=AlarmSettings(ping=Address(url))),
        egress=hasty(),
        secret_or_text=lambda text: text,
    )
    pinging: Any = SimpleNamespace(_journal=journal)
    AlarmJob._ping(pinging, app)
    return " ".join(said)


def by_reload(url: str) -> str:
    reload = Http("POST", Address(url), hasty)
    return f"{reload.ask()} {reload}"


def by_doh(url: str) -> str:
    query = dns.message.make_query("example.com", "A")
    return str(Resolvers((), doh=doh_at(url)).ask_doh(query, Deadline(0.7)).trouble)


def by_ca(url: str) -> str:
    session = Session("ca", url, hasty())
    return raised(session.directory)


def by_vendor(url: str) -> str:
    return raised(lambda: parsed_object(exchange(hasty(), "GET", url, who="dns.x"), "dns.x", url))


CALLERS = {
    "alarms.webhook": by_webhook,
    "alarms.apprise": by_apprise,
    "alarms.ping": by_ping,
    "proxy.reload": by_reload,
    "network.doh": by_doh,
    "issuer.directory": by_ca,
    "dns.api": by_vendor,
}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in this machine's environment answers for nobody."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.fixture(params=FAILURES)
def place(request: pytest.FixtureRequest) -> Iterator[str]:
    answer, scheme, host = FAILURES[request.param]
    with Server(answer or silent) as server:
        yield f"{scheme}://" + PLACE.format(host=host.format(port=server.port, free=free_port()))


@pytest.mark.parametrize("caller", CALLERS)
def test_no_word_of_a_failure_holds_the_address(caller: str, place: str, caplog: pytest.LogCaptureFixture) -> None:
    """Neither what is said to the operator nor what a library logs."""
    caplog.set_level(logging.INFO)
    said = CALLERS[caller](place) + caplog.text
    assert [canary for canary in CANARIES if canary in said] == [], said


def test_the_host_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """An operator with three webhooks must know which one."""
    port = free_port()
    url = "http://" + PLACE.format(host=f"127.0.0.1:{port}")
    for call in (by_webhook, by_ping, by_reload):
        assert f"127.0.0.1:{port}: it refuses connections" in call(url)


CONFIG = """
[certd]
state = "{folder}"
issue = false
listen = ""

[network]
doh = "https://doh.example/CANARYPATH"

[alarms]
webhook = "https://CANARYUSER:CANARYPASS@hooks.example/CANARYPATH?x=CANARYQUERY"
ping = "https://hc.example/CANARYPATH"
apprise = ["tgram://CANARYPATH/1"]

[proxy.nginx]
reload = "http:POST:https://CANARYUSER:CANARYPASS@proxy.example/CANARYPATH"

[[link]]
domain = "link.example.com"
proxy = "nginx"
esp = "sendgrid"
"""


def test_what_the_configuration_holds_shows_no_address(tmp_path: Path) -> None:
    """A traceback, a debugger, a log of the settings: none shows what may hold a token."""
    path = tmp_path / "certd.toml"
    path.write_text(CONFIG.format(folder=tmp_path))
    settings = load(path, known_choices())
    assert settings.alarms.webhook.host == "hooks.example"
    assert isinstance(settings.proxies["nginx"], ProxySettings)
    said = f"{settings!r} {settings} {replace(settings, node='x')}"
    assert [canary for canary in CANARIES if canary in said] == []


def test_a_mistake_in_a_reload_does_not_repeat_its_address(tmp_path: Path) -> None:
    """The daemon logs the mistakes of a file that it reads again."""
    path = tmp_path / "certd.toml"
    path.write_text(CONFIG.format(folder=tmp_path).replace("http:POST:", "http:post:"))
    with pytest.raises(CertdError) as wrong:
        load(path, known_choices())
    assert "CANARY" not in str(wrong.value)


@pytest.mark.parametrize(
    ("words", "url", "left"),
    [
        ("no /a/TOKENTOKEN here", "https://h/a/TOKENTOKEN", "no *** here"),
        ("TOKEN+TOKEN", "https://h/TOKEN%2BTOKEN", "***"),
        ("cut off: TOKENTOK", "https://h/TOKENTOKEN", "cut off: TOKENTOK"),
        ("the api says hooks", "https://h/api/hooks", "the api says hooks"),
        ("anything", "https://[h/TOKENTOKEN", "***"),
    ],
)
def test_what_is_hidden_of_a_strangers_words(words: str, url: str, left: str) -> None:
    """The parts that may be tokens, as they are and unescaped."""
    assert without_address(words, url) == left


def test_alert_failures_are_not_silent() -> None:
    """A webhook that does not answer raises, with the host."""
    with pytest.raises(AlarmFailed, match=r"alarms\.webhook: 127\.0\.0\.1:"):
        Webhook(lambda: Secret(f"http://127.0.0.1:{free_port()}/x"), hasty, "lab").tell(notice())
