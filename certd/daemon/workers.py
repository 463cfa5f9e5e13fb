"""A pool of threads with lanes: none may take more than half of it (design.md, Never block on one)."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from certd.engine import PATIENCE
from certd.errors import CertdError, Stopping, StoreError
from certd.model import Lease
from certd.ports import Clock, Journal

# A worker does not sit and wait, so few are enough; half of them, the share of one lane, is what the `acme` library
# can use in one process.
DEFAULT_SIZE = 16

PATIENCE_WITH_BACKLOG = timedelta(milliseconds=50)

Reconcile = Callable[[Lease], None]


@dataclass(frozen=True, slots=True)
class Task:
    """A leased subject and how to reconcile it."""

    lease: Lease
    reconcile: Reconcile
    extend: Callable[[Lease], None]


class Workers:
    """Daemon threads, started as they are needed: a stuck one must not keep the process from ending."""

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        *,
        size: int = DEFAULT_SIZE,
        took: Callable[[str, float], None] = lambda dependency, seconds: None,
        crashed: Callable[[Exception], None] = lambda error: None,
    ) -> None:
        self.size = size
        self._took = took
        self._crashed = crashed
        self._clock = clock
        self._journal = journal
        self._tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._running: dict[str, tuple[Task, float]] = {}
        self._threads = 0
        self._finished: Callable[[], None] = lambda: None
        # Set by the dispatcher: more was due than there were workers for.
        self.has_backlog = False

    def on_finished(self, call: Callable[[], None]) -> None:
        """Call this whenever a worker becomes free."""
        self._finished = call

    def submit(self, task: Task) -> None:
        """Run a task in its own time; the caller has made sure that a worker is free."""
        with self._lock:
            self._running[task.lease.subject] = (task, self._clock.monotonic())
            if self._threads < min(len(self._running), self.size):
                self._threads += 1
                threading.Thread(target=self._work, name=f"worker-{self._threads}", daemon=True).start()
        self._tasks.put(task)

    def free(self) -> int:
        """How many more tasks may be submitted."""
        with self._lock:
            return self.size - len(self._running)

    def busy(self) -> Counter[str]:
        """How many workers each lane has."""
        with self._lock:
            return Counter(task.lease.dependency for task, _ in self._running.values())

    def is_behind(self, due: datetime | None) -> bool:
        """Note, and say, whether something is due now that must wait for a worker."""
        self.has_backlog = due is not None and due <= self._clock.now() and self.free() < self.size
        return self.has_backlog

    def patience(self) -> timedelta:
        """How long a worker may wait in place: while others wait for it, hardly at all."""
        return PATIENCE_WITH_BACKLOG if self.has_backlog else PATIENCE

    def extend_leases(self) -> None:
        """Renew what is worked on: an action that takes long (a slow CA, a big proxy) must not look dead. One that was
        lost is noticed by its own next write.
        """
        with self._lock:
            running = [task for task, _ in self._running.values()]
        for task in running:
            with contextlib.suppress(StoreError):
                task.extend(task.lease)

    def drain(self, seconds: float) -> bool:
        """Wait until nobody works; False when somebody still does at the end."""
        deadline = self._clock.monotonic() + seconds
        while self._clock.monotonic() < deadline:
            with self._lock:
                if not self._running:
                    return True
            time.sleep(0.01)
        return False

    def longest(self) -> tuple[str, float]:
        """The subject that has been worked on the longest, and for how many seconds; ("", 0.0) when idle."""
        now = self._clock.monotonic()
        with self._lock:
            ages = [(now - since, subject) for subject, (_, since) in self._running.items()]
        age, subject = max(ages, default=(0.0, ""))
        return subject, age

    def _work(self) -> None:
        while True:
            task = self._tasks.get()
            try:
                task.reconcile(task.lease)
            except Stopping:
                pass
            except CertdError as error:
                self._journal.warn("not done", subject=task.lease.subject, reason=str(error), hint=error.hint)
            except SystemExit:
                # A library that wants to end the process ends one thread, and with it one of few workers.
                self._journal.warn("not done", subject=task.lease.subject, reason="it tried to end certd")
            except Exception as error:  # a worker begins here: nothing may end it
                self._journal.crash("internal error", error, subject=task.lease.subject)
                self._crashed(error)
            finally:
                with self._lock:
                    _, since = self._running.pop(task.lease.subject, (task, self._clock.monotonic()))
                self._took(task.lease.dependency, self._clock.monotonic() - since)
                self._finished()
