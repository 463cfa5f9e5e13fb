"""APScheduler as clockwork: a handful of static jobs in its memory store, and no truth in it.

``plan`` says when, by a due time in the store; this makes it happen. What its defaults lose is in the measurements
behind ``JOB_DEFAULTS``: with the default ``misfire_grace_time`` 60 of 100 jobs due together were dropped for good.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

JOB_DEFAULTS = {"misfire_grace_time": None, "coalesce": True, "max_instances": 2}

# Dispatching is re-armed to the next due time, at most so far away.
LONGEST_PAUSE = timedelta(seconds=15)

DISPATCH = "dispatch"


class Clockwork:
    """Runs ``dispatch`` when something is due, when it is kicked, and at the latest every 15 seconds; and slower jobs
    at their intervals.
    """

    def __init__(self, dispatch: Callable[[], datetime | None]) -> None:
        self._dispatch = dispatch
        self._slow: dict[str, tuple[Callable[[], None], timedelta]] = {}
        self._scheduler = BackgroundScheduler(timezone=UTC, job_defaults=JOB_DEFAULTS)
        self._kicked = threading.Event()
        self.dispatched_at = time.monotonic()

    def every(self, interval: timedelta, name: str, call: Callable[[], None]) -> None:
        """Add a slow job; the first run comes after one interval."""
        self._slow[name] = (call, interval)

    def start(self) -> None:
        """Start the scheduler's thread and the first dispatch."""
        self._scheduler.start()
        self.arm()

    def arm(self) -> None:
        """(Re-)add every job with times computed from the clock as it is now: heals what a clock that was set back
        or a suspended machine did to APScheduler's own waits (dependencies.md 2.1).
        """
        now = datetime.now(UTC)
        pause = IntervalTrigger(seconds=LONGEST_PAUSE.total_seconds(), timezone=UTC)
        self._scheduler.add_job(self._run, pause, id=DISPATCH, next_run_time=now, replace_existing=True)
        for name, (call, interval) in self._slow.items():
            trigger = IntervalTrigger(seconds=interval.total_seconds(), timezone=UTC)
            self._scheduler.add_job(call, trigger, id=name, next_run_time=now + interval, replace_existing=True)

    def kick(self) -> None:
        """Dispatch now; kicks that come while one is on its way are one kick."""
        if not self._kicked.is_set():
            self._kicked.set()
            self._scheduler.modify_job(DISPATCH, next_run_time=datetime.now(UTC))

    def stop(self) -> None:
        """Stop without waiting for jobs."""
        self._scheduler.shutdown(wait=False)

    def _run(self) -> None:
        self._kicked.clear()
        due = self._dispatch()
        self.dispatched_at = time.monotonic()
        now = datetime.now(UTC)
        latest = now + LONGEST_PAUSE
        if not self._kicked.is_set():
            at = latest if due is None else min(max(due, now), latest)
            self._scheduler.modify_job(DISPATCH, next_run_time=at)
