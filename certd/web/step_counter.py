"""A journal that counts what passes through it, for the figures."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from certd.ports import Journal

# Bounds of the histogram of work, in seconds.
BUCKETS = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)

# Words of the journal that begin or end a try; everything else is context.
TRIES = frozenset({"ordered", "issued", "served", "not served", "not deployed", "not reloaded", "going back", "drift"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What was counted.

    Attributes:
        steps: By step, and by whom.
        failures: By kind, and of what.
        took: By lane: how many pieces of work took no longer than each of ``BUCKETS``, and longer than the one before
            it, the last longer than all; and the sum of what they took, in seconds.
    """

    steps: Mapping[tuple[str, str], int]
    failures: Mapping[tuple[str, str], int]
    took: Mapping[str, tuple[tuple[int, ...], float]]


class StepCounter:
    """A journal that counts what passes through it: there is one line for each step, so this misses none."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._steps: Counter[tuple[str, str]] = Counter()
        # There from the start: a counter that begins with one shows no increase.
        self._failures: Counter[tuple[str, str]] = Counter({("crash", ""): 0})
        self._buckets: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}

    def say(self, message: str, **fields: str) -> None:
        """See ``ports.Journal``."""
        self._count(message, fields)
        self._journal.say(message, **fields)

    def warn(self, message: str, **fields: str) -> None:
        """See ``ports.Journal``."""
        self._count(message, fields)
        self._journal.warn(message, **fields)

    def crash(self, message: str, error: Exception, **fields: str) -> None:
        """See ``ports.Journal``."""
        with self._lock:
            self._failures["crash", ""] += 1
        self._journal.crash(message, error, **fields)

    def took(self, dependency: str, seconds: float) -> None:
        """A worker has worked on something of a lane for so long."""
        with self._lock:
            counts = self._buckets.setdefault(dependency, [0] * (len(BUCKETS) + 1))
            counts[bisect_left(BUCKETS, seconds)] += 1
            self._seconds[dependency] = self._seconds.get(dependency, 0.0) + seconds

    def _count(self, message: str, fields: Mapping[str, str]) -> None:
        with self._lock:
            if message in TRIES:
                self._steps[message.replace(" ", "_"), fields.get("issuer", "") or fields.get("proxy", "")] += 1
            if message == "attempt failed":
                self._failures[fields.get("kind", "") or "unknown", fields.get("issuer", "")] += 1
            elif message in {"not published", "not served", "not deployed", "not reloaded", "away"}:
                self._failures[message.replace(" ", "_"), fields.get("dependency", "") or fields.get("proxy", "")] += 1

    def counted(self) -> Counts:
        """What was counted since certd started."""
        with self._lock:
            return Counts(
                steps=dict(self._steps),
                failures=dict(self._failures),
                took={
                    dependency: (tuple(counts), self._seconds[dependency])
                    for dependency, counts in self._buckets.items()
                },
            )
