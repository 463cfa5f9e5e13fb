"""Free ports, also for several test workers side by side."""

from __future__ import annotations

import itertools
import os
import random
import socket

# Below the ephemeral range (32768 and up), a thousand for each worker, begun somewhere by chance: two runs of the
# suite on one machine rarely meet, and what is taken is skipped.
_WORKER = int("".join(letter for letter in os.environ.get("PYTEST_XDIST_WORKER", "") if letter.isdigit()) or 11)
_FIRST = 20000 + 1000 * (_WORKER % 12)
_OFFSET = random.SystemRandom().randrange(1000)
_NUMBERS = itertools.cycle(range(1000))


def free_port() -> int:
    """A port that nobody has on 127.0.0.1, neither by TCP nor by UDP; handed out once."""
    for number in _NUMBERS:
        port = _FIRST + (_OFFSET + number) % 1000
        if _is_free(port, socket.SOCK_STREAM) and _is_free(port, socket.SOCK_DGRAM):
            return port
    raise AssertionError("a cycle does not end")


def _is_free(port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
