"""What fails beside others is tried once more alone, one by one: ``make test`` loads this as a plugin of pytest.

The tests start real servers, and a machine that runs several at once may keep one waiting for longer than it expects.
A test that passes alone is no failure of certd, but it is said: with its first failure, in a section of its own, and in
pytest's closing line. One that fails twice fails the run. A run that was interrupted, could not be collected or broke
off stays what it is.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

SECOND = "needed a second try"

# More than so many is no bad luck.
MOST = 20
SECONDS_EACH = 600


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """After the workers have ended and before the summary is written. Only the controller of a parallel run does it."""
    config = session.config
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        return
    if exitstatus != pytest.ExitCode.TESTS_FAILED or session.shouldstop or session.shouldfail:
        return
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is None:
        return
    left = tried_again(terminal.stats, lambda name: passes_alone(name, config.rootpath))
    if not left:
        session.testsfailed = 0
        session.exitstatus = pytest.ExitCode.OK


def tried_again(stats: dict[str, list[Any]], passes: Callable[[str], bool]) -> int:
    """Move what passes alone to a category of its own; returns how many failures are left."""
    failures = [*stats.get("failed", []), *stats.get("error", [])]
    names = list(dict.fromkeys(report.nodeid for report in failures))
    if len(names) > MOST or any(not isinstance(report, pytest.TestReport) for report in failures):
        return len(failures)
    lucky = {name for name in names if passes(name)}
    for category in ("failed", "error"):
        stats[category] = [report for report in stats.get(category, []) if report.nodeid not in lucky]
        if not stats[category]:
            del stats[category]
    for report in failures:
        if report.nodeid in lucky:
            stats.setdefault(SECOND, []).append(report)
    return sum(report.nodeid not in lucky for report in failures)


def passes_alone(name: str, folder: Path) -> bool:
    """Run one test in a process of its own; nothing else runs meanwhile."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_XDIST")}
    argv = [sys.executable, "-m", "pytest", "-n0", "-q", "-p", "no:cacheprovider", name]
    try:
        return subprocess.run(argv, cwd=folder, env=own, capture_output=True, timeout=SECONDS_EACH).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say it, with what went wrong the first time."""
    reports: Sequence[Any] = terminalreporter.stats.get(SECOND, [])
    if not reports:
        return
    terminalreporter.section(SECOND)
    for report in reports:
        terminalreporter.write_line(f"--- the first try of {report.nodeid}")
        for line in str(report.longreprtext).splitlines()[-40:]:
            terminalreporter.write_line(f"    {line}")
    for name in dict.fromkeys(report.nodeid for report in reports):
        terminalreporter.write_line(f"{SECOND}: {name}")
