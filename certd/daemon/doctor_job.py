"""The doctor inside the daemon: the checks that may become wrong by themselves, for each host every six hours, or where
there are more than seven hundred of them as often as their number allows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime

from certd.app import App
from certd.clicks.judge import with_findings
from certd.clicks.model import CheckFinding, ClickFacts
from certd.config.settings import LinkSettings
from certd.daemon.token_bucket import TokenBucket
from certd.diagnosis.checklist import CHECKS, examine
from certd.diagnosis.findings import Grade
from certd.doctor import subjects_of
from certd.planning.probe_rate import EXAMINATIONS_A_MINUTE, ROOM, examination_is_due, has_news

# What the click probe, the deployment and the renewal do not see by themselves, and what no mail is needed for.
CODES = frozenset({"A4", "A6", "A7", "A8", "A10", "B7", "B8", "C4", "C5", "C7", "D1", "D7", "D9", "D10", "F3", "G3"})

# So many are examined when they are new, without waiting for their turn.
AT_FIRST = 30

# One host at a time, by few threads: nobody waits for it as somebody does for `certd check`, and each thread costs.
THREADS = 4
SECONDS = 20.0


class DoctorRounds:
    """Examines whose time has come. Safe to use from several threads.

    Args:
        monotonic: Seconds.
        examine: What is remembered of a host after an examination.
    """

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        examine: Callable[[App, LinkSettings, ClickFacts, datetime], ClickFacts] | None = None,
    ) -> None:
        self._examine = examine or _examined
        self._allowed = TokenBucket(EXAMINATIONS_A_MINUTE * ROOM / 60, AT_FIRST, monotonic)
        self._one = threading.Lock()

    def seen(self, app: App, link: LinkSettings, facts: ClickFacts, hosts: int, now: datetime) -> ClickFacts:
        """A host that was just looked at, one of so many: examined where that is due and its turn; what was found is
        remembered with the first time that it was.
        """
        if not examination_is_due(facts, hosts, now) or not self._allowed.take(on_credit=has_news(facts)):
            return facts
        if not self._one.acquire(timeout=SECONDS):
            return facts
        try:
            return self._examine(app, link, facts, now)
        finally:
            self._one.release()


def _examined(app: App, link: LinkSettings, facts: ClickFacts, now: datetime) -> ClickFacts:
    subject = next(
        (each for each in subjects_of(app, app.settings, link, app.clock) if each.desired.host == facts.host), None
    )
    if subject is None:
        return facts
    found = examine(subject, [check for check in CHECKS if check.code in CODES], seconds=SECONDS, threads=THREADS)
    return with_findings(
        facts,
        [
            CheckFinding(
                name=each.name,
                words=each.result.words,
                hint=each.result.hint,
                is_failure=each.result.grade is Grade.FAIL,
                since=now,
            )
            for each in found
            if each.result.grade in {Grade.FAIL, Grade.WARN}
        ],
        now,
    )
