"""The real clock: aware times, and waits that end when they should and when the process is asked to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from certd.errors import Stopping
from certd.system.clock import SystemClock

MOMENT = timedelta(milliseconds=50)
LONG = timedelta(days=30000)

WAITS: dict[str, Callable[[SystemClock, timedelta], None]] = {
    "sleep": lambda clock, duration: clock.sleep(duration),
    "sleep_until": lambda clock, duration: clock.sleep_until(clock.now() + duration),
}


def test_now_is_aware_and_utc() -> None:
    """Two clocks of one process agree."""
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert now.utcoffset() == timedelta(0)
    assert before <= now <= datetime.now(UTC)


def test_monotonic_is_seconds_that_never_go_back() -> None:
    """The same ones as everywhere else in the process."""
    clock = SystemClock()
    assert time.monotonic() <= clock.monotonic() <= clock.monotonic()


@pytest.mark.parametrize("name", WAITS)
def test_a_wait_lasts_as_long_as_it_should(name: str) -> None:
    """No shorter; what is over already does not wait."""
    clock = SystemClock()
    started = time.monotonic()
    WAITS[name](clock, -LONG if name == "sleep" else -timedelta(days=1))
    assert time.monotonic() - started < 200
    until = clock.now() + MOMENT
    WAITS[name](clock, MOMENT)
    assert time.monotonic() - started >= 0.04
    if name == "sleep_until":
        assert clock.now() >= until


@pytest.mark.parametrize("name", WAITS)
def test_stopping_ends_every_wait(name: str) -> None:
    """One that is on its way, however long, and each that comes after, however short."""
    clock = SystemClock()
    threading.Timer(0.05, clock.stop.set).start()
    started = time.monotonic()
    with pytest.raises(Stopping):
        WAITS[name](clock, LONG)
    assert time.monotonic() - started < 20
    with pytest.raises(Stopping):
        WAITS[name](clock, timedelta(0))


def test_one_event_stops_everybody() -> None:
    """The event may be somebody else's."""
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopping):
        SystemClock(stop).sleep(LONG)
