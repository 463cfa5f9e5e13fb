"""Who is next at one file, among the threads of this process: SQLite's own waiting sleeps in steps of up to 100 ms."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator

# Between our own threads nothing takes so long; after that SQLite's own locks decide, as they do between processes.
PATIENCE_SECONDS = 0.2


class WriteQueue:
    """One at a time, in the order in which they came."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._taken = False

    def take(self) -> None:
        """Wait until it is ours."""
        with self._lock:
            if not self._taken:
                self._taken = True
                return
            ticket = self._ticket()
        is_ours = False
        try:
            is_ours = ticket.acquire()
        finally:
            if not is_ours:
                # Interrupted by a signal's handler: nobody is to wait for us.
                with self._lock:
                    if ticket in self._waiting:
                        self._waiting.remove(ticket)
                    else:
                        self._next()

    def pass_on(self) -> None:
        """Give it to whoever waits the longest."""
        with self._lock:
            self._next()

    def let_others(self) -> bool:
        """Let everybody who waits now have a turn, and wait for ours behind them; False: nobody waits."""
        with self._lock:
            if not self._waiting:
                return False
            ticket = self._ticket()
            self._next()
        is_ours = False
        try:
            is_ours = ticket.acquire()
        finally:
            if not is_ours:
                # Interrupted by a signal's handler: it is raised when the turn is ours, as the caller thinks.
                ticket.acquire()
        return True

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def _ticket(self) -> threading.Lock:
        ticket = threading.Lock()
        ticket.acquire()
        self._waiting.append(ticket)
        return ticket

    def _next(self) -> None:
        if self._waiting:
            self._waiting.popleft().release()
        else:
            self._taken = False


class Gate:
    """A few read at once; a commit waits until nobody does, and new readers wait for the commit.

    It only saves time: whoever has waited long enough goes on, and meets SQLite's own locks.

    Args:
        most: Readers at once. The interpreter runs one at a time anyway, and each of more would open a connection.
    """

    def __init__(self, most: int, patience: float = PATIENCE_SECONDS) -> None:
        self._most = most
        self._patience = patience
        self._lock = threading.Lock()
        self._may_read = threading.Condition(self._lock)
        self._may_commit = threading.Condition(self._lock)
        self._readers = 0
        self._is_closed = False

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Within it a view is open."""
        with self._lock:
            if not self._is_open():
                self._may_read.wait_for(self._is_open, self._patience)
            self._readers += 1
        try:
            yield
        finally:
            with self._lock:
                self._readers -= 1
                if not self._is_closed:
                    self._may_read.notify()
                elif not self._readers:
                    self._may_commit.notify()

    @contextlib.contextmanager
    def closed(self) -> Iterator[None]:
        """Within it nobody reads."""
        with self._lock:
            self._is_closed = True
            if self._readers:
                self._may_commit.wait_for(lambda: not self._readers, self._patience)
        try:
            yield
        finally:
            with self._lock:
                self._is_closed = False
                self._may_read.notify(self._most)

    def _is_open(self) -> bool:
        return not self._is_closed and self._readers < self._most
