"""The house stays in order: style, types, the direction of imports, no file too long, no address of a machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
MOST_LINES = 400

COMMANDS = {
    "style": ["ruff", "check", "."],
    "format": ["ruff", "format", "--check", "."],
    "types": ["mypy"],
    "imports": ["lint-imports"],
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", COMMANDS)
def test_house_rules(name: str) -> None:
    """ruff, mypy --strict and import-linter find nothing."""
    program, *arguments = COMMANDS[name]
    done = subprocess.run([str(BIN / program), *arguments], cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr


def sources() -> list[Path]:
    """Every Python file of ours."""
    return [path for folder in ("certd", "tests") for path in sorted((ROOT / folder).rglob("*.py"))]


def test_no_file_is_too_long() -> None:
    """A file holds one noun; what grows beyond 400 lines holds two."""
    long = {str(path.relative_to(ROOT)): n for path in sources() if (n := path.read_text().count("\n")) > MOST_LINES}
    assert not long


def test_requirements_name_no_addresses() -> None:
    """Pinned by version and hash; where they come from is the machine's business."""
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text()
        assert "://" not in text, path
        assert text.count("==") <= text.count("--hash="), path


def test_a_daemon_that_does_not_order_yet_is_small() -> None:
    """The ACME stack and its HTTP client are imported when they are first needed."""
    code = (
        "import sys, certd.daemon.run; print([m for m in ('acme', 'josepy', 'requests', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
