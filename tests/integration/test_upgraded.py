"""An upgrade under the running daemon, which imports some of its code only when it orders."""

from __future__ import annotations

import contextlib
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.clicker import click
from tests.lab.scene import DOMAIN, ROOT, Scene

pytestmark = pytest.mark.lab("pebble", "nginx")
Wait = Callable[..., None]


def served(scene: Scene) -> str:
    """The fingerprint that clients get."""
    return click(scene.tls, DOMAIN, scene.roots).fingerprint


@pytest.fixture
def packages(scene: Scene) -> Path:
    """certd as it is installed, for the daemon alone; a certificate is served."""
    folder = scene.folder / "site-packages"
    shutil.copytree(ROOT / "certd", folder / "certd", ignore=shutil.ignore_patterns("__pycache__"))
    scene.certd_environment = {"PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"}
    scene.nginx.start()
    scene.run("once")
    return folder


@contextlib.contextmanager
def half_upgraded(packages: Path) -> Iterator[None]:
    """Another version's metadata, and a module that does not go with what the daemon has in memory."""
    module = packages / "certd" / "acme" / "session.py"
    text = module.read_text()
    module.write_text("from certd.errors import WhatTheNextVersionHas\n")
    (packages / "certd-99.dist-info").mkdir()
    yield
    module.write_text(text)


def test_a_daemon_that_was_upgraded_is_started_again(scene: Scene, packages: Path, eventually: Wait) -> None:
    """By systemd, when the first order stumbles; the next process does what was asked, with one order."""
    old = served(scene)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        address = scene.folder / "notify"
        manager.bind(str(address))
        scene.certd_environment["NOTIFY_SOCKET"] = str(address)
        scene.start_certd()
        with half_upgraded(packages):
            asking = scene.begin("renew", DOMAIN, "--force")
            assert scene.wait_certd(60) == 0
        assert "WhatTheNextVersionHas" in scene.certd_log()
        assert "the service manager starts the new one" in scene.certd_log()
        assert served(scene) == old
        asking.kill()
        asking.wait()
        scene.start_certd()
        eventually(lambda: served(scene) not in {"", old})
    assert scene.certd_log().count("ordered  ") == 1


def test_without_a_service_manager_it_is_an_alarm(scene: Scene, packages: Path, eventually: Wait) -> None:
    """A daemon that ended would look at nothing any more; it goes on, says so, and is well after a restart."""
    old = served(scene)
    scene.start_certd()
    with half_upgraded(packages):
        asking = scene.begin("renew", DOMAIN, "--force")
        eventually(lambda: "cause=installed" in scene.certd_log(), seconds=120)
        assert scene.certd_is_running()
        asking.kill()
        asking.wait()
    scene.stop_certd()
    scene.start_certd()
    eventually(lambda: served(scene) not in {"", old}, seconds=120)
