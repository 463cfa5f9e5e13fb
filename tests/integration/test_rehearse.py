"""``certd dns test``, ``certd rehearse`` and ``certd dns request`` with a real BIND and a real Pebble."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.bind import Bind
from tests.lab.scene import DOMAIN, Scene

pytestmark = pytest.mark.lab("pebble", "bind")
Wait = Callable[..., None]

NAME = f"_acme-challenge.{DOMAIN}"
ZONE = '@ IN NS ns1\nns1 IN A 192.0.2.53\n_acme-challenge.link IN TXT "neighbour"'


@pytest.fixture
def by_bind(short_path: Path) -> Iterator[tuple[Scene, Bind]]:
    """A scene whose values are published in a BIND."""
    with Bind(short_path / "bind", {"example.test": ZONE}) as bind:
        scene = Scene(short_path / "scene")
        scene.pebble.dns = f"127.0.0.1:{bind.port}"
        with scene:
            scene.publish_by(bind)
            scene.nginx.start()
            yield scene, bind


def orders(scene: Scene) -> int:
    """Certificates that Pebble signed."""
    return scene.pebble.log().count("Issued certificate serial")


def test_a_canary_is_added_seen_and_removed(by_bind: tuple[Scene, Bind]) -> None:
    """Before certd ever ran: seen at every server, which are named; nothing of it stays, the neighbour's value does."""
    scene, bind = by_bind
    said = scene.run("dns", "test", DOMAIN)
    assert f"{NAME}: published by dns.corp, seen at ns1.example.test (192.0.2.53), removed" in said
    assert bind.txt(NAME) == {"neighbour"}
    assert "order-plz" not in scene.pebble.log()


def test_wrong_credentials_are_named(by_bind: tuple[Scene, Bind]) -> None:
    """In a moment, with the way out; the exit code says that it failed."""
    scene, bind = by_bind
    (scene.folder / "tsig.key").write_text(bind.key(secret="d3Jvbmc="))
    # Long before the ten minutes that a value may take to spread: a no stays a no.
    done = scene.tried("dns", "test", DOMAIN, seconds=60)
    assert done.returncode == 1
    assert "finds its signature wrong (BADSIG)" in done.stderr
    assert "certd: hint:" in done.stderr


def test_a_rehearsal_by_hand_lifts_the_backoff(by_bind: tuple[Scene, Bind], eventually: Wait) -> None:
    """While the daemon waits, with a failure behind it; the rehearsal passes, and the order goes on by itself."""
    scene, bind = by_bind
    bind.update("example.test", "CAA", '0 issue "nobody.example"')
    scene.start_certd()
    eventually(lambda: "kind=caa" in scene.certd_log())
    done = scene.tried("rehearse", DOMAIN)
    assert done.returncode == 1
    assert "issuer pebble: link.example.test: CAA at example.test forbids it" in done.stderr
    bind.remove("example.test", "CAA", '0 issue "nobody.example"')
    assert "removed" in scene.run("rehearse", DOMAIN)
    eventually(lambda: "served  link=" in scene.certd_log())
    assert orders(scene) == 1
    eventually(lambda: bind.txt(NAME) == {"neighbour"})


def test_a_staging_order_on_request(by_bind: tuple[Scene, Bind]) -> None:
    """The whole way at a staging directory; nothing of it is used, and without one that is said."""
    scene, bind = by_bind
    done = scene.tried("rehearse", DOMAIN, "--staging")
    assert done.returncode == 2
    assert "has no staging directory" in done.stderr
    text = scene.config.read_text()
    table = text[text.index("[issuer.pebble]") : text.index("[dns.")]
    staging = table.replace("[issuer.pebble]", "[issuer.trial]")
    scene.config.write_text(text.replace(table, table.rstrip() + '\nstaging = "trial"\n\n' + staging.rstrip() + "\n\n"))
    said = scene.run("rehearse", DOMAIN, "--staging")
    assert f"{DOMAIN}: trial signed; nothing of it is used" in said
    assert orders(scene) == 1
    assert scene.status()["links"][0]["certificate"] is None
    assert bind.txt(NAME) == {"neighbour"}


def test_the_request_in_three_forms(by_bind: tuple[Scene, Bind]) -> None:
    """Prose, zone-file lines that a BIND takes, Terraform; where no zone can be known, one is asked for."""
    scene, bind = by_bind
    assert f"nothing need be asked for: dns.corp can publish at {NAME}" in scene.run("dns", "request", DOMAIN)
    # A primary that has no such zone.
    bind.move(NAME, "CNAME", "elsewhere.example.org.")
    unknown = scene.tried("dns", "request", DOMAIN)
    assert unknown.returncode == 2
    assert "--zone" in unknown.stderr
    assert f"TXT records at {NAME}" in unknown.stdout
    said = json.loads(scene.run("dns", "request", DOMAIN, "--zone", "acme.example.org", "--json"))["request"]
    assert f"{NAME}  CNAME  {DOMAIN}.acme.example.org" in said["prose"]
    assert said["zone"] == f"{NAME}. 300 IN CNAME {DOMAIN}.acme.example.org.\n"
    assert 'resource "dns_cname_record" "acme_challenge_link_example_test_cname"' in said["terraform"]
    for vendor, word in {"aws": "aws_route53_record", "cloudflare": "proxied = false", "google": "rrdatas"}.items():
        options = ["--zone", "acme.example.org", "--as", "terraform", "--terraform", vendor]
        assert word in scene.run("dns", "request", DOMAIN, *options)
