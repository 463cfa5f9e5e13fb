"""A changed profile is announced from the edit to the renewal, by a real CA's orders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.lab.scene import DOMAIN, Scene

# Debian's Pebble, 2.4, knows no profiles.
pytestmark = pytest.mark.lab("pebble-current", "nginx")


def changes(scene: Scene) -> list[str]:
    """What ``status`` says that the next renewal changes."""
    links = json.loads(scene.tried("status", "--json").stdout)["status"]["links"]
    found: list[str] = links[0]["changes"]
    return found


def test_a_changed_profile_is_announced(short_path: Path) -> None:
    """In plan and in status, until a certificate was ordered by it."""
    made = Scene(short_path)
    made.pebble.profiles = {"short": 6 * 86400}
    with made as scene:
        scene.nginx.start()
        assert scene.tried("once", "--wait", "60s").returncode == 0
        assert changes(scene) == []
        text = scene.config.read_text()
        scene.config.write_text(text.replace("[issuer.pebble]\n", '[issuer.pebble]\nprofile = "short"\n'))
        words = "profile short instead of the CA's default"
        assert changes(scene) == [words]
        assert f"{DOMAIN}: the next renewal brings: {words}\n" in scene.tried("plan").stdout
        assert scene.tried("renew", DOMAIN, "--force", "--yes").returncode == 0
        assert changes(scene) == []
        scene.config.write_text(text)
        assert changes(scene) == ["profile the CA's default instead of short"]
