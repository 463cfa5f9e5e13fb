"""A lease while it is worked under: looked at again before each step that acts outside, and what a lost one may have
left behind.

The store refuses the writes of a holder that was frozen for longer than its lease. What such a holder does at a DNS
server or a CA after it wakes, nobody refuses. So it must notice by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from certd.model import Lease, LineageFacts, TxtCleanup
from certd.planning.cleanup import SWEEP_AFTER, merge
from certd.ports import WorkStore

# Half of a lease; a test holds it against the length of one.
LOOK_AFTER = timedelta(seconds=15)


@dataclass(slots=True)
class HeldLease:
    """A lease and when it was last known to be ours.

    Args:
        elapsed: Seconds that go on while the machine is suspended (CLOCK_BOOTTIME).
    """

    store: WorkStore
    lease: Lease
    elapsed: Callable[[], float]
    known_at: float

    @classmethod
    def taken(cls, store: WorkStore, lease: Lease, elapsed: Callable[[], float]) -> HeldLease:
        """A lease that was taken just now."""
        return cls(store, lease, elapsed, elapsed())

    def renewed(self, since: float) -> None:
        """Note that the store renewed it; ``since`` was read before it was asked."""
        self.known_at = since

    def check(self) -> None:
        """Renew it when more than half of it has passed. Raises LeaseLost when it is another's now, or ran out."""
        now = self.elapsed()
        if now - self.known_at > LOOK_AFTER.total_seconds():
            self.store.extend(self.lease)
            self.known_at = now


class Leftovers:
    """TXT values that this process may have added under a lease that it had lost, by link. Only in memory: what is on
    the books of the store is swept a day after it was removed, whatever happens here.
    """

    def __init__(self) -> None:
        self._by_link: dict[str, tuple[TxtCleanup, ...]] = {}

    def put(self, link: str, cleanups: Sequence[TxtCleanup]) -> None:
        """Remember these, too."""
        self._by_link[link] = (*self._by_link.get(link, ()), *cleanups)

    def take(self, link: str) -> tuple[TxtCleanup, ...]:
        """Hand over what is remembered of a link, and forget it."""
        return self._by_link.pop(link, ())

    def links(self) -> tuple[str, ...]:
        """The links with such values."""
        return tuple(self._by_link)


def with_leftovers(facts: LineageFacts, leftovers: Sequence[TxtCleanup], now: datetime) -> LineageFacts:
    """The facts with these values due for removal, for whoever holds the lineage now.

    A value that the store says is still needed, or still to be removed, is left to the order that it belongs to. Only
    one that was removed already, or is on no books any more, is removed once more.
    """
    known = {(cleanup.provider, cleanup.name, cleanup.value): cleanup for cleanup in facts.cleanups}
    again = []
    for cleanup in leftovers:
        listed = known.get((cleanup.provider, cleanup.name, cleanup.value))
        if listed is not None and listed.settled_at is None:
            continue
        listed = listed or cleanup
        again.append(replace(listed, settle_at=listed.settle_at or now, settled_at=now - SWEEP_AFTER, failures=0))
    return replace(facts, cleanups=merge(facts.cleanups, tuple(again))) if again else facts
