"""How often a thread of this process is woken: what an idle daemon costs."""

from __future__ import annotations

import threading
import time
from pathlib import Path


def wakings(name: str, seconds: float) -> int:
    """How often the newest thread of that name gave up the processor within so long: once a waking."""
    (*_, thread) = (one for one in threading.enumerate() if one.name == name)

    def so_far() -> int:
        lines = Path(f"/proc/self/task/{thread.native_id}/status").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))

    before = so_far()
    time.sleep(seconds)
    return so_far() - before
