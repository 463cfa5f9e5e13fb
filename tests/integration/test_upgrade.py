"""Today's certd on the state folder that an older one left: nothing is bought, clients see the same, and it goes on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.clicker import click
from tests.lab.keep_state import FIXTURES, ROOTS
from tests.lab.scene import DOMAIN, Scene

pytestmark = pytest.mark.lab("pebble", "nginx")
Wait = Callable[..., None]

KEPT = sorted(path.parent.name for path in FIXTURES.glob(f"state-*/{ROOTS}"))


def left_by(name: str, scene: Scene) -> str:
    """Put an older certd's folder where this one works; returns what its clients trust."""
    kept = FIXTURES / name
    ignore = shutil.ignore_patterns(ROOTS)
    shutil.copytree(kept, scene.state, symlinks=True, ignore=ignore)
    # A checkout keeps no modes; these are certd's.
    for path in sorted(scene.state.rglob("*")):
        if not path.is_symlink():
            private = path.is_relative_to(scene.state / "private")
            path.chmod((0o700 if private else 0o750) if path.is_dir() else (0o600 if private else 0o640))
    for pointer in scene.state.glob("public/proxies/*/*.conf"):
        pointer.write_text(pointer.read_text().replace("/var/lib/certd", str(scene.state)))
    return (kept / ROOTS).read_text()


def looked_at(scene: Scene) -> dict[str, str]:
    """What certd sees, by address; the older one looked at other ports."""
    (proxy,) = scene.status()["links"][0]["proxies"]
    return {
        observation["address"]: observation["fingerprint"]
        for observation in proxy["addresses"]
        if observation["health"] == "good"
    }


def test_there_is_one() -> None:
    """A glob that matches nothing would test nothing."""
    assert KEPT


@pytest.mark.parametrize("name", KEPT)
def test_an_older_programs_state_is_gone_on_with(name: str, short_path: Path, eventually: Wait) -> None:
    """nginx goes on with what it has, certd sees it served and orders nothing; the next renewal is as any other."""
    scene = Scene(short_path / "scene")
    roots = left_by(name, scene)
    both = scene.folder / "both.pem"
    try:
        scene.prepare()
        both.write_text(roots + scene.roots)
        text = scene.config.read_text()
        assert text.count(f'roots = "{scene.pebble.roots}"') == 1
        scene.config.write_text(text.replace(f'roots = "{scene.pebble.roots}"', f'roots = "{both}"'))
        scene.nginx.start()
        before = click(scene.tls, DOMAIN, roots).fingerprint
        assert before
        scene.start_certd()
        eventually(lambda: looked_at(scene) == {f"127.0.0.1:{scene.tls}": before})
        scene.run("status")
        assert click(scene.tls, DOMAIN, roots).fingerprint == before
        assert "ordered  " not in scene.certd_log()
        assert "attempt failed" not in scene.certd_log()
        scene.run("renew", DOMAIN, "--force", "--yes")
        after = click(scene.tls, DOMAIN, scene.roots).fingerprint
        assert after
        assert after != before
    finally:
        print(scene.certd_log())
        scene.stop()
