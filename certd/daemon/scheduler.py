"""APScheduler as clockwork: a handful of static jobs in its memory store, and no truth in it.

``plan`` says when, by a due time in the store; this makes it happen. What its defaults lose is in the measurements
behind ``JOB_DEFAULTS``: with the default ``misfire_grace_time`` 60 of 100 jobs due together were dropped for good.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from apscheduler.executors.base import BaseExecutor, run_job
from apscheduler.job import Job
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

JOB_DEFAULTS = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}

# A run that re-arms itself for now counts as running until its thread has returned, and a job that runs as often as it
# may is skipped until its next regular time. That it is one at a time is seen to here.
DISPATCH_INSTANCES = 10

# Dispatching is re-armed to the next due time, at most so far away.
LONGEST_PAUSE = timedelta(seconds=15)

# What is due and was not taken though nobody works (the store's clock is behind) is asked for so often.
SHORTEST_PAUSE = timedelta(seconds=1)

# What runs when certd stops is waited for so long: it is in the middle of the store, which is closed next.
STOP_SECONDS = 1.0

DISPATCH = "dispatch"


class DaemonExecutor(BaseExecutor):  # type: ignore[misc]
    """A daemon thread for each run. The threads of APScheduler's own pool are joined when the interpreter ends: one run
    that waits for a frozen database would keep certd from ending in time.

    Args:
        has_nothing_to_do: Asked of a job's id in the scheduler's own thread, before one is made for the run: threads
            that begin and end are much of what an idle certd takes of a processor.
    """

    def __init__(self, has_nothing_to_do: Callable[[str], bool] = lambda job: False) -> None:
        super().__init__()
        self._has_nothing_to_do = has_nothing_to_do

    def submit_job(self, job: Job, run_times: Sequence[datetime]) -> None:
        """Run it, unless there is nothing to do."""
        if not self._has_nothing_to_do(job.id):
            super().submit_job(job, run_times)

    def _do_submit_job(self, job: Job, run_times: Sequence[datetime]) -> None:
        threading.Thread(target=self._run, args=(job, run_times), name=f"job-{job.id}", daemon=True).start()

    def _run(self, job: Job, run_times: Sequence[datetime]) -> None:
        # What the job raises becomes an event, and APScheduler logs it.
        self._run_job_success(job.id, run_job(job, job._jobstore_alias, run_times, self._logger.name))


class Scheduler:
    """Runs ``dispatch`` when something is due, when it is kicked, and at the latest every 15 seconds; and slower jobs
    at their intervals.
    """

    def __init__(self, dispatch: Callable[[], datetime | None]) -> None:
        self._dispatch = dispatch
        self._slow: dict[str, tuple[Callable[[], None], timedelta]] = {}
        self._idle: dict[str, Callable[[], bool]] = {}
        self._scheduler = BackgroundScheduler(
            timezone=UTC, job_defaults=JOB_DEFAULTS, executors={"default": DaemonExecutor(self._has_nothing_to_do)}
        )
        # A slow job that is still running when its next time comes is skipped; that is meant, and no news.
        logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)
        self._arming = threading.Condition()
        self._kicked = False
        self._running = False
        self._stopped = False
        self._slow_running = 0
        self.dispatched_at = time.monotonic()

    def every(
        self, interval: timedelta, name: str, call: Callable[[], None], *, idle: Callable[[], bool] = lambda: False
    ) -> None:
        """Add a slow job; the first run comes after one interval. Those whose intervals are multiples of five seconds
        are woken together: an idle certd spends more on being woken than on what it does then.

        Args:
            idle: Whether there is nothing to do this time; asked in the scheduler's thread, so it must not wait.
        """

        def run() -> None:
            with self._arming:
                if self._stopped:
                    return
                self._slow_running += 1
            try:
                call()
            finally:
                with self._arming:
                    self._slow_running -= 1
                    self._arming.notify_all()

        self._slow[name] = (run, interval)
        self._idle[name] = idle

    def _has_nothing_to_do(self, job: str) -> bool:
        return job in self._idle and self._idle[job]()

    def start(self) -> None:
        """Start the scheduler's thread and the first dispatch."""
        self._scheduler.start()
        self.arm()

    def arm(self) -> None:
        """(Re-)add every job with times computed from the clock as it is now: heals what a clock that was set back
        or a suspended machine did to APScheduler's own waits. A slow job that would come sooner
        keeps its time: a clock that jumps again and again must not put it off for ever.
        """
        now = datetime.now(UTC)
        pause = IntervalTrigger(seconds=LONGEST_PAUSE.total_seconds(), timezone=UTC)
        self._scheduler.add_job(
            self._run, pause, id=DISPATCH, next_run_time=now, replace_existing=True, max_instances=DISPATCH_INSTANCES
        )
        for name, (call, interval) in self._slow.items():
            trigger = IntervalTrigger(seconds=interval.total_seconds(), timezone=UTC)
            armed = self._scheduler.get_job(name)
            at = now + interval if armed is None else min(armed.next_run_time, now + interval)
            self._scheduler.add_job(call, trigger, id=name, next_run_time=at, replace_existing=True)

    def kick(self) -> None:
        """Dispatch now, or once more when the dispatch that is on its way has ended; nothing after ``stop``."""
        with self._arming:
            self._kicked = True
            if not self._running:
                self._dispatch_at(datetime.now(UTC))

    def stop(self) -> None:
        """Begin no job any more, and give those that run a moment to end."""
        with self._arming:
            self._stopped = True
        self._scheduler.shutdown(wait=False)
        with self._arming:
            self._arming.wait_for(lambda: not self._running and not self._slow_running, STOP_SECONDS)

    def _run(self) -> None:
        with self._arming:
            if self._stopped:
                return
            if self._running:
                self._kicked = True
                return
            self._running, self._kicked = True, False
        due: datetime | None = None
        try:
            due = self._dispatch()
            self.dispatched_at = time.monotonic()
        finally:
            # Looked at and re-armed in one go: a kick that came in between would be overwritten, and lost for 15 s.
            with self._arming:
                self._running = False
                self._arming.notify_all()
                now = datetime.now(UTC)
                if self._kicked:
                    self._dispatch_at(now)
                elif due is not None and due < now + LONGEST_PAUSE:
                    self._dispatch_at(due if due > now else now + SHORTEST_PAUSE)
                # Else the interval's own time stands, which comes together with those of the slow jobs.

    def _dispatch_at(self, at: datetime) -> None:
        # A worker may become free when the scheduler has been stopped already.
        with contextlib.suppress(JobLookupError):
            self._scheduler.modify_job(DISPATCH, next_run_time=at)
