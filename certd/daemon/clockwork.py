"""APScheduler as clockwork: a handful of static jobs in its memory store, and no truth in it.

``plan`` says when, by a due time in the store; this makes it happen. What its defaults lose is in the measurements
behind ``JOB_DEFAULTS``: with the default ``misfire_grace_time`` 60 of 100 jobs due together were dropped for good.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

JOB_DEFAULTS = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}

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
        self._arming = threading.Lock()
        self._kicked = False
        self._running = False
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
        """Dispatch now, or once more when the dispatch that is on its way has ended."""
        with self._arming:
            self._kicked = True
            if not self._running:
                # After the end there is no job any more; a worker that finishes then needs none.
                with contextlib.suppress(JobLookupError):
                    self._scheduler.modify_job(DISPATCH, next_run_time=datetime.now(UTC))

    def stop(self) -> None:
        """Stop without waiting for jobs."""
        self._scheduler.shutdown(wait=False)

    def _run(self) -> None:
        with self._arming:
            self._running, self._kicked = True, False
        due: datetime | None = None
        try:
            due = self._dispatch()
            self.dispatched_at = time.monotonic()
        finally:
            # Looked at and re-armed in one go: a kick that came in between would be overwritten, and lost for 15 s.
            with self._arming:
                self._running = False
                now = datetime.now(UTC)
                latest = now + LONGEST_PAUSE
                at = now if self._kicked else min(max(due, now), latest) if due is not None else latest
                with contextlib.suppress(JobLookupError):
                    self._scheduler.modify_job(DISPATCH, next_run_time=at)
