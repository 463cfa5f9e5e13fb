"""How loaded this machine is: what certd promises in seconds it promises of a machine that has time for it."""

from __future__ import annotations

import os


def slowness() -> float:
    """1 on a machine with idle processors; how many compete for each where they do (mean of the last minute)."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
