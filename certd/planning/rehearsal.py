"""When the way to a certificate is rehearsed, and what follows from it. Pure.

A reused authorization hides dead credentials, a lost delegation or a new CAA record until it is too late. So a tenth
of a life before each renewal, at most a week, everything is done that does not touch the CA's limits: a canary value
at every authoritative server, CAA for each issuer, the issuer's directory. And while an order is held back for what a
rehearsal can see, it is repeated: when it begins to pass, the order need not wait any longer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from certd.model import Alarm, Attempt, Desired, Level, LineageFacts, Rehearsal, Wait
from certd.planning.backoff import rung
from certd.planning.renewal import renewal_moment

AHEAD_SHARE = 1 / 10
AHEAD_MOST = timedelta(days=7)

# What lives shorter is renewed so often that each renewal is the next one's rehearsal.
LEAST_LIFE = timedelta(days=1)

# After one that failed.
AGAIN = (timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6))

# A canary that has not been seen for so long is given up, and swept by whoever comes next.
LONGEST = timedelta(hours=1)

# Failures of an order whose cause lies where a rehearsal looks.
VISIBLE = frozenset({"dns", "unauthorized", "connection", "incorrectResponse", "caa", "dnsUnreachable", "timeout"})

# These waits are the CA's own words; nothing that certd sees can shorten them.
NEVER_LIFTED = frozenset({"rateLimited", "paused"})


def rehearsal_lead(life: timedelta) -> timedelta:
    """So long before the renewal."""
    return min(life * AHEAD_SHARE, AHEAD_MOST)


def is_under_way(rehearsal: Rehearsal, now: datetime) -> bool:
    """Whether one has begun that is still worth going on with."""
    return rehearsal.began_at is not None and now < rehearsal.began_at + LONGEST


def has_failed(facts: LineageFacts) -> bool:
    """Whether the last rehearsal failed, and no certificate has been issued since."""
    failed = facts.rehearsal.failed_at
    if failed is None or not facts.rehearsal.failures:
        return False
    return facts.current is None or facts.current.issued_at < failed


def next_rehearsal(desired: Desired, facts: LineageFacts, now: datetime) -> Wait | None:
    """When the next one is due, which may be past, and why; None where none is."""
    rehearsal, current = facts.rehearsal, facts.current
    if is_under_way(rehearsal, now):
        return Wait(rehearsal.look_at or now, rehearsal.because or "a rehearsal is under way")
    if rehearsal.failed_at is not None and has_failed(facts):
        at = rehearsal.failed_at + rung(AGAIN, rehearsal.failures)
        return Wait(at, f"the rehearsal that failed is repeated: {rehearsal.message}")
    if (after := _after_a_failure(facts.attempt, rehearsal)) is not None:
        return after
    if current is None or current.life < LEAST_LIFE or current.revoked_because:
        return None
    moment = renewal_moment(current)
    at = moment.at - rehearsal_lead(current.life)
    # What was issued since went the whole way itself; what is due already is not rehearsed but done.
    last = max(rehearsal.ended_at or current.issued_at, current.issued_at)
    if last >= at or now >= moment.at:
        return None
    return Wait(at, f"the renewal of {moment.at:%Y-%m-%d %H:%M:%SZ} is rehearsed")


def _after_a_failure(attempt: Attempt, rehearsal: Rehearsal) -> Wait | None:
    """An order that failed and is held back for longer than a rehearsal takes."""
    failed, held = attempt.failed_at, attempt.not_before
    if attempt.kind not in VISIBLE or failed is None or held is None or held - failed <= AGAIN[0] * 2:
        return None
    if rehearsal.ended_at is not None and rehearsal.ended_at >= failed:
        return None
    return Wait(failed + AGAIN[0], f"the order failed ({attempt.kind}); what can be seen of its way is rehearsed")


def rehearsal_passed(desired: Desired, facts: LineageFacts, now: datetime, *, by_hand: bool = False) -> LineageFacts:
    """The facts after one that passed. After one that failed it lifts the backoff, down to what the CA's limits ask."""
    lifts = by_hand or facts.rehearsal.failures > 0
    attempt = lift_backoff(desired, facts.attempt, now) if lifts else facts.attempt
    return replace(facts, attempt=attempt, rehearsal=Rehearsal(passed_at=now, failed_at=facts.rehearsal.failed_at))


def lift_backoff(desired: Desired, attempt: Attempt, now: datetime) -> Attempt:
    """The backoff taken away where it is certd's own. A failed validation still costs its share of an hour."""
    if attempt.not_before is None or attempt.not_before <= now or attempt.kind in NEVER_LIFTED:
        return attempt
    earliest = (attempt.failed_at or now) + desired.issuer.pause_after_failed_validation
    return replace(attempt, not_before=min(attempt.not_before, max(now, earliest)))


def rehearsal_failed(facts: LineageFacts, message: str, hint: str, now: datetime) -> LineageFacts:
    """The facts after one that failed."""
    before = facts.rehearsal
    return replace(
        facts,
        rehearsal=Rehearsal(
            passed_at=before.passed_at, failed_at=now, failures=before.failures + 1, message=message, hint=hint
        ),
    )


def rehearsal_alarm(facts: LineageFacts, now: datetime, labels: Mapping[str, str]) -> Alarm | None:
    """A rehearsal that failed is told at once, with the whole margin in hand."""
    current, rehearsal = facts.current, facts.rehearsal
    if current is None or not has_failed(facts) or rehearsal.failed_at is None:
        return None
    again = rehearsal.failed_at + rung(AGAIN, rehearsal.failures)
    moment = renewal_moment(current).at
    words = f"the renewal of {moment:%Y-%m-%d} would fail: {rehearsal.message}" if now < moment else rehearsal.message
    return Alarm(
        cause=f"rehearsal:{facts.link}",
        level=Level.WARNING,
        subject=facts.link,
        words=words,
        good_until=current.not_after,
        next_step=f"it is rehearsed again at {again:%Y-%m-%d %H:%M:%SZ}",
        hint=rehearsal.hint or f"fix it, then `certd rehearse {facts.link}`",
        labels=labels,
    )
