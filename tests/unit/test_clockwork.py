"""When dispatching happens: at once when kicked, not more often than it helps, and never not at all."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from apscheduler.schedulers import SchedulerNotRunningError

from certd.daemon.dispatcher import Dispatcher, Source
from certd.daemon.scheduler import Scheduler
from certd.daemon.workers import Workers
from certd.model import Lease, Rank
from certd.store.stores import open_stores
from certd.system.clock import SystemClock
from tests.unit.test_daemon_parts import Notes, until

Start = Callable[[Callable[[], datetime | None]], Scheduler]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts clockworks, and stops them at the end."""
    started: list[Scheduler] = []

    def start(dispatch: Callable[[], datetime | None]) -> Scheduler:
        scheduler = Scheduler(dispatch)
        scheduler.start()
        started.append(scheduler)
        return scheduler

    yield start
    for scheduler in started:
        with contextlib.suppress(SchedulerNotRunningError):
            scheduler.stop()


def test_kicks_work_after_many_in_a_long_dispatch(start: Start) -> None:
    """However many came while it ran, there is one more, and the next kick is heard as well."""
    runs: list[float] = []
    go = threading.Event()

    def dispatch() -> None:
        runs.append(time.monotonic())
        go.wait(60)

    scheduler = start(dispatch)
    until(lambda: len(runs) == 1)
    for _ in range(5):
        scheduler.kick()
        time.sleep(0.06)
    go.set()
    until(lambda: len(runs) >= 2)
    time.sleep(0.15)
    before = len(runs)
    assert before <= 3
    scheduler.kick()
    until(lambda: len(runs) > before, 14)


def test_a_kick_in_every_dispatch_is_heard_every_time(start: Start) -> None:
    """A worker becomes free while it runs, again and again: the run that ends and the one that begins may overlap in
    the scheduler's eyes, which skips what it thinks runs too often already.
    """
    runs = threading.Semaphore(0)
    interval = sys.getswitchinterval()
    ready = threading.Event()

    def dispatch() -> None:
        assert ready.wait(60)
        runs.release()
        scheduler.kick()

    sys.setswitchinterval(1e-6)
    try:
        scheduler = start(dispatch)
        ready.set()
        for _ in range(3000):
            assert runs.acquire(timeout=14)
    finally:
        sys.setswitchinterval(interval)


def test_dispatching_is_one_at_a_time(start: Start) -> None:
    """Also when it is re-armed in the middle of one: the next begins when the first has ended."""
    inside: list[int] = []
    most: list[int] = []
    go = threading.Event()

    def dispatch() -> None:
        inside.append(1)
        most.append(len(inside))
        go.wait(0.5)
        inside.pop()

    scheduler = start(dispatch)
    until(lambda: len(most) == 1)
    for _ in range(3):
        scheduler.arm()
        time.sleep(0.05)
    until(lambda: len(most) >= 2)
    go.set()
    assert max(most) == 1


def test_a_kick_after_the_end_does_nothing(start: Start) -> None:
    """A worker that becomes free while certd stops must not die of it; neither does one kick before the start."""
    early = Scheduler(lambda: None)
    early.kick()
    runs: list[int] = []
    scheduler = start(lambda: runs.append(1))
    until(lambda: len(runs) == 1)
    time.sleep(0.05)
    stopped = Scheduler(lambda: None)
    stopped.start()
    time.sleep(0.1)
    stopped.stop()
    stopped.kick()
    scheduler.kick()
    until(lambda: len(runs) == 2)


def test_a_dispatch_that_fails_is_made_again(start: Start) -> None:
    """When it is kicked; and what it failed of is no sign of life."""
    runs: list[int] = []

    def dispatch() -> None:
        runs.append(1)
        if len(runs) == 1:
            raise ZeroDivisionError

    scheduler = start(dispatch)
    alive = scheduler.dispatched_at
    until(lambda: len(runs) == 1)
    time.sleep(0.05)
    assert scheduler.dispatched_at == alive
    scheduler.kick()
    until(lambda: scheduler.dispatched_at > alive)


def test_what_is_held_back_is_not_asked_for_without_a_pause(start: Start) -> None:
    """Something due that cannot be taken, or a store whose clock is behind: once a second, not once a millisecond."""
    runs: list[float] = []

    def dispatch() -> datetime:
        runs.append(time.monotonic())
        return datetime.now(UTC) - timedelta(seconds=3)

    start(dispatch)
    until(lambda: len(runs) == 2)
    assert 0.8 < runs[1] - runs[0] < 14


