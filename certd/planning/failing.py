"""A failure as a fact: what is remembered of it, and when the next try may come."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from certd.errors import AcmeProblem, CaaDenied, CertdError, DnsRefused
from certd.model import Attempt, LineageFacts, Wish
from certd.planning.backoff import after_failure, local_patience


def failed_attempt(wish: Wish, facts: LineageFacts, error: CertdError, now: datetime) -> Attempt:
    """What is remembered of a failure, and when the next try may come."""
    before = replace(facts.attempt, issuer=wish.issuer.name)
    first = before.first_failed_at or now
    if isinstance(error, DnsRefused) or (isinstance(error, AcmeProblem) and error.type == "gone"):
        count = before.dns_failures + 1
        kind = "dns" if isinstance(error, DnsRefused) else "gone"
        if isinstance(error, CaaDenied):
            kind = "caa"
        return replace(
            before, dns_failures=count, first_failed_at=first, failed_at=now, kind=kind, message=str(error),
            hint=error.hint, not_before=now + local_patience(count),
        )  # fmt: skip
    kind, retry_after = kind_of(error)
    failures = before.failures + 1
    not_before = after_failure(
        failures=failures, kind=kind, terms=wish.issuer, current=facts.current, now=now, retry_after=retry_after
    )
    return replace(
        before, failures=failures, first_failed_at=first, failed_at=now, kind=kind, message=str(error),
        hint=error.hint, not_before=not_before,
    )  # fmt: skip


def is_passing(problem: AcmeProblem) -> bool:
    """A refusal that says nothing about the order: the server is busy, or we are too fast."""
    return problem.status >= 500 or problem.type in {"serverInternal", "rateLimited", "badNonce"}


def kind_of(error: CertdError) -> tuple[str, timedelta | None]:
    """The kind of a failure and the wait that the speaker asked for."""
    if isinstance(error, AcmeProblem):
        paused = error.type == "rateLimited" and error.retry_after is None and "http" in error.detail
        if paused:
            # Let's Encrypt pauses "zombies": no Retry-After, a URL for a human (letsencrypt.md 1.4).
            return "paused", timedelta(days=1)
        return error.type, error.retry_after
    return "wrongCertificate", None
