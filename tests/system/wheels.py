"""certd as a wheel, with everything that it needs, for machines without a network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LAB = ROOT / ".lab"
REQUIREMENTS = ROOT / "requirements" / "runtime.txt"
ALL = tuple(ROOT / "requirements" / f"{name}.txt" for name in ("postgres", "build"))


def wheelhouse(python: str = "") -> Path:
    """The pinned packages, fetched once for each set of pins.

    Args:
        python: For another Python than this one, such as 3.13.
    """
    folder = LAB / f"wheels{python}"
    stamp = folder / ".pins"
    wanted = "".join(pins.read_text() for pins in ALL)
    if not stamp.exists() or stamp.read_text() != wanted:
        folder.mkdir(parents=True, exist_ok=True)
        other = ("--python-version", python) if python else ()
        for pins in ALL:
            pip("download", "-q", "--only-binary=:all:", "--require-hashes", "-r", str(pins), "-d", str(folder), *other)
        stamp.write_text(wanted)
    return folder


def wheel(into: Path) -> Path:
    """certd of this checkout."""
    pip("wheel", "-q", "--no-build-isolation", "--no-deps", "-w", str(into), str(ROOT))
    (made,) = into.glob("certd-*.whl")
    return made


def pip(*arguments: str) -> None:
    """Run pip of the virtual environment; what it says is shown only when it fails."""
    argv = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise AssertionError(f"pip {' '.join(arguments)}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
