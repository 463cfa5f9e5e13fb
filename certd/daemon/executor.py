"""APScheduler's executor on daemon threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime

from apscheduler.executors.base import BaseExecutor, run_job
from apscheduler.job import Job


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
