"""One heap for all threads, and what was used for a moment is given back."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Sixteen threads alive at once allocate outside Python's own heap; each heap of glibc reserves 64 MiB of addresses.
PROGRAM = """
import threading
from certd.system.memory import give_back
given = {given} and give_back()
together = threading.Barrier(17)
def work():
    kept = [bytearray(4096) for _ in range(64)]
    together.wait()
threads = [threading.Thread(target=work) for _ in range(16)]
for each in threads:
    each.start()
together.wait()
def size(line):
    start, end = (int(part, 16) for part in line.split(" ")[0].split("-"))
    return end - start
with open("/proc/self/maps") as file:
    print(given, sum("---p" in line and size(line) > 60 << 20 for line in file))
"""


def heaps(*, given: bool) -> tuple[bool, int]:
    """Whether the C library takes it, and how many heaps there are beside the first."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(given=given)], capture_output=True, text=True, check=True
    )
    taken, count = done.stdout.split()
    return taken == "True", int(count)


def test_one_heap_for_all_threads() -> None:
    """Without asking there is one for each of many threads."""
    taken, count = heaps(given=True)
    if not taken:
        pytest.skip("this C library has no mallopt")
    assert count == 0
    assert heaps(given=False)[1] > 0
