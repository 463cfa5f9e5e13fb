"""A store that answers and cannot be written: a real file system that is full or read-only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from certd.alarms import AlarmRoutes
from certd.app import App
from certd.config.choices import known_choices
from certd.config.loader import load
from certd.daemon.alarm_job import AlarmJob
from certd.model import Alarm, Level, Notice
from certd.state import prepare_state, stores_of
from certd.system.clock import SystemClock
from tests.interruption.test_syscalls import shrink
from tests.lab.ports import free_port
from tests.lab.process import Process
from tests.unit.test_daemon_parts import Notes

pytestmark = pytest.mark.lab("tmpfs")

ROOT = Path(__file__).resolve().parents[2]
CONFIG = """
[certd]
state = "{folder}/state"
listen = "{listen}"
[network]
resolvers = ["127.0.0.1:9"]
[issuer.letsencrypt]
terms_agreed = true
directory = "https://127.0.0.1:9/directory"
[dns.corp]
provider = "exec"
command = ["/bin/true"]
[proxy.nginx]
endpoints = ["127.0.0.1:9"]
reload = "none"
check = []
[alarms]
command = ["/bin/sh", "-c", "cat >> {folder}/told"]
ping = "http://127.0.0.1:{ping}/"
[[link]]
domain = "a.example.com"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose ``state`` is a disk of its own."""
    (tmp_path / "state").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(tmp_path / "state")], check=True)
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path / "state")], check=True)


def remount(folder: Path, options: str) -> None:
    """Change how the disk is mounted."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder / "state")], check=True)


def break_disk(folder: Path, how: str) -> None:
    """Make it full or read-only."""
    if how == "full":
        shrink(folder / "state", 0)
    else:
        remount(folder, "ro")


def app_of(folder: Path, listen: str = "") -> App:
    """An application whose store is there."""
    path = folder / "certd.toml"
    path.write_text(CONFIG.format(folder=folder, listen=listen, ping=9))
    settings = load(path, known_choices())
    prepare_state(settings)
    app = App(settings, stores_of(settings), SystemClock(), Notes())
    app.stores.specs.set([link.spec for link in settings.links])
    return app


class Heard:
    """A channel."""

    name = "test"

    def __init__(self) -> None:
        self.notices: list[Notice] = []

    def tell(self, notice: Notice) -> None:
        self.notices.append(notice)

    def take(self) -> list[tuple[str, bool]]:
        """What was told since the last time: the cause, and whether it is over."""
        found = [(notice.alarm.cause, notice.is_over) for notice in self.notices]
        self.notices.clear()
        return found


@pytest.mark.parametrize("how", ["full", "read-only"])
def test_somebody_is_told_at_the_next_look(folder: Path, how: str) -> None:
    """Once, with the cause; new alarms are told once, too; health is red, no ping is sent, and its end is told."""
    app, heard, pings = app_of(folder), Heard(), []
    app.__dict__["alarm_routes"] = AlarmRoutes((heard,))
    more: list[Alarm] = []
    alarm_job = AlarmJob(lambda: app, Notes(), lambda: more)
    alarm_job._ping = lambda app: pings.append(1)  # type: ignore[method-assign]
    alarm_job.look()
    assert (heard.take(), alarm_job.store_trouble, pings) == ([], "", [1])
    app.stores.close()
    break_disk(folder, how)
    for expected in ([("unwritable:the store of this node", False)], []):
        alarm_job.look()
        if expected:
            alarm = heard.notices[0].alarm
            assert f"is on a file system that is {how}" in alarm.words
            assert alarm.hint
        assert heard.take() == expected
    assert f"is on a file system that is {how}" in alarm_job.store_trouble
    more.append(Alarm(cause="other", level=Level.NOTE, subject="s", words="w"))
    for expected in ([("other", False)], []):
        alarm_job.look()
        assert heard.take() == expected
    assert pings == [1]
    app.stores.close()
    remount(folder, "rw,size=4m")
    alarm_job.look()
    assert heard.take() == [("unwritable:the store of this node", True)]
    assert (alarm_job.store_trouble, pings) == ("", [1, 1])
    assert set(app.stores.alarms.told()) == {"other"}


def certd(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command."""
    argv = [sys.executable, "-m", "certd", "--config", str(folder / "certd.toml"), *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, cwd=ROOT)


@pytest.mark.parametrize("how", ["full", "read-only"])
def test_commands_that_only_look(folder: Path, how: str) -> None:
    """They read without writing, and name the cause."""
    app = app_of(folder)
    app.stores.close()
    assert "cannot be written" not in certd(folder, "status").stderr
    break_disk(folder, how)
    words = f"the store of this node cannot be written: its file is on a file system that is {how}"
    said = certd(folder, "status")
    assert said.returncode == 3
    assert "a.example.com  " in said.stdout
    assert words in said.stderr
    body = json.loads(certd(folder, "status", "--json").stdout)["status"]
    assert (body["store_trouble"], len(body["links"])) == (words, 1)
    monitored = certd(folder, "status", "--nagios")
    assert monitored.returncode == 1
    assert words in monitored.stdout
    assert "a.example.com: " in certd(folder, "plan").stdout
    (host,) = json.loads(certd(folder, "check", "--json").stdout)["check"]["hosts"]
    (found,) = [each for each in host["findings"] if each["name"] == "store.writable"]
    assert (found["grade"], words in found["words"]) == ("fail", True)


def answer(port: int, path: str) -> tuple[int, str]:
    """What the status page answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_the_daemon_on_a_disk_that_fills_up(folder: Path) -> None:
    """Within a minute the alarm goes out and health and readiness are red; with space all is well again."""
    port, told = free_port(), folder / "told"
    app = app_of(folder, f"127.0.0.1:{port}")
    app.stores.close()
    argv = [sys.executable, "-m", "certd", "--config", str(folder / "certd.toml"), "run"]
    daemon = Process(argv, log=folder / "log", env={**os.environ, "CERTD_LOG": "plain"}, cwd=ROOT)
    daemon.start()
    try:
        daemon.wait_until(lambda: (folder / "state" / "control.sock").exists(), what="control socket")
        daemon.wait_until(lambda: "ready" in (folder / "log").read_text(), what="ready")
        assert answer(port, "/healthz")[0] == answer(port, "/readyz")[0] == 200
        shrink(folder / "state", 0)
        deadline = time.monotonic() + 90
        while not (told.exists() and "unwritable:" in told.read_text()):
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.5)
        for path in ("/healthz", "/readyz"):
            code, words = answer(port, path)
            assert (code, "a store cannot be written" in words) == (503, True), words
        remount(folder, "size=4m")
        deadline = time.monotonic() + 90
        while answer(port, "/healthz")[0] != 200:
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.5)
        assert answer(port, "/readyz")[0] == 200
    finally:
        daemon.stop()
