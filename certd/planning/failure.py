"""A failure as a fact: what is remembered of it, and when the next try may come."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from certd.errors import (
    AcmeProblem,
    CaaDenied,
    CertdError,
    ClockAmiss,
    ConfigurationError,
    CredentialMissing,
    DnsRefused,
    NotDelegated,
    SecretUnreadable,
)
from certd.model import NO_ATTEMPT, Attempt, Deployment, Desired, LineageFacts
from certd.planning.acme_errors import WRONG_CERTIFICATE, Refusal, refusal_for, told_wait
from certd.planning.backoff import DAILY, LEAST_DELAY_SHARE, after_failure, in_time, local_patience
from certd.planning.deploy import ends_first
from certd.planning.relax import least_wish, relax_at

# How many configurations that failed are remembered.
MOST_MARKS = 8

# A record that somebody else must make or change is looked at so often; asking the DNS costs the CA nothing.
WATCH_EVERY = timedelta(minutes=1)
DELEGATION = "delegation"

# What ends a worker and is no answer of a CA or a name server.
SECRET, CONFIGURATION, INTERNAL = "secret", "configuration", "internal"
INTERRUPTIONS = frozenset({SECRET, CONFIGURATION, INTERNAL})


def failed_attempt(desired: Desired, facts: LineageFacts, error: CertdError, now: datetime) -> Attempt:
    """What is remembered of a failure, and when the next try may come."""
    marks = tuple(dict.fromkeys((*facts.attempt.marks, *([desired.mark] if desired.mark else []))))[-MOST_MARKS:]
    before = replace(facts.attempt, issuer=desired.issuer.name, marks=marks, relaxed=desired.is_relaxed)
    first = before.first_failed_at or now
    if isinstance(error, DnsRefused | ClockAmiss) or (isinstance(error, AcmeProblem) and error.type == "gone"):
        count = before.dns_failures + 1
        kind = "dns" if isinstance(error, DnsRefused) else "gone"
        wait = in_time(local_patience(count), facts.current, now)
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
        is_safe=least_wish(desired, facts, now) is not desired,
    )
    if kind == "invalidProfile" and facts.current is not None:
        soon = now + min(DAILY / 24, facts.current.life * LEAST_DELAY_SHARE)
        not_before = min(not_before, max(relax_at(facts.current), soon))
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


def failed_validation(desired: Desired, facts: LineageFacts, problem: AcmeProblem, now: datetime) -> Attempt:
    """What is remembered of a validation that failed while its order stays pending. It counts as a failure, and holds
    nothing back: the order itself says when the challenge is answered again.
    """
    before, row = facts.attempt, refusal_for(problem)
    return replace(
        before,
        issuer=desired.issuer.name,
        failures=before.failures + 1,
        first_failed_at=before.first_failed_at or now,
        failed_at=now,
        kind=row.kind or problem.type,
        message=str(problem),
        hint=row.hint,
    )


def judged(error: CertdError, now: datetime) -> tuple[Refusal, timedelta | None]:
    """The row of the table for a failure, and the wait that the speaker asked for."""
    if isinstance(error, AcmeProblem):
        return refusal_for(error), told_wait(error, now)
    return WRONG_CERTIFICATE, None


def is_passing(problem: AcmeProblem) -> bool:
    """A refusal that says nothing about the order: the server is busy, or we are too fast."""
    return refusal_for(problem).kind in {"busy", "badNonce", "rateLimited", "orderNotReady"} or problem.status >= 500


def interrupted(desired: Desired, facts: LineageFacts, error: BaseException, now: datetime) -> LineageFacts:
    """The facts after an exception that ended a worker: it is counted, and tried again on the local ladder. An open
    order is kept: the CA has not refused it.
    """
    before = facts.attempt
    marks = tuple(dict.fromkeys((*before.marks, *([desired.mark] if desired.mark else []))))[-MOST_MARKS:]
    count = before.dns_failures + 1
    kind, words, hint = interruption(error)
    until = now + in_time(local_patience(count), facts.current, now)
    attempt = replace(
        before,
        issuer=desired.issuer.name,
        marks=marks,
        dns_failures=count,
        failed_at=now,
        kind=kind,
        message=words,
        first_failed_at=before.first_failed_at or now,
        hint=hint,
        not_before=until,
    )
    order = facts.order and replace(facts.order, look_at=max(until, facts.order.look_at), because=words)
    return replace(facts, attempt=attempt, order=order)


def interruption(error: BaseException) -> tuple[str, str, str]:
    """Kind, sentence and hint of an exception that ended a worker.

    An unknown exception's own text is left out: it may quote a secret, and alarms leave this machine.
    """
    match error:
        case SecretUnreadable() | CredentialMissing():
            return SECRET, error.message, error.hint
        case ConfigurationError():
            first = error.findings[0] if error.findings else None
            return CONFIGURATION, f"{first.path}: {first.message}" if first else str(error), first.hint if first else ""
        case CertdError():
            return INTERNAL, str(error), error.hint
    return (
        INTERNAL,
        f"certd made a mistake of its own: {type(error).__name__}{raised_at(error)}",
        "certd's log has the details (journalctl -u certd): send them to certd's makers",
    )


def raised_at(error: BaseException) -> str:
    """The line of code that raised it, in words; empty where that is not known."""
    step = error.__traceback__
    if step is None:
        return ""
    while step.tb_next is not None:
        step = step.tb_next
    file = step.tb_frame.f_code.co_filename.rpartition("/")[2]
    return f" at {file}:{step.tb_lineno}"


def tried_at_once(facts: LineageFacts, since: datetime | None) -> LineageFacts:
    """The facts without the wait after an interruption from before ``since``: certd was started, or read its
    configuration, because somebody has put right what was wrong.
    """
    attempt, order = facts.attempt, facts.order
    if since is None or attempt.kind not in INTERRUPTIONS or attempt.failed_at is None or attempt.failed_at >= since:
        return facts
    if order is not None and order.look_at == attempt.not_before:
        order = replace(order, look_at=attempt.failed_at)
    return replace(facts, attempt=replace(attempt, not_before=None), order=order)


def without_interruption(facts: LineageFacts) -> LineageFacts:
    """The facts of a link that has nothing to order: what once ended a worker is over."""
    attempt = facts.attempt
    if attempt.kind not in INTERRUPTIONS:
        return facts
    return replace(facts, attempt=replace(NO_ATTEMPT, issuer=attempt.issuer, dropped=attempt.dropped))


def interrupted_deployment(deployment: Deployment, words: str, hint: str, now: datetime) -> Deployment:
    """A deployment that an exception interrupted: looked at and tried again on the local ladder."""
    wanted = deployment.wanted
    if wanted is None:
        return deployment
    failures = deployment.failures + 1 if deployment.tried == wanted.name else 1
    return replace(
        deployment,
        failures=failures,
        tried=wanted.name,
        try_at=now + in_time(local_patience(failures), ends_first(deployment), now),
        looked_at=now,
        error=words,
        hint=hint,
    )
