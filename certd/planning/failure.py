"""A failure as a fact: what is remembered of it, and when the next try may come."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from certd.errors import AcmeProblem, CaaDenied, CertdError, ClockAmiss, DnsRefused, NotDelegated
from certd.model import Attempt, Desired, LineageFacts
from certd.planning.acme_errors import WRONG_CERTIFICATE, Refusal, refusal_for, told_wait
from certd.planning.backoff import DAILY, after_failure, local_patience
from certd.planning.relax import relax_at

# How many configurations that failed are remembered.
MOST_MARKS = 8

# A record that somebody else must make or change is looked at so often; asking the DNS costs the CA nothing.
WATCH_EVERY = timedelta(minutes=1)
DELEGATION = "delegation"


def failed_attempt(desired: Desired, facts: LineageFacts, error: CertdError, now: datetime) -> Attempt:
    """What is remembered of a failure, and when the next try may come."""
    marks = tuple(dict.fromkeys((*facts.attempt.marks, *([desired.mark] if desired.mark else []))))[-MOST_MARKS:]
    before = replace(facts.attempt, issuer=desired.issuer.name, marks=marks)
    first = before.first_failed_at or now
    if isinstance(error, DnsRefused | ClockAmiss) or (isinstance(error, AcmeProblem) and error.type == "gone"):
        count = before.dns_failures + 1
        kind = "dns" if isinstance(error, DnsRefused) else "gone"
        wait = local_patience(count)
        match error:
            case NotDelegated():
                kind, wait = DELEGATION, WATCH_EVERY
                # A wait of its own: what failed before it does not make it longer.
                first = first if before.kind == DELEGATION else now
            case CaaDenied():
                kind, wait = "caa", WATCH_EVERY if error.awaited else wait
            case ClockAmiss():
                kind = "clock"
        return replace(
            before,
            dns_failures=count,
            first_failed_at=first,
            failed_at=now,
            kind=kind,
            message=str(error),
            hint=error.hint,
            not_before=now + wait,
        )
    row, retry_after = judged(error, now)
    kind = row.kind or (error.type if isinstance(error, AcmeProblem) else "unknown")
    failures = before.failures + 1
    not_before = after_failure(
        failures=failures,
        kind=kind,
        terms=desired.issuer,
        current=facts.current,
        now=now,
        retry_after=retry_after,
        again=row.again,
    )
    if kind == "invalidProfile" and facts.current is not None:
        not_before = min(not_before, max(relax_at(facts.current), now + DAILY / 24))
    return replace(
        before,
        failures=failures,
        first_failed_at=first,
        failed_at=now,
        kind=kind,
        message=str(error),
        hint=error.hint or row.hint,
        not_before=not_before,
    )


def judged(error: CertdError, now: datetime) -> tuple[Refusal, timedelta | None]:
    """The row of the table for a failure, and the wait that the speaker asked for."""
    if isinstance(error, AcmeProblem):
        return refusal_for(error), told_wait(error, now)
    return WRONG_CERTIFICATE, None


def is_passing(problem: AcmeProblem) -> bool:
    """A refusal that says nothing about the order: the server is busy, or we are too fast."""
    return refusal_for(problem).kind in {"busy", "badNonce", "rateLimited", "orderNotReady"} or problem.status >= 500
