"""The parts of the daemon: workers, dispatching, clockwork, jumps of the clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from certd.daemon.clock_jump import ClockWatch
from certd.daemon.dispatcher import Dispatcher, Source
from certd.daemon.scheduler import Scheduler
from certd.daemon.workers import Task, Workers
from certd.errors import CertdError, Stopping, StoreAway
from certd.model import Lease, Rank
from certd.store.stores import open_stores
from certd.system.clock import SystemClock

NOW = datetime(2026, 11, 24, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Notes:
    """A journal that can be read."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str, **fields: str) -> None:
        self.lines.append(message)

    def warn(self, message: str, **fields: str) -> None:
        self.lines.append(f"{message} {fields}")

    def crash(self, message: str, error: Exception, **fields: str) -> None:
        self.lines.append(f"{message} {error!r}")


def lease(subject: str, dependency: str = "a") -> Lease:
    return Lease(subject=subject, owner="o", generation=1, dependency=dependency, taken_over=False, crashes=0)


def until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_nothing_ends_a_worker() -> None:
    """Neither our own errors, nor somebody's bug, nor stopping."""
    notes = Notes()
    workers = Workers(SystemClock(), notes, size=1)
    done: list[str] = []

    def reconcile(held: Lease) -> None:
        done.append(held.subject)
        match held.subject:
            case "ours":
                raise CertdError("the name server says no")
            case "bug":
                raise ZeroDivisionError
            case "stop":
                raise Stopping

    for subject in ("ours", "bug", "stop", "fine"):
        workers.submit(Task(lease(subject), reconcile, lambda held: None))
        assert workers.drain(60)
    assert done == ["ours", "bug", "stop", "fine"]
    assert "the name server says no" in notes.lines[0]
    assert "ZeroDivisionError" in notes.lines[1]
    assert len(notes.lines) == 2


def test_leases_are_extended_while_somebody_works() -> None:
    """A slow action must not look dead; one whose lease is lost is left to its own next write."""
    workers = Workers(SystemClock(), Notes(), size=2)
    go = threading.Event()
    extended: list[str] = []

    def extend(held: Lease) -> None:
        extended.append(held.subject)
        raise StoreAway("gone")

    def slow(held: Lease) -> None:
        go.wait(60)

    workers.submit(Task(lease("slow"), slow, extend))
    workers.extend_leases()
    assert extended == ["slow"]
    assert workers.busy() == {"a": 1}
    assert workers.free() == 1
    assert not workers.drain(0.05)
    go.set()
    assert workers.drain(60)
    workers.extend_leases()
    assert extended == ["slow"]


def test_no_lane_gets_more_than_half(tmp_path: Path) -> None:
    """Ten links behind one slow CA leave room for another lane's."""
    stores = open_stores(tmp_path, "n")
    for number in range(10):
        stores.lineages.ensure(f"issue:slow{number}", "issuer:slow", Rank.URGENT)
    workers = Workers(SystemClock(), Notes(), size=4)
    go = threading.Event()
    seen: list[str] = []

    def reconcile(held: Lease) -> None:
        seen.append(held.dependency)
        go.wait(60)
        stores.lineages.release(held, due=datetime.now(UTC) + timedelta(days=1), rank=Rank.RENEWAL, because="")

    dispatcher = Dispatcher([Source("s", stores.lineages, reconcile)], workers, Notes())
    dispatcher.dispatch()
    until(lambda: len(seen) == 2)
    stores.lineages.ensure("issue:quick", "issuer:quick", Rank.FIRST)
    dispatcher.dispatch()
    until(lambda: len(seen) == 3)
    assert sorted(seen) == ["issuer:quick", "issuer:slow", "issuer:slow"]
    go.set()
    workers.drain(60)
    stores.close()


def test_a_store_that_is_away_holds_no_other_up() -> None:
    """It is said once, and said again when it is back."""
    notes = Notes()

    class Away:
        is_away = True

        def claim(self, **options: object) -> list[Lease]:
            if self.is_away:
                raise StoreAway("does not answer")
            return []

        def next_due(self) -> datetime:
            return NOW

    away = Away()
    dispatcher = Dispatcher([Source("s", away, lambda held: None)], Workers(SystemClock(), notes), notes)  # type: ignore[arg-type]
    assert dispatcher.dispatch() is None
    assert dispatcher.dispatch() is None
    away.is_away = False
    assert dispatcher.dispatch() == NOW
    assert [line.split(" {")[0] for line in notes.lines] == ["store away", "store back"]


def test_the_clockwork_dispatches_when_something_is_due() -> None:
    """At once, at the due time, and when it is kicked; never later than fifteen seconds."""
    at: list[float] = []
    started = time.monotonic()

    def dispatch() -> datetime | None:
        at.append(time.monotonic() - started)
        return datetime.now(UTC) + SECOND / 2 if len(at) == 1 else None

    clockwork = Scheduler(dispatch)
    clockwork.start()
    until(lambda: len(at) == 2)
    assert 0.4 < at[1] < 14  # and not with the next regular one
    clockwork.kick()
    until(lambda: len(at) == 3)
    clockwork.stop()


def test_kicks_are_never_lost() -> None:
    """A kick that comes while a dispatch is on its way makes another one after it."""
    runs = []
    inside = threading.Event()
    go = threading.Event()

    def dispatch() -> datetime | None:
        runs.append(1)
        inside.set()
        go.wait(60)
        return None

    clockwork = Scheduler(dispatch)
    clockwork.start()
    assert inside.wait(60)
    for _ in range(5):
        clockwork.kick()
    go.set()
    until(lambda: len(runs) >= 2)
    clockwork.kick()
    until(lambda: len(runs) >= 3)
    clockwork.stop()


def test_a_kick_while_the_next_time_is_reckoned_is_not_lost() -> None:
    """It once was: overwritten by the next regular time, fifteen seconds later, with every later kick ignored."""
    runs: list[float] = []
    hooks: list[Callable[[], None]] = []

    class Due(datetime):
        """A due time that is compared just when a worker becomes free."""

        def __lt__(self, other: Any) -> bool:
            if hooks:
                kicker = threading.Thread(target=hooks.pop())
                kicker.start()
                kicker.join(0.3)
            return super().__lt__(other)

        __gt__ = __lt__

    def dispatch() -> datetime | None:
        runs.append(time.monotonic())
        if len(runs) == 1:
            later = datetime.now(UTC) + timedelta(days=1)
            return Due.fromtimestamp(later.timestamp(), UTC)
        return None

    clockwork = Scheduler(dispatch)
    hooks.append(clockwork.kick)
    clockwork.start()
    until(lambda: len(runs) == 2)
    clockwork.stop()


def test_jumps_are_noticed() -> None:
    """A suspended machine, an NTP step either way; seconds are not worth a word."""
    watch = ClockWatch(NOW, 100.0)
    assert watch.jumped(NOW + SECOND, 101.0) == timedelta(0)
    assert watch.jumped(NOW + 3600 * SECOND, 102.0) == 3598 * SECOND
    assert watch.jumped(NOW, 103.0) == -3601 * SECOND
    assert watch.jumped(NOW + 2 * SECOND, 104.0) == timedelta(0)
