"""A deadline for calls that cannot be interrupted: at its end the socket under them is shut, and the read fails."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import socket
import threading
import time
from collections.abc import Iterator


class Watched:
    """One call and the sockets it is on."""

    __slots__ = ("is_over", "is_watched", "sockets")

    def __init__(self) -> None:
        self.sockets: list[socket.socket] = []
        self.is_over = False
        self.is_watched = True


class Guard:
    """One thread that shuts the sockets of calls whose deadline has passed."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._heap: list[tuple[float, int, Watched]] = []
        self._count = itertools.count()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def watch(self, seconds: float, *sockets: socket.socket) -> Iterator[Watched]:
        """Watch over a call for so long; ``is_over`` says afterwards whether its end was forced."""
        watched = Watched()
        watched.sockets.extend(sockets)
        with self._condition:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="guard", daemon=True)
                self._thread.start()
            heapq.heappush(self._heap, (time.monotonic() + seconds, next(self._count), watched))
            if self._heap[0][2] is watched:
                self._condition.notify()
        try:
            yield watched
        finally:
            with self._condition:
                watched.is_watched = False
                watched.sockets.clear()

    def _run(self) -> None:
        with self._condition:
            while True:
                if not self._heap:
                    self._condition.wait()
                    continue
                at, _, watched = self._heap[0]
                if not watched.is_watched:
                    heapq.heappop(self._heap)
                    continue
                left = at - time.monotonic()
                if left > 0:
                    self._condition.wait(left)
                    continue
                heapq.heappop(self._heap)
                watched.is_over = True
                for one in watched.sockets:
                    with contextlib.suppress(OSError):
                        one.shutdown(socket.SHUT_RDWR)


GUARD = Guard()
