"""dns-persist-01 at a real Pebble: a record that the owner of a zone in a real BIND sets once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.bind import Bind
from tests.lab.clicker import click
from tests.lab.scene import DOMAIN, Scene

pytestmark = pytest.mark.lab("pebble", "nginx", "bind")
Wait = Callable[..., None]

NAME = f"_validation-persist.{DOMAIN}"
ZONE = '@ IN NS ns1\nns1 IN A 192.0.2.53\n_acme-challenge.link IN TXT "neighbour"'


@pytest.fixture
def by_bind(short_path: Path) -> Iterator[tuple[Scene, Bind]]:
    """A scene whose names stand in a BIND, where certd can publish."""
    with Bind(short_path / "bind", {"example.test": ZONE}) as bind:
        scene = Scene(short_path / "scene")
        scene.pebble.dns = f"127.0.0.1:{bind.port}"
        scene.pebble.reuse = 0
        with scene:
            scene.publish_by(bind)
            scene.nginx.start()
            yield scene, bind


def only_by_record(scene: Scene) -> None:
    """Take certd the means to publish, and tell it to go by the record."""
    text = scene.config.read_text()
    start, end = text.index("[dns.corp]"), text.index("[proxy.")
    link = f'domain = "{DOMAIN}"'
    text = text[:start] + text[end:]
    scene.config.write_text(text.replace(link, f'{link}\nchallenge = "dns-persist-01"'))


def asked_for(scene: Scene) -> str:
    """The value that ``certd dns request`` asks for."""
    wanted = json.loads(scene.run("dns", "request", DOMAIN, "--persist", "--json"))["request"]
    name, _, _, kind, value = wanted["zone"].strip().split(" ", 4)
    assert (name, kind) == (f"{NAME}.", "TXT")
    return str(value)


def updates(bind: Bind) -> int:
    """How often certd changed the zone; its owner is another key."""
    return bind.log().count("/key certd: updating zone")


def is_trusted(scene: Scene) -> bool:
    """Whether clients get a good certificate."""
    return click(scene.tls, DOMAIN, scene.roots).trouble == ""


def test_one_record_is_enough_for_good(by_bind: tuple[Scene, Bind], eventually: Wait) -> None:
    """Without it certd waits and orders nothing; with it the first certificate and a renewal need no change of the
    zone.
    """
    scene, bind = by_bind
    only_by_record(scene)
    value = asked_for(scene)
    failed = scene.tried("dns", "test", DOMAIN)
    assert failed.returncode == 1
    assert f"wanted: {NAME} TXT {value}" in failed.stderr
    scene.start_certd()
    eventually(lambda: "waits for DNS" in json.dumps(scene.status()))
    assert scene.pebble.orders() == 0
    bind.update(NAME, "TXT", value)
    assert "every server that answers has the record" in scene.run("dns", "test", DOMAIN)
    assert "served until" in scene.run("renew", DOMAIN, "--force")
    assert is_trusted(scene)
    assert "served until" in scene.run("renew", DOMAIN, "--force")
    assert scene.pebble.log().count("Issued certificate serial") == 2
    assert updates(bind) == 0
    checked = scene.tried("check", DOMAIN).stdout
    assert f"{NAME} names our account" in checked


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        (lambda value: value.replace("/my-account/", "/my-account/9"), "names another account"),
        (lambda value: value[:-1] + ';"', "ends in a semicolon"),
        (lambda value: value[:-1] + '; persistUntil=1700000000"', "counts only until 2023-11-14"),
        (lambda value: value.replace("pebble.letsencrypt.org", "Pebble.LetsEncrypt.org"), "lower case only"),
    ],
)
def test_a_slip_is_named_before_an_order(by_bind: tuple[Scene, Bind], slip: Callable[[str], str], words: str) -> None:
    """Each is one that Pebble refuses: certd says so, and orders nothing."""
    scene, bind = by_bind
    only_by_record(scene)
    bind.update(NAME, "TXT", slip(asked_for(scene)))
    done = scene.tried("once")
    assert done.returncode != 0
    assert words in done.stdout + done.stderr
    assert scene.pebble.orders() == 0


def test_a_wildcard_needs_its_policy(by_bind: tuple[Scene, Bind]) -> None:
    """The request has it; one record serves the name and its wildcard."""
    scene, bind = by_bind
    only_by_record(scene)
    text = scene.config.read_text()
    scene.config.write_text(text.replace(f'domain = "{DOMAIN}"', f'domain = ["{DOMAIN}", "*.{DOMAIN}"]'))
    scene.nginx.site(DOMAIN, scene.run("proxy-config", DOMAIN))
    scene.nginx.reload()
    value = asked_for(scene)
    assert "; policy=wildcard" in value
    bind.update(NAME, "TXT", value)
    assert "served until" in scene.run("once")
    assert click(scene.tls, f"any.{DOMAIN}", scene.roots).fingerprint


@pytest.mark.parametrize("is_right", [True, False])
def test_auto_goes_by_a_right_record_alone(by_bind: tuple[Scene, Bind], is_right: bool) -> None:
    """With a right record the zone is not changed; with one of another account a value is published and removed."""
    scene, bind = by_bind
    value = asked_for(scene)
    bind.update(NAME, "TXT", value if is_right else value.replace("/my-account/", "/my-account/9"))
    assert "served until" in scene.run("once")
    assert is_trusted(scene)
    assert (updates(bind) == 0) == is_right
    assert bind.txt(f"_acme-challenge.{DOMAIN}") == {"neighbour"}


def test_auto_takes_the_record_where_nothing_can_be_published(by_bind: tuple[Scene, Bind]) -> None:
    """CAA that permits dns-persist-01 alone is no obstacle then; one that permits dns-01 alone makes certd publish."""
    scene, bind = by_bind
    bind.update(NAME, "TXT", asked_for(scene))
    bind.update(DOMAIN, "CAA", '0 issue "pebble.letsencrypt.org; validationmethods=dns-persist-01"')
    assert "served until" in scene.run("once")
    assert updates(bind) == 0
    bind.update(DOMAIN, "CAA", '0 issue "pebble.letsencrypt.org; validationmethods=http-01"')
    done = scene.tried("renew", DOMAIN, "--force", "--wait", "5s")
    assert done.returncode == 1
    assert "permits only http-01, and certd validates by dns-01" in done.stderr
    assert scene.pebble.log().count("Issued certificate serial") == 1
