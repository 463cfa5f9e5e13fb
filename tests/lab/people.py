"""Commands as real users: a copy of certd and its packages that every user of the machine may run.

A checkout often lies where nobody but its owner may look (``/root``), and so may the interpreter of its environment.
"""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STRANGER = 64004


def as_user(uid: int, groups: Sequence[int], argv: Sequence[str]) -> list[str]:
    """The command line that gives a program these rights and no others; the first group is the user's own."""
    listed = f"--groups={','.join(map(str, groups))}" if groups else "--clear-groups"
    return ["setpriv", f"--reuid={uid}", f"--regid={groups[0] if groups else uid}", listed, *argv]


def interpreter() -> str:
    """A Python of this version that a stranger may run; empty: there is none, or we may not become one."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return ""
    for path in (Path(sys.executable), Path(f"/usr/bin/python3.{sys.version_info.minor}"), Path("/usr/bin/python3")):
        # By the modes: setpriv executes with root's rights still, and the library of another Python may be found then.
        open_to_all = path.exists() and all(
            part.stat().st_mode & 0o001 for start in (path, path.resolve()) for part in (start, *start.parents)
        )
        code = f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]!r})"
        if open_to_all and subprocess.run([str(path), "-I", "-c", code], capture_output=True).returncode == 0:
            return str(path)
    return ""


@dataclass(frozen=True, slots=True)
class Installed:
    """certd where everybody may run it."""

    folder: Path
    python: str

    @property
    def environment(self) -> dict[str, str]:
        """What its commands need."""
        path = f"{self.folder}:{self.folder / 'site-packages'}"
        return {"PATH": os.environ["PATH"], "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "CERTD_LOG": "plain"}

    def run(
        self, uid: int, groups: Sequence[int], *arguments: str, extra: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """A certd command as this user, with exactly these groups."""
        argv = as_user(uid, groups, [self.python, "-m", "certd", *arguments])
        return subprocess.run(
            argv, capture_output=True, text=True, cwd="/", env=self.environment | (extra or {}), timeout=90
        )


def install(folder: Path) -> Installed:
    """Copy certd, and its packages by hard links where that goes."""
    shutil.copytree(ROOT / "certd", folder / "certd", ignore=shutil.ignore_patterns("__pycache__"))
    packages = Path(next(path for path in site.getsitepackages() if (Path(path) / "acme").is_dir()))
    linked = subprocess.run(["cp", "-al", str(packages), str(folder / "site-packages")], capture_output=True)
    if linked.returncode:
        shutil.rmtree(folder / "site-packages", ignore_errors=True)
        shutil.copytree(packages, folder / "site-packages", symlinks=True)
    return Installed(folder, interpreter())
