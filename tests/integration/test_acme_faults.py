"""A CA that is away, refuses, answers HTML, stalls, drips or sends two megabytes: one clear error, in time."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from certd.acme.issuer import AcmeIssuer
from certd.errors import AcmeProblem, AcmeUnreachable, EgressFailed
from certd.system.egress import Egress
from certd.system.network import Network
from tests.lab.acme_client import authority
from tests.lab.clicker import click
from tests.lab.pebble import Pebble
from tests.lab.ports import free_port
from tests.lab.rude import Answer, HttpProxy, Rude, http, problem
from tests.lab.scene import DOMAIN, Scene
from tests.lab.txt_server import TxtServer

HTML = http("200 OK", b"<html>maintenance</html>", Content_Type="text/html")


def ca(rude: Rude) -> AcmeIssuer:
    """The real adapter towards a rude server."""
    return authority(f"{rude.url}/dir")


def ordered(answer: Answer) -> Exception:
    """What newOrder raises when it is answered so."""
    with Rude({"/order": answer}) as rude, pytest.raises((AcmeProblem, AcmeUnreachable)) as raised:
        ca(rude).new_order([DOMAIN])
    return raised.value


DIRECTORIES: dict[str, tuple[Answer, str]] = {
    "HTML instead of a directory": (lambda method, path: HTML, "with text/html instead of JSON"),
    "a list": (lambda method, path: http("200 OK", b"[]"), "JSON that is no object"),
    "an object that is no directory": (lambda method, path: http("200 OK", b"{}"), "is no ACME directory"),
    "two megabytes": (lambda method, path: http("200 OK", b"x" * 2_000_000), "longer than 256 KiB"),
    "a redirect": (lambda method, path: http("302 Found", Location="https://evil.example/"), "redirects to"),
    "a load balancer's 503": (lambda method, path: http("503 Busy", b"<html>"), "answers 503"),
    "half an answer": (
        lambda method, path: b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 99\r\n\r\nhalf",
        "connection",
    ),
    "no HTTP at all": (lambda method, path: b"SSH-2.0-OpenSSH\r\n", "connection"),
}


@pytest.mark.parametrize("name", DIRECTORIES)
def test_a_directory_that_is_none(name: str) -> None:
    """The lane's fact is one sentence that names the issuer, the host and what is wrong."""
    answer, words = DIRECTORIES[name]
    with Rude({"/dir": answer}) as rude, pytest.raises(AcmeUnreachable) as raised:
        ca(rude).new_order([DOMAIN])
    assert words in str(raised.value)
    assert "pebble" in str(raised.value)
    assert f"127.0.0.1:{rude.port}" in str(raised.value)


def test_nothing_listens() -> None:
    """Refused at once."""
    with pytest.raises(AcmeUnreachable, match="refuses connections"):
        authority(f"http://127.0.0.1:{free_port()}/dir").new_order([DOMAIN])


@pytest.mark.parametrize("server", [Rude(stall=True), Rude(drip=0.2)], ids=["stalls", "drips"])
def test_a_total_deadline(server: Rude) -> None:
    """A server that accepts and says nothing, or a byte now and then, is given up at the deadline of the whole call."""
    egress = Egress(Network(), user_agent="certd/test")
    started = time.monotonic()
    with server, pytest.raises(EgressFailed, match="no complete answer within 1 s"):
        egress.send("GET", f"{server.url}/dir", deadline=1.0)
    assert time.monotonic() - started < 30


def test_connections_are_reused() -> None:
    """Ten requests, one connection."""
    egress = Egress(Network(), user_agent="certd/test")
    with Rude() as rude:
        for _ in range(10):
            egress.send("GET", f"{rude.url}/dir")
        assert rude.connections == 1


