"""APScheduler's executor on daemon threads."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime

from apscheduler.executors.base import BaseExecutor, run_job
from apscheduler.job import Job


class DaemonExecutor(BaseExecutor):  # type: ignore[misc]
    """A daemon thread for each run. The threads of APScheduler's own pool are joined when the interpreter ends: one run
    that waits for a frozen database would keep certd from ending in time.
    """

    def _do_submit_job(self, job: Job, run_times: Sequence[datetime]) -> None:
        threading.Thread(target=self._run, args=(job, run_times), name=f"job-{job.id}", daemon=True).start()

    def _run(self, job: Job, run_times: Sequence[datetime]) -> None:
        # What the job raises becomes an event, and APScheduler logs it.
        self._run_job_success(job.id, run_job(job, job._jobstore_alias, run_times, self._logger.name))
