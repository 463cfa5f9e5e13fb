"""Bad luck on the real thing: clocks, freezes, a CA that forgets, name servers that go, rows that rot."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.bind import Bind
from tests.lab.clicker import click
from tests.lab.faketime import FakeClock
from tests.lab.scene import DOMAIN, Scene

pytestmark = pytest.mark.lab("pebble", "nginx")
Wait = Callable[..., None]


def served(scene: Scene) -> str:
    """The fingerprint that clients get; empty while they trust nothing."""
    return click(scene.tls, DOMAIN, scene.roots).fingerprint


def orders(scene: Scene) -> int:
    """How many orders certd made."""
    return scene.certd_log().count("ordered  ")


@pytest.fixture
def small_disk(short_path: Path) -> Iterator[Path]:
    """A disk of its own."""
    folder = short_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=0755", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.lab("faketime")
def test_a_clock_that_steps_by_hours(scene: Scene, short_path: Path, eventually: Wait) -> None:
    """Ahead, behind, and back: nothing is bought for it, what is asked for is done, and a clock that is too far behind
    for what the CA signs is said and ends in no loop.
    """
    clock = FakeClock(short_path)
    scene.certd_environment = clock.environment
    scene.nginx.start()
    scene.start_certd()
    eventually(lambda: "served  link=" in scene.certd_log())
    before = served(scene)
    clock.shift(+5)
    eventually(lambda: "clock" in scene.certd_log())
    scene.run("renew", DOMAIN, "--force")
    assert served(scene) not in {"", before}
    assert orders(scene) == 2
    before = served(scene)
    clock.shift(-5)
    time.sleep(3)
    asking = scene.begin("renew", DOMAIN, "--force")
    eventually(lambda: orders(scene) == 3)
    eventually(lambda: "valid only from" in scene.certd_log())
    assert served(scene) == before
    time.sleep(5)
    assert orders(scene) == 3
    asking.kill()
    asking.wait()
    clock.shift(0)
    # Its clock is read from a file once a second; asked for before, it would be what the clock from before came to.
    time.sleep(3)
    scene.run("renew", DOMAIN, "--force", seconds=90)
    assert served(scene) not in {"", before}
    # What was asked for first may have been tried again, hours having passed, before it was asked for anew.
    assert orders(scene) in {4, 5}


def test_frozen_for_longer_than_a_lifetime(short_path: Path, eventually: Wait) -> None:
    """A machine that slept: the certificate lapsed meanwhile, and is replaced as soon as certd wakes."""
    with Scene(short_path, life=40) as scene:
        scene.nginx.start()
        scene.start_certd()
        eventually(lambda: bool(served(scene)))
        scene.signal_certd(signal.SIGSTOP)
        eventually(lambda: not served(scene))
        time.sleep(5)
        scene.signal_certd(signal.SIGCONT)
        eventually(lambda: bool(served(scene)))
        print(scene.certd_log())


def test_a_ca_that_forgot_everything(scene: Scene, eventually: Wait) -> None:
    """Pebble restarted: no account, no order, other roots. A new account is made, and what is asked for is served."""
    scene.nginx.start()
    scene.start_certd()
    eventually(lambda: "served  link=" in scene.certd_log())
    scene.pebble.stop()
    scene.pebble.start()
    scene.signal_certd(signal.SIGHUP)
    eventually(lambda: "configuration read again" in scene.certd_log())
    scene.run("renew", DOMAIN, "--force", seconds=90)
    assert served(scene)


def test_rows_that_rot(scene: Scene, eventually: Wait) -> None:
    """A certificate's row that cannot be read is set aside; the pair on the disk is adopted, and nothing is bought."""
    scene.nginx.start()
    scene.start_certd()
    eventually(lambda: "served  link=" in scene.certd_log())
    before = served(scene)
    scene.stop_certd()
    store = sqlite3.connect(scene.state / "private" / "certd.db")
    store.execute("UPDATE certificate SET sealed_key = 'c1.rotten'")
    store.execute("UPDATE work SET due = 0 WHERE subject LIKE 'issue:%'")
    store.commit()
    store.close()
    scene.start_certd()
    eventually(lambda: "repaired  " in scene.certd_log() and "adopted  " in scene.certd_log())
    eventually(lambda: bool(scene.status()["links"][0]["certificate"]))
    assert orders(scene) == 1
    assert served(scene) == before


@pytest.mark.lab("bind")
def name_server_away(
    folder: Path, eventually: Wait, *, seconds: float, patience: float = 60, most_orders: int = 2
) -> None:
    """Away when a renewal is due: what is served stays, and the renewal goes on by itself when it is back.

    Args:
        seconds: How long it is away.
        patience: Seconds that the next probe may take, once it is back.
        most_orders: Of the first certificate and the renewal.
    """
    zone = "@ IN NS ns1\nns1 IN A 192.0.2.53"
    with Bind(folder / "bind", {"example.test": zone}) as bind:
        scene = Scene(folder / "scene")
        scene.pebble.dns, scene.pebble.reuse = f"127.0.0.1:{bind.port}", 0
        with scene:
            scene.publish_by(bind)
            scene.nginx.start()
            scene.start_certd()
            eventually(lambda: "served  link=" in scene.certd_log())
            before = served(scene)
            bind.stop()
            asking = scene.begin("renew", DOMAIN, "--force")
            eventually(lambda: "away  " in scene.certd_log())
            time.sleep(seconds)
            assert served(scene) == before
            bind.start()
            eventually(lambda: served(scene) not in {"", before}, patience)
            assert 2 <= orders(scene) <= most_orders
            assert asking.wait(30) == 1
            print(scene.certd_log())


def test_a_name_server_that_comes_back(short_path: Path, eventually: Wait) -> None:
    """Away for some seconds; for an hour in `make soak`."""
    name_server_away(short_path, eventually, seconds=8)


@pytest.mark.lab("tmpfs")
def test_a_disk_that_fills_up(scene: Scene, eventually: Wait, small_disk: Path) -> None:
    """No space for the state: a renewal fails in words, what is served stays; with space it succeeds."""
    scene.state = small_disk / "state"
    scene.write_config()
    scene.nginx.site(DOMAIN, scene.run("proxy-config", DOMAIN))
    scene.nginx.start()
    scene.start_certd()
    eventually(lambda: "served  link=" in scene.certd_log())
    before = served(scene)
    subprocess.run(["dd", "if=/dev/zero", f"of={small_disk}/filler", "bs=4k"], capture_output=True)
    asking = scene.begin("renew", DOMAIN, "--force")
    time.sleep(6)
    assert served(scene) == before
    assert scene.certd_is_running()
    (small_disk / "filler").unlink()
    asking.wait(60)
    scene.run("renew", DOMAIN, "--force", seconds=90)
    assert served(scene) not in {"", before}