def test_rate_limited_with_seconds() -> None:
    """Retry-After on an error is kept, whichever type the error has."""
    error = ordered(lambda method, path: problem("429 Too Many", "rateLimited", "too many", Retry_After="3600"))
    assert isinstance(error, AcmeProblem)
    assert (error.type, error.status, error.retry_after) == ("rateLimited", 429, timedelta(hours=1))


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_retry_after_as_a_date(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An HTTP-date is compared with the server's own Date, whatever this host's time zone is."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    now = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    later = format_datetime(now + timedelta(seconds=90), usegmt=True)
    error = ordered(
        lambda method, path: problem(
            "429 Too Many", "rateLimited", "x", Retry_After=later, Date=format_datetime(now, usegmt=True)
        )
    )
    monkeypatch.undo()
    time.tzset()
    assert isinstance(error, AcmeProblem)
    assert error.retry_after == timedelta(seconds=90)


def test_409_keeps_its_problem() -> None:
    """alreadyReplaced comes as 409 (RFC 9773 section 7.4): without ``replaces`` it is a problem like any other."""
    error = ordered(lambda method, path: problem("409 Conflict", "alreadyReplaced", "it was replaced"))
    assert isinstance(error, AcmeProblem)
    assert (error.type, error.detail) == ("alreadyReplaced", "it was replaced")


REFUSALS_OF_REPLACES: dict[str, tuple[bytes, int]] = {
    "replaced before": (problem("409 Conflict", "alreadyReplaced", "no"), 2),
    "not ours": (problem("403 Forbidden", "unauthorized", "no"), 2),
    "Pebble and a serial that begins with a zero": (
        problem("500 Oops", "serverInternal", "could not find an order"),
        2,
    ),
    "too many": (problem("429 Too Many", "rateLimited", "slowly"), 1),
    "busy": (problem("503 Busy", "serverInternal", "later"), 1),
}


@pytest.mark.parametrize("name", REFUSALS_OF_REPLACES)
def test_refused_replaces_is_left_out_once(name: str) -> None:
    """The order is asked for once more without ``replaces``, and no more often; not where that cannot be the reason."""
    answer, orders = REFUSALS_OF_REPLACES[name]
    with Rude({"/order": lambda method, path: answer}) as rude:
        with pytest.raises((AcmeProblem, AcmeUnreachable)):
            ca(rude).new_order([DOMAIN], replaces="aki.serial")
        assert rude.seen.count(("POST", "/order")) == orders


def test_bad_nonces_for_ever_end() -> None:
    """A server that refuses every nonce is asked twenty times, with the nonce of its last refusal each time."""
    with Rude({"/order": lambda method, path: problem("400 Bad", "badNonce", "no")}) as rude:
        with pytest.raises(AcmeProblem, match="badNonce"):
            ca(rude).new_order([DOMAIN])
        assert rude.seen.count(("POST", "/order")) == 20
        assert rude.seen.count(("HEAD", "/nonce")) == 1


STRANGE: dict[str, bytes] = {
    "HTML": HTML,
    "an order without a status": http("201 Created", b"{}", Location="http://127.0.0.1/o"),
    "a status that does not exist": http(
        "201 Created", b'{"status": "happy", "authorizations": []}', Location="http://x/"
    ),
    "an order without its URL": http("201 Created", b'{"status": "pending", "authorizations": []}'),
    "an unknown problem": http("400 Bad", b'{"type": "about:blank"}', Content_Type="application/problem+json"),
    "deeply nested JSON": http("201 Created", b"[" * 100_000, Location="http://x/"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_strange_orders(name: str) -> None:
    """Whatever comes, it is one of our errors."""
    assert str(ordered(lambda method, path: STRANGE[name]))


@pytest.mark.lab("pebble")
def test_through_a_proxy(tmp_path_factory: pytest.TempPathFactory) -> None:
    """``network.https_proxy`` is used for every request, ``network.no_proxy`` is not."""
    names = TxtServer()
    with Pebble(tmp_path_factory.mktemp("p"), dns=f"127.0.0.1:{names.port}") as made, HttpProxy() as proxy:
        through = Network(https_proxy=f"http://127.0.0.1:{proxy.port}")
        authority(made.directory, ca_file=str(made.ca_file), network=through).new_order([DOMAIN])
        assert set(proxy.tunnels) == {f"localhost:{made.port}"}
        count = len(proxy.tunnels)
        past = Network(https_proxy=f"http://127.0.0.1:{proxy.port}", no_proxy="localhost")
        authority(made.directory, ca_file=str(made.ca_file), network=past).new_order([DOMAIN])
        assert len(proxy.tunnels) == count
    names.close()


@pytest.mark.lab("pebble")
def test_a_server_that_is_not_trusted(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A private CA's server without ``ca_file`` is refused, with the way out."""
    with Pebble(tmp_path_factory.mktemp("p"), dns="127.0.0.1:9") as made:
        with pytest.raises(AcmeUnreachable, match="not trusted") as raised:
            authority(made.directory).new_order([DOMAIN])
        assert "ca_file" in raised.value.hint
        own = Network(ca_bundle=str(made.ca_file))
        authority(made.directory, network=own).new_order([DOMAIN])


@pytest.mark.lab("pebble", "nginx")
def test_a_ca_that_is_away_leaves_what_is_served(scene: Scene, eventually: Callable[..., None]) -> None:
    """The CA gone: one sentence in ``status``, clients go on being served; when it is back a renewal goes through."""
    scene.nginx.start()
    scene.start_certd()
    eventually(lambda: "served  link=" in scene.certd_log())
    before = click(scene.tls, DOMAIN, scene.roots).fingerprint
    roots = scene.roots
    scene.pebble.stop()
    done = scene.tried("renew", DOMAIN, "--force", "--wait", "60s")
    assert done.returncode == 1
    assert "it refuses connections" in done.stderr
    status = scene.tried("status")
    assert status.returncode == 3
    assert "away: issuer:pebble" in status.stdout
    assert click(scene.tls, DOMAIN, roots).fingerprint == before
    scene.pebble.start()
    roots = roots + scene.roots
    scene.pebble.roots.write_text(roots)
    scene.run("reload")
    eventually(lambda: click(scene.tls, DOMAIN, roots).fingerprint not in {"", before})
    eventually(lambda: "away" not in scene.tried("status").stdout)


@pytest.mark.lab("pebble", "nginx")
def test_a_name_server_that_is_silent(scene: Scene) -> None:
    """No resolver answers: one sentence, exit code 1, nothing asked of the CA's validation."""
    text = scene.config.read_text().replace(f'resolvers = ["127.0.0.1:{scene.dns}"]', 'resolvers = ["127.0.0.1:9"]')
    scene.config.write_text(text)
    scene.nginx.start()
    done = scene.tried("once", "--wait", "90s")
    assert done.returncode == 1
    assert "no resolver answers" in done.stderr
    assert "chalZ" not in scene.pebble.log()


RUDE_CAS: dict[str, tuple[dict[str, Answer], str]] = {
    "HTML": ({"/dir": lambda method, path: HTML}, "text/html instead of JSON"),
    "two megabytes": ({"/dir": lambda method, path: http("200 OK", b"x" * 2_000_000)}, "longer than 256 KiB"),
    "refuses": (
        {"/order": lambda method, path: problem("403 Forbidden", "rejectedIdentifier", "we do not like this name")},
        "we do not like this name",
    ),
}


@pytest.mark.lab("pebble", "nginx")
def test_a_rude_ca_leaves_what_is_served(scene: Scene, eventually: Callable[..., None]) -> None:
    """One clear sentence in the log, in ``renew`` and in ``status``; the certificate that clients get is untouched."""
    scene.nginx.start()
    scene.start_certd()
    eventually(lambda: "served  link=" in scene.certd_log())
    before = click(scene.tls, DOMAIN, scene.roots).fingerprint
    good = scene.config.read_text()
    for answers, words in RUDE_CAS.values():
        with Rude(answers) as rude:
            scene.config.write_text(good.replace(scene.pebble.directory, f"{rude.url}/dir"))
            scene.run("reload")
            done = scene.tried("renew", DOMAIN, "--force", "--wait", "60s")
            assert done.returncode == 1, done.stdout + done.stderr
            assert words in done.stderr
            status = scene.tried("status")
            assert status.returncode == 3
            assert words in status.stdout
            assert words in scene.certd_log()
            assert click(scene.tls, DOMAIN, scene.roots).fingerprint == before
