"""``certd publish``, and a configuration that changes without a signal."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from certd.pki.placeholder import is_placeholder
from tests.lab.clicker import click
from tests.lab.scene import DOMAIN, Scene

pytestmark = pytest.mark.lab("pebble", "nginx")
Wait = Callable[..., None]


def served(scene: Scene) -> str:
    """What clients get, by fingerprint; empty while they trust nothing."""
    return click(scene.tls, DOMAIN, scene.roots).fingerprint


def pointer(scene: Scene) -> str:
    """What nginx includes."""
    return (scene.state / "public" / "proxies" / "nginx" / f"{DOMAIN}.conf").read_text()


def test_publish_before_the_first_certificate(scene: Scene) -> None:
    """A placeholder, with which nginx starts; nothing is ordered, and twice is once."""
    shutil.rmtree(scene.state)
    assert f"{DOMAIN}  nginx  placeholder" in scene.run("publish")
    before = pointer(scene)
    assert f"{DOMAIN}  nginx  as it was" in scene.run("publish")
    assert pointer(scene) == before
    scene.nginx.start()
    assert scene.nginx.process is not None
    assert scene.pebble.log().count("Issued certificate serial") == 0


def test_publish_writes_what_the_store_has(scene: Scene, eventually: Wait) -> None:
    """Everything that proxies read is gone: it is written again from the store, without the CA, and nginx starts."""
    scene.nginx.start()
    scene.start_certd()
    eventually(lambda: "served  link=" in scene.certd_log())
    before = served(scene)
    assert "has published everything" in scene.run("publish")
    scene.stop_certd()
    scene.nginx.stop()
    scene.pebble.stop()
    shutil.rmtree(scene.state / "public")
    said = scene.run("publish")
    assert f"{DOMAIN}  nginx  20" in said
    (chain,) = [
        path for path in Path(scene.state / "public").rglob("fullchain.pem") if not is_placeholder(path.read_text())
    ]
    assert str(chain.parent) in pointer(scene)
    scene.nginx.start()
    assert click(scene.tls, DOMAIN, (scene.pebble.folder / "roots.pem").read_text()).fingerprint == before


def test_publish_never_goes_back(scene: Scene, eventually: Wait) -> None:
    """A pointer that names something newer than the store has stays."""
    scene.nginx.start()
    scene.start_certd()
    eventually(lambda: "served  link=" in scene.certd_log())
    scene.stop_certd()
    shutil.copytree(scene.state / "private", scene.folder / "older")
    scene.run("renew", DOMAIN, "--force")
    newer = pointer(scene)
    shutil.rmtree(scene.state / "private")
    shutil.copytree(scene.folder / "older", scene.state / "private")
    scene.run("publish")
    assert pointer(scene) == newer


def test_a_changed_file_is_noticed_without_a_signal(scene: Scene, eventually: Wait) -> None:
    """As a ConfigMap changes: a link is added; then a broken file changes nothing and is said once."""
    scene.nginx.start()
    scene.start_certd()
    eventually(lambda: "served  link=" in scene.certd_log())
    good = scene.config.read_text()
    scene.config.write_text(good.replace('esp = "stand-in"', 'esp = "none"'))
    os.utime(scene.config, (1, 1))
    eventually(lambda: "configuration read again" in scene.certd_log())
    scene.config.write_text(good + "\n[nonsense]\nx = 1\n")
    os.utime(scene.config, (2, 2))
    eventually(lambda: "the old one stays" in scene.certd_log())
    assert served(scene)
    assert scene.certd_is_running()


def test_another_host_name_leaves_no_ghost(scene: Scene, eventually: Wait) -> None:
    """A container has another name at each start: its successor changes what it wanted at once."""
    scene.config.write_text(scene.config.read_text().replace('node = "lab"', 'node = "env:POD"'))
    scene.certd_environment = {"POD": "pod-1"}
    scene.nginx.start()
    scene.start_certd()
    eventually(lambda: "served  link=" in scene.certd_log())
    scene.stop_certd()
    scene.config.write_text(scene.config.read_text().replace(f'domain = "{DOMAIN}"', 'domain = "other.example.test"'))
    scene.certd_environment = {"POD": "pod-2"}
    scene.start_certd()
    eventually(lambda: "orphan  link=" in scene.certd_log())
    assert "another node wants" not in scene.certd_log()
    assert socket.gethostname() not in scene.certd_log()


def test_an_empty_file_of_another_program(scene: Scene, eventually: Wait) -> None:
    """It lies where one link's certificate is to be copied: that link has an alarm, and the other one is served."""
    own, told = scene.folder / "own.pem", scene.folder / "told"
    own.touch()
    scene.write_config(
        f'[[link]]\ndomain = "{DOMAIN}"\n[[link]]\ndomain = "other.example.test"\nproxy = "app"\n',
        '[proxy.app]\nkind = "files"\nreload = "none"\nendpoints = ["127.0.0.1:9"]\n'
        f'paths = {{ fullchain = "{own}" }}\n'
        f'[alarms]\ncommand = ["/bin/sh", "-c", "cat >> {told}"]\n',
    )
    scene.nginx.start()
    scene.start_certd()
    eventually(lambda: f"served  link={DOMAIN}" in scene.certd_log())
    assert f"cannot publish  link=other.example.test  proxy=app  reason={own}: " in scene.certd_log().replace('"', "")
    assert str(own) in scene.tried("status", "--json").stdout
    eventually(lambda: told.exists() and str(own) in told.read_text(), seconds=60)
    own.unlink()
    eventually(lambda: own.exists() and is_placeholder(own.read_text()), seconds=60)
