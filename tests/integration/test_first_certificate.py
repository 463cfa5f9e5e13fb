"""From nothing to served."""

from __future__ import annotations

import json
import os
import stat

import pytest

from tests.lab.clicker import click, plain_click
from tests.lab.scene import DOMAIN, Scene

pytestmark = pytest.mark.lab("pebble", "nginx")


def test_nginx_starts_before_the_first_order_and_port_80_forwards(scene: Scene) -> None:
    """With nothing but what ``certd proxy-config`` left, nginx starts, clicks over http go through, https is not
    trusted, and the host name that the e-mail service sees is the link's own.
    """
    assert scene.nginx.check() == (0, "")
    scene.nginx.start()
    assert plain_click(scene.plain, DOMAIN).trouble == ""
    assert "self-signed" in click(scene.tls, DOMAIN, scene.roots).trouble
    assert scene.esp.refused == 0


def test_once_ends_served(scene: Scene) -> None:
    """``certd once`` obtains, publishes, reloads and sees it served, and clients trust it."""
    scene.nginx.start()
    said = scene.run("once")
    assert "served until" in said
    seen = click(scene.tls, DOMAIN, scene.roots)
    assert seen.trouble == ""
    (link,) = scene.status()["links"]
    assert link["state"] == "served"
    assert link["certificate"]["fingerprint"] == seen.fingerprint
    said = scene.run("status", code=3)
    assert said.startswith("! no certd runs here") and f"{DOMAIN}  served" in said
    assert "wait" in scene.run("plan")
    again = scene.pebble.requests()
    assert "served until" in scene.run("once")
    assert scene.pebble.requests() == again, "what is served and not due costs the CA nothing"


@pytest.mark.lab("pebble-current")
def test_requests_of_one_certificate(scene: Scene) -> None:
    """Seven requests a certificate, beside directory, nonce and account on the first one, and one for ARI."""
    scene.pebble.stop()
    scene.pebble.nonce_reject = 0
    scene.pebble.start()
    scene.write_config()
    scene.nginx.start()
    scene.run("once")
    lines = [line for line in scene.pebble.log().splitlines() if "calling handler()" in line]
    paths = [line.split(" -> ")[0].rpartition(" ")[2].split("/")[1] for line in lines]
    cold = [path for path in paths if path in {"dir", "nonce-plz", "sign-me-up"}]
    assert sorted(cold) == ["dir", "nonce-plz", "sign-me-up"]
    assert paths.count("draft-ietf-acme-ari-03") + paths.count("renewalInfo") == 1, paths
    # A poll that comes too early costs one more.
    assert len(paths) - len(cold) - 1 in {7, 8}, paths


def test_the_state_is_closed_to_strangers(scene: Scene) -> None:
    """Private is 0700 and holds no open key; published keys are 0640; nothing prints a key."""
    scene.nginx.start()
    done = scene.tried("once")
    assert done.returncode == 0
    assert stat.S_IMODE((scene.state / "private").stat().st_mode) == 0o700
    for path in (scene.state / "private").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
        assert b"PRIVATE KEY" not in path.read_bytes(), path
    for path in (scene.state / "public").rglob("*.pem"):
        if not path.is_symlink():
            assert stat.S_IMODE(path.stat().st_mode) & 0o007 == 0, path
    assert "PRIVATE KEY" not in done.stdout + done.stderr
    assert "PRIVATE KEY" not in json.dumps(scene.status())
    live = scene.state / "public" / "live" / DOMAIN
    assert os.readlink(live).startswith("../certs/")
    assert (live / "fullchain.pem").exists()


def test_nothing_stays_in_the_dns(scene: Scene) -> None:
    """After the order the validation value is gone."""
    scene.nginx.start()
    scene.run("once")
    owed = scene.python(
        "from certd.store.stores import open_stores; from pathlib import Path;"
        f"print(dict(open_stores(Path('{scene.state}/private'), 'x').lineages.records('own')))"
    )
    assert owed.strip() == "{}"


def test_a_badly_tempered_ca(short_path: object, scene: Scene) -> None:
    """Pebble refusing half of all good nonces is no reason to fail."""
    scene.pebble.stop()
    scene.pebble.nonce_reject = 50
    scene.pebble.start()
    scene.write_config()
    scene.nginx.start()
    assert "served until" in scene.run("once")
