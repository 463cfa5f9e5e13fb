"""A copy of certd with a file and a line more, run as a program: what a new adapter costs whoever adds it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Copy:
    """certd's package below a folder, beside the configuration that its commands read."""

    folder: Path

    def add_file(self, name: str, text: str) -> None:
        """A new file of the package."""
        path = self.folder / name
        assert not path.exists(), name
        path.write_text(text)

    def add_line(self, name: str, line: str, *, after: str) -> None:
        """One line into a file of the package, below the line that begins so."""
        path = self.folder / name
        lines = path.read_text().splitlines()
        (place,) = [number for number, each in enumerate(lines) if each.startswith(after)]
        lines.insert(place + 1, line)
        path.write_text("\n".join(lines) + "\n")

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """One of its commands."""
        seen = {**os.environ, "PYTHONPATH": str(self.folder), "CERTD_STATE": str(self.folder / "state"), **environment}
        return subprocess.run(
            [sys.executable, "-m", "certd", "--config", str(self.folder / "certd.toml"), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.folder,
            env=seen,
        )


def copy_of_certd(folder: Path) -> Copy:
    """The package as it is, without what Python compiled of it."""
    shutil.copytree(ROOT / "certd", folder / "certd", ignore=shutil.ignore_patterns("__pycache__"))
    return Copy(folder)
