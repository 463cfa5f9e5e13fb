"""``make demo``, stopped by Ctrl-C: twice in a row, and nothing is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.lab.scene import ROOT

pytestmark = pytest.mark.lab("pebble", "nginx")


def left_in(session: int) -> list[str]:
    """The command lines of processes that name the demo's folder, or are of its session."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            line = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            state, *fields = (path / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        # What has ended and was not collected yet by its new parent runs no more.
        own = int(fields[2]) == session and state != "Z"
        if own or f"{ROOT}/.lab/demo" in line:
            found.append(line)
    return found


def test_ctrl_c_leaves_nothing_and_it_runs_again() -> None:
    """Exit code 130, no process, no file outside its own folder; the second run finds nothing in its way."""
    for _ in range(2):
        before = {path for path in ROOT.iterdir() if not path.name.startswith(".")}
        demo = subprocess.Popen(
            [sys.executable, "-m", "tests.demo", "--duration", "90"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        watchdog = threading.Timer(120, demo.kill)
        watchdog.start()
        assert demo.stdout is not None
        said = ""
        for line in demo.stdout:
            said += line
            if "clicking every 50 ms" in line:
                # As a terminal does: to the whole foreground group.
                os.killpg(demo.pid, signal.SIGINT)
        code = demo.wait(60)
        watchdog.cancel()
        assert code == 130, said
        assert "nothing is left running" in said
        assert left_in(demo.pid) == []
        assert {path for path in ROOT.iterdir() if not path.name.startswith(".")} == before


def test_a_run_too_short_for_two_renewals_is_refused() -> None:
    """DURATION is at least 90."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.demo", "--duration", "89"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "at least 90" in done.stderr
