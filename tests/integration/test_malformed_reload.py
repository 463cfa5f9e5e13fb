"""A running daemon whose configuration is edited into something malformed: the old one stays in force."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from certd.config.settings import Settings
from certd.daemon.run import Daemon
from certd.system.clock import SystemClock
from tests.lab.certd import ROOT
from tests.unit.test_daemon_parts import Notes, until

Wait = Callable[[Callable[[], bool]], None]

GOOD = """
[certd]
state = "{state}"
node = "proxy-1"
issue = false
listen = ""

[proxy.files]
reload = "none"

[[link]]
domain = "link.example.com"
"""

# What ended the daemon, and what each mistake is called.
MALFORMED = {
    'include = ""': "include[0]",
    'include = "**.toml"': "include[0]",
    'alarms.webhook = "https://[hooks.example.com/T0/B0"': "alarms.webhook",
    'link = [{ domain = [], proxy = "files" }]': "link[0].domain",
    f"certd.admin_group = {'9' * 4400}": "certd.admin_group",
    f"x = {'[' * 1100}": "nested too deeply",
}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path, Path]]:
    """A daemon that only deploys, its configuration and its log."""
    config, log = tmp_path / "certd.toml", tmp_path / "log"
    config.write_text(GOOD.format(state=tmp_path / "state"))
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    with log.open("w") as file:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "certd", "--config", str(config), "run"],
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env=environment,
        )
    try:
        until(lambda: "ready" in log.read_text() or daemon.poll() is not None)
        yield daemon, config, log
    finally:
        daemon.kill()
        daemon.wait()


def test_a_malformed_edit_leaves_the_old_configuration_in_force(
    running: tuple[subprocess.Popen[str], Path, Path],
) -> None:
    """Each is named in the log; the daemon runs on, and takes the next good file."""
    daemon, config, log = running
    good = config.read_text()
    for line, words in MALFORMED.items():
        text = good.partition("[[link]]")[0] if line.startswith("link") else good
        seen = len(log.read_text())
        config.write_text(
            f"{line}\n{text}" if not line.startswith("certd") else good.replace("[certd]", f"[certd]\n{line[6:]}")
        )
        daemon.send_signal(signal.SIGHUP)
        until(lambda seen=seen: "old one stays" in log.read_text()[seen:] or daemon.poll() is not None)  # type: ignore[misc]
        assert daemon.poll() is None, log.read_text()
        assert words in log.read_text()[seen:]
    config.write_text(good + 'target = "proxy.example.com"\n')
    daemon.send_signal(signal.SIGHUP)
    until(lambda: "configuration read again" in log.read_text())
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(30) == 0


def test_whatever_reading_raises_the_daemon_goes_on() -> None:
    """A fault in certd's own reading is one in the log, and the old configuration stays."""
    notes = Notes()

    def load() -> Settings:
        raise ZeroDivisionError("a fault of certd's")

    daemon = Daemon(load, SystemClock(), notes, {})
    daemon.app = SimpleNamespace(settings=None)  # type: ignore[assignment]
    daemon._status = lambda: ""  # type: ignore[method-assign]
    daemon._reload_aloud()
    (line,) = [line for line in notes.lines if "the old configuration stays" in line]
    assert "ZeroDivisionError" in line


def test_a_second_sigterm_changes_nothing(running: tuple[subprocess.Popen[str], Path, Path]) -> None:
    """However soon after the first one: stopping goes on to its end, with exit code 0 and the last line."""
    daemon, _, log = running
    for _ in range(400):
        daemon.send_signal(signal.SIGTERM)
        time.sleep(0.005)
        if daemon.poll() is not None:
            break
    assert daemon.wait(30) == 0, log.read_text()
    assert "stopped" in log.read_text()
