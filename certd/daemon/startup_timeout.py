"""A start that takes long, thousands of links to publish for the first time, is not taken for one that hangs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta

from certd.system.systemd import notify

# Said every time for so much longer; what hangs is ended by systemd after that (sd_notify(3), EXTEND_TIMEOUT_USEC).
MORE = timedelta(minutes=2)
EVERY = timedelta(seconds=30)

# A hundred thousand links take less. After that nobody asks for more time.
MOST = timedelta(hours=2)


@contextlib.contextmanager
def extend_startup(
    environment: Mapping[str, str], *, every: timedelta = EVERY, most: timedelta = MOST
) -> Iterator[None]:
    """Ask the service manager for patience until the block ends."""
    done = threading.Event()

    def ask() -> None:
        asked = timedelta(0)
        while asked < most and not done.wait(every.total_seconds()):
            asked += every
            notify(environment, EXTEND_TIMEOUT_USEC=str(MORE // timedelta(microseconds=1)), STATUS="publishing")

    asking = threading.Thread(target=ask, name="patience", daemon=True)
    asking.start()
    try:
        yield
    finally:
        done.set()
        asking.join()
