"""At a release: what its state folder looks like, kept for the tests of every later one.

``python -m tests.lab.keep_state`` writes tests/fixtures/state-VERSION.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import certd
from tests.lab.scene import ROOT, Scene

FIXTURES = ROOT / "tests" / "fixtures"

# Nobody's renewal moment may come while the fixture is of use.
LIFE = 30 * 365 * 86400
GONE = ("certd.lock", "control.sock", "*-journal")


def keep() -> Path:
    """One link, ordered of Pebble and served, and the folder that certd left when it ended."""
    kept = FIXTURES / f"state-{certd.__version__}"
    with tempfile.TemporaryDirectory(prefix="certd-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with Scene(folder / "scene", life=LIFE) as scene:
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
        for pointer in kept.glob("public/proxies/*/*.conf"):
            pointer.write_text(pointer.read_text().replace(str(folder / "scene" / "state"), "/var/lib/certd"))
    return kept


if __name__ == "__main__":
    print(keep())
