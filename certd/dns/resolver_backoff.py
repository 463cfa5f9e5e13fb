"""One question at a time while nobody answers: a resolver that is away costs one wait, not one for each link."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from certd.clicks.model import Pointing
from certd.clicks.port import Names

# A lost packet, or a zone whose servers a resolver waits for too long, is no resolver that is away.
SILENT_AFTER = 3
PAUSE_SECONDS = 15.0


class ResolverBackoff:
    """Implements ``ports.Names`` over another. Safe to use from several threads.

    While the resolvers are silent, ``seen`` asks about one host every fifteen seconds; for all others it says what was
    heard last. The first answer ends it.
    """

    def __init__(self, names: Names, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._names = names
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._silences = 0
        self._last: Pointing | None = None
        self._again = 0.0

    def seen(self, host: str) -> Pointing:
        """See ``ports.Names``."""
        with self._lock:
            now = self._monotonic()
            if self._last is not None and self._silences >= SILENT_AFTER:
                if now < self._again:
                    return self._last
                # Others hear what was heard last until this one has been answered, or long been silent.
                self._again = now + PAUSE_SECONDS
        found = self._names.seen(host)
        with self._lock:
            self._silences = self._silences + 1 if found.trouble else 0
            self._last = found
            self._again = self._monotonic() + PAUSE_SECONDS
        return found

    def everywhere(self, host: str) -> tuple[Pointing, ...]:
        """See ``ports.Names``."""
        return self._names.everywhere(host)

    def by(self, host: str, resolvers: Sequence[str]) -> tuple[Pointing, ...]:
        """See ``ports.Names``."""
        return self._names.by(host, resolvers)