def test_a_full_lane_costs_nothing(start: Start, tmp_path: Path) -> None:
    """A hundred links behind one slow CA: the store is left in peace until a worker is free."""
    stores = open_stores(tmp_path, "n")
    for number in range(10):
        stores.lineages.ensure(f"issue:slow{number}", "issuer:slow", Rank.URGENT)
    workers = Workers(SystemClock(), Notes(), size=4)
    go = threading.Event()
    seen: list[str] = []
    dispatched: list[int] = []

    def reconcile(held: Lease) -> None:
        seen.append(held.subject)
        go.wait(60)
        later = datetime.now(UTC) + timedelta(days=1)
        stores.lineages.release(held, due=later, rank=Rank.RENEWAL, because="")

    dispatcher = Dispatcher([Source("s", stores.lineages, reconcile)], workers, Notes())

    def dispatch() -> datetime | None:
        dispatched.append(1)
        return dispatcher.dispatch()

    scheduler = start(dispatch)
    workers.on_finished(scheduler.kick)
    until(lambda: len(seen) == 2)
    time.sleep(0.4)
    assert len(dispatched) <= 2
    go.set()
    until(lambda: len(seen) == 10)
    assert workers.drain(60)
    scheduler.stop()
    stores.close()


def test_jumps_do_not_put_slow_jobs_off(start: Start) -> None:
    """A clock that is set again and again, sooner than a job's interval, starves nothing."""
    runs: list[float] = []
    scheduler = Scheduler(lambda: None)
    scheduler.every(timedelta(seconds=0.3), "slow", lambda: runs.append(time.monotonic()))
    scheduler.start()
    started = time.monotonic()
    while time.monotonic() - started < 0.6:
        scheduler.arm()
        time.sleep(0.05)
    scheduler.stop()
    assert runs
    assert runs[0] - started >= 0.25
    assert len(runs) <= 2 + (time.monotonic() - started) / 0.3


@pytest.mark.parametrize("which", ["dispatch", "slow"])
def test_what_runs_has_ended_when_it_has_stopped(which: str) -> None:
    """It is in the middle of the store, which is closed next; and nothing begins after it."""
    began = threading.Event()
    ended: list[str] = []

    def work() -> None:
        began.set()
        time.sleep(0.2)
        ended.append(which)

    scheduler = Scheduler(work if which == "dispatch" else lambda: None)
    if which == "slow":
        scheduler.every(timedelta(seconds=0.05), "slow", work)
    scheduler.start()
    assert began.wait(60)
    scheduler.stop()
    before = list(ended)
    assert before
    scheduler.kick()
    time.sleep(0.15)
    assert ended == before


def test_what_never_ends_is_not_waited_for() -> None:
    """A moment, then certd stops all the same."""
    go = threading.Event()
    began = threading.Event()

    def stuck() -> None:
        began.set()
        go.wait(100)

    scheduler = Scheduler(stuck)
    scheduler.start()
    assert began.wait(60)
    started = time.monotonic()
    scheduler.stop()
    assert time.monotonic() - started < 50
    go.set()


def test_what_never_ends_does_not_keep_the_process() -> None:
    """A run that waits for a frozen database: the interpreter does not join it at its end."""
    code = (
        "import threading, time\n"
        "from certd.daemon.scheduler import Scheduler\n"
        "began = threading.Event()\n"
        "scheduler = Scheduler(lambda: began.set() or time.sleep(100))\n"
        "scheduler.start()\n"
        "began.wait(60)\n"
        "scheduler.stop()\n"
    )
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=90)
    assert done.returncode == 0, done.stderr.decode()
    assert time.monotonic() - started < 80


def test_a_job_that_has_nothing_to_do_is_not_begun(start: Start) -> None:
    """No thread is made for it; it runs at its next time once there is something."""
    runs: list[str] = []
    idle = threading.Event()
    idle.set()
    scheduler = Scheduler(lambda: None)
    scheduler.every(
        timedelta(seconds=0.05), "leases", lambda: runs.append(threading.current_thread().name), idle=idle.is_set
    )
    asked: list[int] = []
    scheduler.every(timedelta(seconds=0.05), "other", lambda: asked.append(1))
    scheduler.start()
    try:
        until(lambda: len(asked) > 5)
        assert runs == []
        idle.clear()
        until(lambda: runs[:1] == ["job-leases"])
    finally:
        scheduler.stop()


def test_a_due_time_is_kept_and_none_leaves_the_regular_one(start: Start) -> None:
    """What is due sooner than the next regular time is not late; when nothing is, dispatching comes at that time."""
    runs: list[float] = []

    def dispatch() -> datetime | None:
        runs.append(time.monotonic())
        return datetime.now(UTC) + timedelta(seconds=0.3) if len(runs) == 1 else None

    start(dispatch)
    until(lambda: len(runs) >= 2)
    assert 0.25 < runs[1] - runs[0] < 14
    until(lambda: len(runs) >= 3)
    assert runs[2] - runs[0] < 45
