"""Memory that was used for a moment is given back: glibc keeps it, a heap for each of many threads (mallopt(3))."""

from __future__ import annotations

import ctypes
import gc

# <malloc.h>
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8

# One heap for all threads: they hardly allocate at the same time, the interpreter lets one run. With 10,000 links their
# heaps held 80 MiB of which 22 were in use; one holds 22 of which 19 are.
HEAPS = 1
GIVEN_BACK_FROM = 512 * 1024
# Said, or glibc raises it with each large block that is freed.
BY_ITSELF_FROM = 128 * 1024


def give_back() -> bool:
    """For this process, before it starts threads. False where the C library knows nothing of it (musl)."""
    # What the modules left while they came was not looked for (``certd.cli.entry``); a daemon would keep it for ever.
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    wanted = ((M_ARENA_MAX, HEAPS), (M_MMAP_THRESHOLD, BY_ITSELF_FROM), (M_TRIM_THRESHOLD, GIVEN_BACK_FROM))
    return all(mallopt(option, value) == 1 for option, value in wanted)
