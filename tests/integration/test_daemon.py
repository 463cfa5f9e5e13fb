"""The running daemon: asked, signalled, killed."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.clicker import click
from tests.lab.load import slowness
from tests.lab.scene import DOMAIN, Scene

pytestmark = pytest.mark.lab("pebble", "nginx")
Wait = Callable[[Callable[[], bool]], None]


def served(scene: Scene) -> str:
    """The fingerprint that clients get; empty while they trust nothing."""
    return click(scene.tls, DOMAIN, scene.roots).fingerprint


@pytest.fixture
def running(scene: Scene, eventually: Wait) -> Scene:
    """Everything runs and the first certificate is served."""
    scene.nginx.start()
    scene.start_certd()
    eventually(lambda: "served  link=" in scene.certd_log())
    return scene


def test_a_forced_renewal_goes_through_the_daemon(running: Scene) -> None:
    """``certd renew --force`` ends when another certificate is served; one order was made for it."""
    before = served(running)
    orders = running.certd_log().count("ordered  ")
    said = running.run("renew", DOMAIN, "--force")
    assert "served until" in said
    after = served(running)
    assert after not in {"", before}
    assert running.certd_log().count("ordered  ") == orders + 1


def test_all_threads_share_one_heap(running: Scene) -> None:
    """After an issuance and a deployment no thread has one of its own, 64 MiB of addresses each."""

    def size(line: str) -> int:
        start, end = (int(part, 16) for part in line.split(" ")[0].split("-"))
        return end - start

    lines = Path(f"/proc/{running.certd_pid()}/maps").read_text().splitlines()
    assert not [line for line in lines if "---p" in line and size(line) > 60 << 20]


def test_renewing_what_is_not_due_orders_nothing(running: Scene) -> None:
    """``certd renew`` without ``--force`` says that it is served, and the CA hears nothing."""
    orders = running.certd_log().count("ordered  ")
    assert "served until" in running.run("renew")
    assert running.certd_log().count("ordered  ") == orders


def test_force_needs_a_link(running: Scene) -> None:
    """Forcing everything by mistake is not possible."""
    done = running.tried("renew", "--force")
    assert done.returncode == 2
    assert "certd: error: --force needs a link" in done.stderr
    assert "certd: hint:" in done.stderr


def test_two_daemons_on_one_state_are_impossible(running: Scene) -> None:
    """The second one says who has it and changes nothing."""
    done = running.tried("run")
    assert done.returncode == 1
    assert f"another certd (process {running.certd_pid()})" in done.stderr
    assert running.tried("once").returncode == 1
    assert running.certd_is_running()


def test_sigterm_ends_it_within_five_seconds(running: Scene) -> None:
    """Cleanly, with exit code 0, the socket gone."""
    started = time.monotonic()
    running.signal_certd(signal.SIGTERM)
    assert running.wait_certd(60) == 0
    assert time.monotonic() - started < 5 * slowness()
    assert not (running.state / "control.sock").exists()
    assert "stopped" in running.certd_log()


def test_a_second_sigterm_changes_nothing(running: Scene) -> None:
    """50 ms after the first, while certd stops: it ends as it would have, with everything put away."""
    running.signal_certd(signal.SIGTERM)
    time.sleep(0.05)
    if running.certd_is_running():
        running.signal_certd(signal.SIGTERM)
    assert running.wait_certd(60) == 0
    assert not (running.state / "control.sock").exists()
    assert "stopped" in running.certd_log()


def test_stopped_in_the_middle_of_an_order_it_goes_on_with_it(scene: Scene, eventually: Wait) -> None:
    """An order that is open when SIGTERM comes is finished by the next certd: one certificate is bought."""
    scene.pebble.stop()
    scene.pebble.retry_after = 3
    scene.pebble.start()
    scene.write_config()
    scene.nginx.start()
    scene.start_certd()
    eventually(lambda: "finalized  " in scene.certd_log())
    started = time.monotonic()
    scene.signal_certd(signal.SIGTERM)
    assert scene.wait_certd(60) == 0
    assert time.monotonic() - started < 5 * slowness()
    scene.start_certd()
    eventually(lambda: "served  link=" in scene.certd_log())
    assert scene.certd_log().count("ordered  ") == 1
    assert scene.pebble.log().count("Issued certificate serial") == 1


@pytest.mark.parametrize("moment", ["ordered  ", "answered  ", "issued  ", "reloaded  "])
def test_killed_it_resumes(scene: Scene, eventually: Wait, moment: str) -> None:
    """After kill -9 at any step the next certd goes on: one certificate is bought, it is served, no value is left."""
    scene.nginx.start()
    scene.start_certd(wait=False)
    eventually(lambda: moment in scene.certd_log())
    scene.signal_certd(signal.SIGKILL)
    scene.wait_certd(60)
    scene.start_certd(wait=False)
    eventually(lambda: "served  link=" in scene.certd_log())
    assert scene.pebble.log().count("Issued certificate serial") == 1
    assert served(scene)


def test_sighup_reads_the_configuration_again(running: Scene, eventually: Wait) -> None:
    """A broken file leaves the old settings in force and says so; a good one is taken over."""
    good = running.config.read_text()
    running.config.write_text(good + "\n[nonsense]\nx = 1\n")
    running.signal_certd(signal.SIGHUP)
    eventually(lambda: "the old one stays" in running.certd_log())
    refused = running.tried("reload")
    assert refused.returncode == 2
    running.config.write_text(good.replace('esp = "stand-in"', 'esp = "none"'))
    running.signal_certd(signal.SIGHUP)
    eventually(lambda: "configuration read again" in running.certd_log())
    assert served(running)
    assert "read again: 1 link" in running.run("reload")


def test_a_link_that_is_added_is_served_and_one_taken_out_is_an_orphan(short_path: Path, eventually: Wait) -> None:
    """Added: ordered at the next reload. Taken out: watched as an orphan, until it is forgotten; forgetting is refused
    while an endpoint serves it. A file that loses its only link is refused, and nothing becomes an orphan.
    """
    other = "other.example.test"
    with Scene(short_path, domains=(DOMAIN, other)) as scene:
        scene.write_config(links=f'\n[[link]]\ndomain = "{DOMAIN}"\n')
        scene.nginx.start()
        scene.start_certd()
        eventually(lambda: f"served  link={DOMAIN}" in scene.certd_log())
        scene.write_config(links="\n")
        assert "had 1 link and has none now" in scene.tried("reload").stderr
        assert scene.status()["orphans"] == []
        scene.write_config(links=f'\n[[link]]\ndomain = "{other}"\n')
        scene.run("reload")
        status = scene.status()
        assert ([link["link"] for link in status["links"]], status["orphans"]) == ([other], [DOMAIN])
        refused = scene.tried("forget", DOMAIN, "--yes")
        assert refused.returncode == 2
        assert "still serves it" in refused.stderr
        assert served(scene)
        eventually(lambda: f"served  link={other}" in scene.certd_log())
        scene.nginx.site(DOMAIN, "")
        scene.nginx.reload()
        eventually(lambda: "forgotten" in scene.tried("forget", DOMAIN, "--yes").stdout)
        assert scene.status()["orphans"] == []


def test_a_damaged_store_is_moved_aside(running: Scene, eventually: Wait) -> None:
    """Bytes that a disk lost: the file is kept for whoever wants to look at it, what lies on the disk is adopted, and
    nothing is ordered. A command that only reads changes nothing.
    """
    before = served(running)
    running.stop_certd()
    path = running.state / "private" / "certd.db"
    data = bytearray(path.read_bytes())
    data[4096 : 4096 * 9] = b"\xff" * (4096 * 8)
    path.write_bytes(data)
    status = running.tried("status")
    assert status.returncode == 1
    assert "restart certd" in status.stderr or "certd.db" in status.stderr
    assert path.read_bytes() == bytes(data)
    running.start_certd()
    eventually(lambda: "adopted  " in running.certd_log() and running.certd_log().count("served  link=") == 2)
    assert running.certd_log().count("ordered  ") == 1
    assert "the store was damaged" in running.certd_log()
    assert served(running) == before
    assert len(list(path.parent.glob("certd.db.damaged-*[0-9]"))) == 1


def test_a_lost_store_orders_nothing(running: Scene, eventually: Wait) -> None:
    """The store deleted: what lies on the disk and is good is adopted; no order is made."""
    before = served(running)
    running.stop_certd()
    for path in Path(running.state / "private").iterdir():
        path.unlink()
    running.start_certd()
    eventually(lambda: "adopted  " in running.certd_log() and running.certd_log().count("served  link=") == 2)
    assert running.certd_log().count("ordered  ") == 1
    assert served(running) == before
