"""What every provider does where it cannot publish: a zone that is not its own, a server that is silent, a credential
that was rotated, an apex and its wildcard at once.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from certd.dns.dynamic_update import Rfc2136
from certd.dns.names import validation_name
from certd.dns.providers.acme_dns import AcmeDns
from certd.dns.providers.cloudflare import Cloudflare
from certd.dns.providers.lexicon import Lexicon
from certd.dns.providers.program import Exec
from certd.dns.providers.route53 import REGION, Route53
from certd.dns.responder.provider import Responder
from certd.dns.responder.snapshot import ServedZone
from certd.errors import DnsError, DnsRefused, DnsUnreachable, NoZone
from certd.model import Secret, TxtRecord
from certd.ports import DnsProvider
from certd.system.amazon import Signer
from certd.system.egress import Egress
from certd.system.network import Network
from tests.lab.bind import Bind
from tests.lab.ports import free_port
from tests.lab.vendors import FakeAcmeDns, FakeCloudflare, FakePowerDns, FakeRoute53

ZONE = "example.test"
NAME = "_acme-challenge.link.example.test"
ELSEWHERE = "_acme-challenge.link.elsewhere.org"
SECONDS = 2.0


class Hasty(Egress):
    """The way out, with a deadline that a test can wait for."""

    def send(self, method, url, *, body=None, headers=None, deadline=0.0, most=2**20):  # type: ignore[no-untyped-def]
        return super().send(method, url, body=body, headers=headers, deadline=SECONDS, most=most)


def sender() -> Egress:
    return Hasty(Network(), user_agent="certd tests")


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS's chain of credentials ends at the environment."""
    for key, value in {
        "AWS_ACCESS_KEY_ID": "right",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(key, value)


@pytest.fixture(scope="module")
def bind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bind]:
    """One BIND for the module."""
    with Bind(tmp_path_factory.mktemp("bind") / "one", {ZONE: "@ IN NS ns1\nns1 IN A 192.0.2.1"}) as made:
        yield made


@contextmanager
def silent() -> Iterator[int]:
    """Accepts connections and says nothing, by UDP neither."""
    with socket.create_server(("127.0.0.1", free_port())) as listener:
        yield listener.getsockname()[1]


def lexicon(url: str, token: Callable[[], str] = lambda: "right") -> Lexicon:
    options = {"pdns_server": url, "pdns_server_id": "localhost"}
    return Lexicon(
        "lx", "powerdns", options=lambda: options | {"auth_token": token()}, timeout=timedelta(seconds=SECONDS)
    )


def accounts(full: str = FakeAcmeDns.full, password: str = "right") -> Secret:
    return Secret(json.dumps({"x": {"fulldomain": full, "subdomain": "d420", "username": "u", "password": password}}))


# ------------------------------------------------------------------------------------ a silent server

SILENT: dict[str, Callable[[int], DnsProvider]] = {
    "rfc2136": lambda port: Rfc2136(
        "p",
        server=f"127.0.0.1:{port}",
        secret=lambda: Secret("k:hmac-sha256:c2VjcmV0"),
        timeout=timedelta(seconds=SECONDS),
    ),
    "cloudflare": lambda port: Cloudflare(
        "p", sender=sender, token=lambda: Secret("right"), api=f"http://127.0.0.1:{port}"
    ),
    "route53": lambda port: Route53(
        "p", sender=sender, signer=Signer("route53", REGION), api=f"http://127.0.0.1:{port}"
    ),
    "acme-dns": lambda port: AcmeDns("p", server=f"http://127.0.0.1:{port}", sender=sender, accounts=accounts),
    "exec": lambda port: Exec(
        "p",
        add=[sys.executable, "-c", f"import socket; socket.create_connection(('127.0.0.1', {port})).recv(1)"],
        remove=[],
        timeout=timedelta(seconds=SECONDS),
    ),
    "lexicon": lambda port: lexicon(f"http://127.0.0.1:{port}"),
}


@pytest.mark.parametrize("which", SILENT)
def test_a_silent_server_ends_at_the_deadline(which: str) -> None:
    """Unreachable, which is a fact about the lane, and soon: a worker must come back."""
    name = FakeAcmeDns.full if which == "acme-dns" else NAME
    with silent() as port:
        provider, began = SILENT[which](port), time.monotonic()
        with pytest.raises(DnsUnreachable):
            provider.add(TxtRecord(zone=ZONE, name=name, value="x"))
        assert time.monotonic() - began < 30


# ------------------------------------------------------------------------------------ a zone that is not its own


