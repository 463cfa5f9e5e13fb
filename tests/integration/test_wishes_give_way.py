"""A name that Pebble refuses is added to a link that is served: what is served goes on being renewed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.clicker import click
from tests.lab.scene import DOMAIN, Scene

pytestmark = pytest.mark.lab("pebble", "nginx")
Wait = Callable[..., None]
ADDED = "added.example.test"
NETWORK = '[network]\nhttps_proxy = "http://127.0.0.1:9"\nno_proxy = "localhost,127.0.0.1"'
AGREED = "[issuer.letsencrypt]\nterms_agreed = true\n\n[issuer.pebble]"


def wanted(scene: Scene, *names: str) -> None:
    """Write the configuration with one link of these names."""
    scene.write_config(links=f'\n[[link]]\nname = "{DOMAIN}"\ndomain = {json.dumps(names)}\n')


@pytest.mark.timeout(280)
def test_a_refused_name_does_not_cost_the_served_one(short_path: Path, eventually: Wait) -> None:
    """Two renewals of the served name come while the added one is refused; nobody sees a bad certificate, ``plan`` and
    ``status`` say why it is left out; when the CA takes it, both are issued.
    """
    scene = Scene(short_path / "scene", life=40)
    scene.pebble.blocked = (ADDED,)
    with scene:
        scene.domains = (DOMAIN, ADDED)
        wanted(scene, DOMAIN)
        scene.nginx.start()
        scene.start_certd()
        eventually(lambda: click(scene.tls, DOMAIN, scene.roots).trouble == "")
        wanted(scene, ADDED, DOMAIN)
        scene.run("reload")
        eventually(lambda: ADDED in scene.tried("status").stdout and "rejectedIdentifier" in scene.certd_log())
        assert f"meanwhile {DOMAIN} is renewed without {ADDED}" in scene.tried("plan").stdout
        seen: list[str] = []
        until = time.monotonic() + 100
        while len(seen) < 4 and time.monotonic() < until:
            shown = click(scene.tls, DOMAIN, scene.roots)
            assert shown.trouble == "", scene.certd_log()
            if shown.fingerprint not in seen:
                seen.append(shown.fingerprint)
            time.sleep(0.3)
        assert len(seen) >= 3, scene.certd_log()
        assert f"renewed without {ADDED}, because that failed (rejectedIdentifier" in scene.certd_log()
        assert set(scene.status()["links"][0]["certificate"]["domains"]) == {DOMAIN}
        asked = scene.certd_log().count("kind=rejectedIdentifier")
        assert asked <= 5, "what is refused until the configuration changes is not asked for again and again"
        scene.pebble.stop()
        scene.pebble.blocked = ()
        scene.pebble.start()
        scene.config.write_text(
            scene.config.read_text().replace('esp = "stand-in"', 'key = "ecdsa-p384"\nesp = "stand-in"')
        )
        scene.run("reload")
        both = {DOMAIN, ADDED}
        eventually(lambda: set(scene.status()["links"][0]["certificate"]["domains"]) == both)
        eventually(lambda: click(scene.tls, DOMAIN, scene.roots).trouble == "")


BAD = """
[[link]]
name = "bad"
domain = "link.internal"
issuer = "letsencrypt"
"""


@pytest.mark.timeout(200)
def test_a_name_that_no_public_ca_signs(scene: Scene, eventually: Wait) -> None:
    """A running daemon keeps its old configuration; one that is started with such a file says so, and cares for the
    others all the same. Let's Encrypt is out of reach here.
    """
    good = scene.config.read_text().replace("[network]", NETWORK).replace("[issuer.pebble]", AGREED)
    scene.config.write_text(good)
    scene.nginx.start()
    scene.start_certd()
    eventually(lambda: click(scene.tls, DOMAIN, scene.roots).trouble == "")
    scene.config.write_text(good + BAD)
    for command, code in ((("config", "check"), 2), (("reload",), 1)):
        done = scene.tried(*command)
        assert done.returncode == code, done
        assert 'link "bad".domain: "link.internal" ends in the reserved ".internal"' in done.stderr
    assert [link["link"] for link in scene.status()["links"] if link["certificate"]] == [DOMAIN]
    scene.stop_certd()
    scene.start_certd()
    assert "the CA will refuse a name" in scene.certd_log()
    first = click(scene.tls, DOMAIN, scene.roots).fingerprint
    scene.run("renew", DOMAIN, "--force")
    eventually(lambda: click(scene.tls, DOMAIN, scene.roots).fingerprint not in {"", first})
    # Another change is not held up by what was wrong already.
    scene.config.write_text(good.replace('esp = "stand-in"', 'labels = { brand = "x" }\nesp = "stand-in"') + BAD)
    scene.run("reload")
