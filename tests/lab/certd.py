"""certd's commands as processes, without a scene around them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def certd(
    config: Path | None, *arguments: str, code: int | None = 0, seconds: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; another exit code than expected is an error. None: any will do."""
    named = ["--config", str(config)] if config else []
    argv = [sys.executable, "-m", "certd", *named, *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds, cwd=ROOT, env=environment)
    assert code is None or done.returncode == code, (
        f"{arguments}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    )
    return done
