"""At a release: what its state folder looks like, kept for the tests of every later one.

``python -m tests.lab.keep_state`` writes tests/fixtures/state-VERSION; with a name and the folder of another checkout,
what that program leaves, such as one from before the first release.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import certd
from tests.lab.scene import ROOT, Scene

FIXTURES = ROOT / "tests" / "fixtures"

# Nobody's renewal moment may come while the fixture is of use.
LIFE = 30 * 365 * 86400
GONE = ("certd.lock", "control.sock", "*-journal")

# What clients must trust to like the kept certificate.
ROOTS = "roots.pem"

RUN = """
import runpy, sys
sys.path[0], sys.argv[0] = {folder!r}, "certd"
runpy.run_module("certd", run_name="__main__", alter_sys=True)
"""


@dataclass
class OtherScene(Scene):
    """With the program of another checkout.

    Args:
        checkout: Its folder; None: this one.
    """

    checkout: Path | None = None

    def command(self, *arguments: str) -> list[str]:
        """Python's first folder is that checkout's."""
        if self.checkout is None:
            return super().command(*arguments)
        return [sys.executable, "-c", RUN.format(folder=str(self.checkout)), "--config", str(self.config), *arguments]


def keep(name: str, checkout: Path | None = None) -> Path:
    """One link, ordered of Pebble and served, and the folder that certd left when it ended."""
    kept = FIXTURES / f"state-{name}"
    with tempfile.TemporaryDirectory(prefix="certd-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        with OtherScene(folder / "scene", life=LIFE, checkout=checkout) as scene:
            scene.nginx.start()
            scene.start_certd()
            deadline = time.monotonic() + 120
            while "served  link=" not in scene.certd_log():
                if time.monotonic() > deadline:
                    raise AssertionError(scene.certd_log())
                time.sleep(0.2)
            scene.stop_certd()
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(scene.state, kept, symlinks=True, ignore=shutil.ignore_patterns(*GONE))
            (kept / ROOTS).write_text(scene.roots)
        for pointer in kept.glob("public/proxies/*/*.conf"):
            pointer.write_text(pointer.read_text().replace(str(folder / "scene" / "state"), "/var/lib/certd"))
    return kept


if __name__ == "__main__":
    said = sys.argv[1:]
    print(keep(said[0], Path(said[1]).resolve()) if said else keep(certd.__version__))
