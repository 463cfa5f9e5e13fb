"""Commands, cold: processor time of the whole process."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

from tests.bench.figures import Figure, percentile
from tests.lab.scene import Scene

RUNS = 7


def seconds(argv: list[str], environment: dict[str, str]) -> float:
    """Median processor time."""
    found = []
    for _ in range(RUNS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return percentile(found, 0.5)


def commands(folder: Path) -> list[Figure]:
    """``certd --help`` and ``certd status``."""
    with Scene(folder) as scene:
        scene.nginx.start()
        scene.run("once")
        program = [str(Path(sys.executable).parent / "certd")]
        helped = seconds([*program, "--help"], dict(os.environ))
        status = seconds([*program, "--config", str(scene.config), "status"], dict(os.environ))
    return [
        Figure(name="certd --help", value=helped, unit="s CPU", most=0.15),
        Figure(name="certd status", value=status, unit="s CPU", most=0.3),
    ]
