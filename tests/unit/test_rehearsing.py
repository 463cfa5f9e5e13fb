"""When the way to a certificate is rehearsed, and what follows, as tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from certd.model import Attempt, LineageFacts, Rehearsal, Rehearse, TxtCleanup, Wait
from certd.planning.cleanup import is_due
from certd.planning.issue import plan_issue
from certd.planning.rehearsal import (
    AGAIN,
    has_failed,
    lift_backoff,
    next_rehearsal,
    rehearsal_alarm,
    rehearsal_failed,
    rehearsal_passed,
)
from tests.unit.cases import DAY, NOW, WISH, certificate, facts

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)

# The backstop of a life of 90 days is on day 62.7; a rehearsal is due a week before.
DUE = 56 * DAY
FAILED = Rehearsal(failed_at=NOW - MINUTE, failures=1, message="ns1 refuses", hint="the key")

CASES: dict[str, tuple[LineageFacts, datetime | None, str]] = {
    "nothing issued yet: nothing to rehearse": (facts(), None, ""),
    "far from the renewal: it is planned": (
        facts(current=certificate(age=DAY)),
        NOW + DUE - DAY - 7.2 * HOUR,
        "is rehearsed",
    ),
    "a week before the renewal": (facts(current=certificate(age=DUE)), NOW - 7.2 * HOUR, "is rehearsed"),
    "it passed in this week: once is enough": (
        facts(current=certificate(age=DUE), rehearsal=Rehearsal(passed_at=NOW - HOUR)),
        None,
        "",
    ),
    "one that passed for the renewal before does not count": (
        facts(current=certificate(age=DUE), rehearsal=Rehearsal(passed_at=NOW - 60 * DAY)),
        NOW - 7.2 * HOUR,
        "",
    ),
    "the renewal is due: it is done, not rehearsed": (facts(current=certificate(age=63 * DAY)), None, ""),
    "issued within the hours before: that was its rehearsal": (
        facts(current=replace(certificate(age=DUE), issued_at=NOW - HOUR)),
        None,
        "",
    ),
    "minutes of life: each renewal is the next one's rehearsal": (
        facts(current=certificate(age=30 * MINUTE, life=HOUR)),
        None,
        "",
    ),
    "revoked: replaced, not rehearsed": (
        facts(current=replace(certificate(age=DUE), revoked_because="key compromised")),
        None,
        "",
    ),
    "one that failed is repeated": (
        facts(current=certificate(age=DUE), rehearsal=FAILED),
        NOW - MINUTE + AGAIN[0],
        "repeated: ns1 refuses",
    ),
    "an order that failed where a rehearsal looks": (
        facts(
            current=certificate(age=63 * DAY),
            attempt=Attempt(failures=2, kind="unauthorized", failed_at=NOW, not_before=NOW + DAY),
        ),
        NOW + AGAIN[0],
        "what can be seen",
    ),
    "an order that the CA limits: nothing to see": (
        facts(
            current=certificate(age=63 * DAY),
            attempt=Attempt(failures=2, kind="rateLimited", failed_at=NOW, not_before=NOW + DAY),
        ),
        None,
        "",
    ),
    "one under way is looked at": (
        facts(current=certificate(age=DUE), rehearsal=Rehearsal(began_at=NOW - MINUTE, look_at=NOW, because="ns2")),
        NOW,
        "ns2",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_next_rehearsal(name: str) -> None:
    """Each named case has its time and its reason."""
    given, at, because = CASES[name]
    wait = next_rehearsal(WISH, given, NOW)
    if at is None:
        assert wait is None
    else:
        assert wait is not None
        assert abs(wait.until - at) < timedelta(seconds=1)
        assert because in wait.because


def test_it_is_due_after_everything_that_serves_clients() -> None:
    """Orders and clean-up come first; then it is carried out, and the plan says why."""
    action = plan_issue(WISH, facts(current=certificate(age=DUE)), NOW)
    assert isinstance(action, Rehearse)
    assert "is rehearsed" in action.because
    waiting = plan_issue(WISH, facts(current=certificate(age=DAY)), NOW)
    assert isinstance(waiting, Wait)
    assert "before that the renewal of" in waiting.because


def test_one_that_passes_after_a_failure_lifts_the_backoff() -> None:
    """Down to what the CA's own limit on failed validations asks; a rate limit it does not touch."""
    held = Attempt(failures=3, kind="unauthorized", failed_at=NOW - HOUR, not_before=NOW + DAY)
    before = facts(current=certificate(age=63 * DAY), attempt=held, rehearsal=FAILED)
    assert rehearsal_passed(WISH, before, NOW).attempt.not_before == NOW
    unchanged = rehearsal_passed(WISH, replace(before, rehearsal=Rehearsal()), NOW).attempt
    assert unchanged == held
    limited = replace(held, kind="rateLimited")
    assert lift_backoff(WISH, limited, NOW) == limited
    lately = lift_backoff(WISH, replace(held, failed_at=NOW), NOW)
    assert lately.not_before == NOW + WISH.issuer.pause_after_failed_validation


def test_a_failed_one_is_an_alarm_with_the_margin_in_hand() -> None:
    """It says which renewal would fail and until when clients are served well, and ends with the one that passes."""
    before = facts(current=certificate(age=DUE))
    after = rehearsal_failed(before, "ns1 refuses", "the key", NOW)
    alarm = rehearsal_alarm(after, NOW, {})
    assert alarm is not None
    assert "would fail: ns1 refuses" in alarm.words
    assert alarm.good_until == NOW + 34 * DAY
    assert has_failed(after)
    assert rehearsal_alarm(rehearsal_passed(WISH, after, NOW + HOUR), NOW + HOUR, {}) is None
    renewed = replace(after, current=certificate(age=-HOUR))
    assert not has_failed(renewed)


def test_killed_in_a_rehearsal_its_canary_is_due_at_once() -> None:
    """Whoever takes over removes it in the first pass, and the rehearsal begins anew; an order's value stays owed."""
    canary = TxtCleanup(provider="corp", name="n", value="canary", made_at=NOW, settle_at=NOW + HOUR)
    needed = TxtCleanup(provider="corp", name="n", value="needed", made_at=NOW)
    under_way = Rehearsal(began_at=NOW, values=("canary",), look_at=NOW, failures=2, failed_at=NOW - HOUR)
    after = facts(cleanups=(canary, needed), rehearsal=under_way).unread()
    assert [is_due(cleanup, NOW) for cleanup in after.cleanups if cleanup.value == "canary"] == [True]
    assert [cleanup.settle_at for cleanup in after.cleanups if cleanup.value == "needed"] == [None]
    assert (after.rehearsal.began_at, after.rehearsal.failures) == (None, 2)
