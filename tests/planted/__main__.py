"""Plants each bug in a copy of the checkout and runs the tests that should catch it; exit code 1 when one gets away."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Bug:
    """One patch and what its header says.

    Attributes:
        tests: Arguments for pytest; ``|`` stands for "or" in an expression.
    """

    path: Path
    title: str
    promise: str
    tests: tuple[str, ...]


def bugs() -> list[Bug]:
    """Every patch in this folder."""
    return [read(path) for path in sorted(Path(__file__).parent.glob("*.patch"))]


def read(path: Path) -> Bug:
    """The header's three lines."""
    lines = path.read_text().splitlines()
    said = dict(line.split(": ", 1) for line in lines[:3])
    return Bug(
        path, said["Bug"], said["Against"], tuple(word.replace("|", " or ") for word in said["Caught by"].split(" "))
    )


def plant(bug: Bug, folder: Path) -> subprocess.CompletedProcess[str]:
    """Apply the patch in a folder that holds a copy."""
    return subprocess.run(
        ["patch", "-p1", "--forward", "--silent", "--input", str(bug.path)], cwd=folder, capture_output=True, text=True
    )


def caught(bug: Bug) -> tuple[bool, str, float]:
    """Whether a test fails with the bug planted, which one, and after how many seconds."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="certd-planted-") as name:
        folder = Path(name)
        for part in ("certd", "tests", "requirements", "systemd"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        for part in ("pyproject.toml", "README.md"):
            shutil.copy(ROOT / part, folder / part)
        (folder / ".lab").symlink_to(ROOT / ".lab")
        planted = plant(bug, folder)
        if planted.returncode != 0:
            return False, f"the patch does not apply: {planted.stdout}{planted.stderr}", 0.0
        # -I would hide the copy; PYTHONPATH puts it before the installed checkout.
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--timeout=200", *bug.tests],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=600,
            env={
                "PYTHONPATH": name,
                "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
                "HOME": name,
                "CERTD_TEST_PATIENCE": "25",
            },
        )
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    words = failed[0].split(" - ")[0] if failed else f"nothing failed (exit code {done.returncode})"
    return done.returncode == 1 and bool(failed), words, time.monotonic() - started


def main() -> int:
    """Every bug, or those whose file names contain an argument."""
    chosen = [bug for bug in bugs() if all(word in bug.path.name for word in sys.argv[1:])]
    escaped = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for bug, (is_caught, words, seconds) in zip(chosen, pool.map(caught, chosen), strict=True):
            mark = "caught " if is_caught else "ESCAPED"
            print(f"{mark} {bug.promise:<22} {bug.title}\n        {words} ({seconds:.1f} s)", flush=True)
            escaped += not is_caught
    print(f"{len(chosen) - escaped} of {len(chosen)} planted bugs are caught")
    return 1 if escaped else 0


if __name__ == "__main__":
    sys.exit(main())
