"""Takes what is due, as much as there are workers for, lane by lane."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from certd.daemon.workers import Reconcile, Task, Workers
from certd.errors import StoreAway, StoreDamaged, StoreError
from certd.ports import Journal, WorkStore


@dataclass(frozen=True, slots=True)
class Source:
    """A store with due work, and what to do with it."""

    name: str
    store: WorkStore
    reconcile: Reconcile


class Dispatcher:
    """One pass at a time; a pass asked for while one runs is made after it."""

    def __init__(self, sources: Sequence[Source], workers: Workers, journal: Journal) -> None:
        self._sources = sources
        self._workers = workers
        self._journal = journal
        self._lock = threading.Lock()
        self._away: dict[str, str] = {}

    def dispatch(self) -> datetime | None:
        """Claim and submit until nothing is due or nobody is free; returns the next due time, None if there is none."""
        with self._lock:
            dues = [self._one(source) for source in self._sources]
        return min((due for due in dues if due is not None), default=None)

    def _one(self, source: Source) -> datetime | None:
        """A store that is away is no outage: the others are asked all the same (design.md, Store away)."""
        try:
            due = self._claim_all(source)
        except StoreDamaged:
            # No dispatch, no watchdog: the service manager starts the next certd, which moves the file aside.
            raise
        except (StoreAway, StoreError) as error:
            if self._away.get(source.name) != str(error):
                self._away[source.name] = str(error)
                self._journal.warn("store away", store=source.name, reason=str(error))
            return None
        if self._away.pop(source.name, None):
            self._journal.say("store back", store=source.name)
        return due

    def _claim_all(self, source: Source) -> datetime | None:
        half = max(1, self._workers.size // 2)
        while (free := self._workers.free()) > 0:
            room = {dependency: max(0, half - count) for dependency, count in self._workers.busy().items()}
            leases = source.store.claim(limit=min(free, half), dependencies=room)
            for lease in leases:
                self._workers.submit(Task(lease, source.reconcile, source.store.extend))
            if not leases:
                due = source.store.next_due()
                if self._workers.is_behind(due):
                    # Its lane has all the workers it may have: the next one that becomes free dispatches again.
                    return None
                return due
        self._workers.has_backlog = True
        return None