def test_a_zone_that_is_not_there_is_named(bind: Bind, tmp_path: Path) -> None:
    """By every provider that can know it; the name is in the sentence, and it is told from wrong credentials."""
    with FakeCloudflare() as cloudflare, FakeRoute53() as route53, FakePowerDns() as powerdns:
        providers: list[DnsProvider] = [
            Rfc2136("p", server=f"127.0.0.1:{bind.port}", secret=lambda: Secret(bind.key())),
            Rfc2136("p", server="127.0.0.1:1", secret=lambda: Secret(""), zone=ZONE),
            Responder("p", zones=[ServedZone(apex=ZONE)], listen=[]),
            Cloudflare("p", sender=sender, token=lambda: Secret("right"), api=cloudflare.url),
            Route53("p", sender=sender, signer=Signer("route53", REGION), api=route53.url),
            AcmeDns("p", server="http://127.0.0.1:1", sender=sender, accounts=accounts),
        ]
        for provider in providers:
            with pytest.raises(NoZone, match=ELSEWHERE):
                provider.zone_of(ELSEWHERE)
        # The vendor itself says so; the zone that certd found is in the sentence.
        with pytest.raises(DnsRefused, match=r"zone elsewhere\.org"):
            lexicon(powerdns.url).add(TxtRecord(zone="elsewhere.org", name=ELSEWHERE, value="x"))
    program = tmp_path / "dns"
    program.write_text('#!/bin/sh\necho "no zone for $2" >&2; exit 1\n')
    program.chmod(0o755)
    with pytest.raises(DnsRefused, match=f"no zone for {ELSEWHERE}"):
        Exec("p", add=[str(program)], remove=[]).add(TxtRecord(zone="", name=ELSEWHERE, value="x"))


# ------------------------------------------------------------------------------------ a rotated credential


@dataclass
class Rotated:
    """A credential file's text as it is at the moment."""

    text: str = "wrong"


def test_credentials_are_read_again_at_each_attempt(bind: Bind, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same provider object: refused with the old one, fine with the new one."""
    now = Rotated()
    right = "right"
    with FakeCloudflare() as cloudflare, FakeRoute53() as route53, FakePowerDns() as pdns, FakeAcmeDns() as acme_dns:
        providers: dict[str, tuple[DnsProvider, str]] = {
            "rfc2136": (
                Rfc2136(
                    "p",
                    server=f"127.0.0.1:{bind.port}",
                    secret=lambda: Secret(bind.key(secret="" if now.text == right else "d3Jvbmc=")),
                ),
                NAME,
            ),
            "cloudflare": (Cloudflare("p", sender=sender, token=lambda: Secret(now.text), api=cloudflare.url), NAME),
            "route53": (Route53("p", sender=sender, signer=Signer("route53", REGION), api=route53.url), NAME),
            "acme-dns": (
                AcmeDns("p", server=acme_dns.url, sender=sender, accounts=lambda: accounts(password=now.text)),
                FakeAcmeDns.full,
            ),
            "lexicon": (lexicon(pdns.url, lambda: now.text), NAME),
            "exec": (
                Exec(
                    "p",
                    add=["/bin/sh", "-c", 'test "$TOKEN" = right'],
                    remove=[],
                    environment=lambda: {"TOKEN": now.text},
                ),
                NAME,
            ),
        }
        for which, (provider, name) in providers.items():
            now.text = "wrong"
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", "wrong")
            with pytest.raises(DnsError):
                provider.add(TxtRecord(zone=ZONE, name=name, value="x"))
            now.text = right
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", right)
            provider.add(TxtRecord(zone=ZONE, name=name, value="x"))
            assert which


# ------------------------------------------------------------------------------------ an apex and its wildcard


def test_an_apex_and_its_wildcard_at_once(bind: Bind) -> None:
    """Two values at one name, added by two threads and removed in the other order, again and again (issue 44 of the
    catalogue: sets that overwrite each other).
    """
    name = validation_name(f"*.{ZONE}")
    assert name == validation_name(ZONE)
    provider = Rfc2136("p", server=f"127.0.0.1:{bind.port}", secret=lambda: Secret(bind.key()))
    with FakeRoute53() as route53, FakePowerDns() as powerdns, FakeCloudflare() as cloudflare:
        others: list[tuple[DnsProvider, Callable[[str], set[str]], int]] = [
            (provider, bind.txt, 50),
            (Route53("p", sender=sender, signer=Signer("route53", REGION), api=route53.url), route53.shown, 10),
            (Cloudflare("p", sender=sender, token=lambda: Secret("right"), api=cloudflare.url), cloudflare.shown, 10),
            (
                Lexicon("p", "powerdns", options=lambda: {"auth_token": "right", "pdns_server": powerdns.url}),
                powerdns.shown,
                1,
            ),
        ]
        for each, shown, rounds in others:
            for number in range(rounds):
                values = [f"apex-{number}", f"wildcard-{number}"]
                records = [TxtRecord(zone=ZONE, name=name, value=value) for value in values]
                together(each.add, records)
                assert set(values) <= shown(name)
                together(each.remove, records)
                assert not set(values) & shown(name)


def together(call: Callable[[TxtRecord], None], records: list[TxtRecord]) -> None:
    """Make the call for each at the same time; an error in one is raised here."""
    with ThreadPoolExecutor(len(records)) as pool:
        list(pool.map(call, records))
