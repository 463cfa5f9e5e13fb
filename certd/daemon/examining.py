"""The doctor inside the daemon: the checks that may become wrong by themselves, for each host every six hours."""

from __future__ import annotations

from datetime import datetime, timedelta

from certd.app import App
from certd.config.settings import LinkSettings
from certd.diagnosis.checklist import CHECKS, examine
from certd.diagnosis.findings import Grade
from certd.doctor import patients_of
from certd.model import CheckFinding, ClickFacts
from certd.planning.clicking import examined

EVERY = timedelta(hours=6)

# What is new is looked at once more before anybody is told.
AGAIN = timedelta(minutes=10)

# What the click probe, the deployment and the renewal do not see by themselves, and what no mail is needed for.
CODES = frozenset({"A4", "A6", "A7", "A8", "A10", "B7", "B8", "C4", "C5", "C7", "D1", "D7", "D9", "D10", "F3", "G3"})


def examine_if_due(app: App, link: LinkSettings, facts: ClickFacts, now: datetime) -> ClickFacts:
    """Run them where their time has come; what was found is remembered with the first time that it was."""
    if facts.examined_at is not None:
        is_new = any(finding.since == facts.examined_at for finding in facts.findings)
        if now - facts.examined_at < (AGAIN if is_new else EVERY):
            return facts
    patient = next(
        (each for each in patients_of(app, app.settings, link, app.clock) if each.wish.host == facts.host), None
    )
    if patient is None:
        return facts
    found = examine(patient, [check for check in CHECKS if check.code in CODES])
    return examined(
        facts,
        [
            CheckFinding(name=each.name, words=each.result.words, mend=each.result.mend,
                         is_failure=each.result.grade is Grade.FAIL, since=now)
            for each in found
            if each.result.grade in {Grade.FAIL, Grade.WARN}
        ],
        now,
    )  # fmt: skip
