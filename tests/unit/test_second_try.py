"""``make test`` tries once more what failed beside others; nothing else becomes a success by it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

CROWDED = "import os\ndef test_crowded():\n    assert 'PYTEST_XDIST_WORKER' not in os.environ, 'too many here'\n"
SETUP = (
    "import os, pytest\n@pytest.fixture\ndef place():\n    assert 'PYTEST_XDIST_WORKER' not in os.environ\n"
    "def test_place(place):\n    pass\n"
)
BROKEN = "def test_broken():\n    assert False\n"
FINE = "def test_fine():\n    pass\n"

RUNS: dict[str, tuple[tuple[str, ...], int, str, str]] = {
    # What is run, its exit code, what the closing line says, what else is said.
    "all pass": ((FINE,), 0, "1 passed in", ""),
    "one needs a second try": (
        (FINE, CROWDED),
        0,
        "1 passed, 1 needed a second try in",
        "needed a second try: test_1.py::test_crowded",
    ),
    "one cannot be set up beside others": (
        (FINE, SETUP),
        0,
        "1 passed, 1 needed a second try in",
        "needed a second try: test_1.py::test_place",
    ),
    "one fails twice": ((CROWDED, BROKEN), 1, "1 failed, 1 needed a second try in", "FAILED test_1.py::test_broken"),
    "one cannot be collected": ((FINE, "import nonsense\n"), 1, "1 error in", "ModuleNotFoundError"),
    "one cannot be collected, one is crowded": ((CROWDED, "import nonsense\n"), 1, "1 failed, 1 error in", "nonsense"),
}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A parallel run with the plugin, in a folder of its own."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "COLUMNS"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "1", "-p", "tests.second_try", *arguments],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("name", RUNS)
def test_second_tries(tmp_path: Path, name: str) -> None:
    """The exit code and the closing line tell the truth; the closing line is the last thing said."""
    files, code, closing, said = RUNS[name]
    for number, text in enumerate(files):
        (tmp_path / f"test_{number}.py").write_text(text)
    done = run(tmp_path)
    assert done.returncode == code, done.stdout + done.stderr
    assert closing in done.stdout.splitlines()[-1]
    assert said in done.stdout


def test_a_run_that_stops_at_the_first_failure_stays_one(tmp_path: Path) -> None:
    """``-x``: what was not run cannot have passed."""
    (tmp_path / "test_0.py").write_text(CROWDED + FINE)
    done = run(tmp_path, "-x")
    assert done.returncode != 0, done.stdout
