"""Beside the order: TXT values that are owed, and renewal information."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from certd.errors import (
    AcmeProblem,
    AcmeUnreachable,
    CredentialMissing,
    DnsRefused,
    DnsUnreachable,
    IssuerUnknown,
    SecretUnreadable,
)
from certd.issuance.deps import IssuanceDeps
from certd.model import LineageFacts, RenewalWindow
from certd.planning.backoff import settle_patience
from certd.planning.cleanup import SWEEP_AFTER, is_due

ARI_RETRY_LEAST = timedelta(minutes=1)
ARI_RETRY_MOST = timedelta(days=1)
ARI_LONG_TERM_RETRY = timedelta(hours=6)


def settle(means: IssuanceDeps, facts: LineageFacts) -> LineageFacts:
    """Remove what is owed; a value that was swept a day after it was settled goes off the books."""
    now = means.clock.now()
    kept = []
    for cleanup in facts.cleanups:
        if not is_due(cleanup, now):
            kept.append(cleanup)
            continue
        try:
            challenges = means.challenges(cleanup.provider)
            means.still_held()
            challenges.settle(cleanup)
        except (DnsUnreachable, DnsRefused, SecretUnreadable, CredentialMissing) as error:
            failures = cleanup.failures + 1
            later = now + settle_patience(failures)
            means.journal.warn("TXT value not removed", link=facts.link, name=cleanup.name, reason=str(error))
            settled = None if cleanup.settled_at is None else later - SWEEP_AFTER
            kept.append(replace(cleanup, failures=failures, settle_at=later, settled_at=settled))
            continue
        if cleanup.settled_at is None:
            means.journal.say("removed", link=facts.link, name=cleanup.name)
            kept.append(replace(cleanup, settled_at=now, failures=0))
    return replace(facts, cleanups=tuple(kept))


def refresh(means: IssuanceDeps, facts: LineageFacts) -> LineageFacts:
    """Ask for renewal information; the moment is drawn once per window and kept (RFC 9773 section 4.2)."""
    current = facts.current
    if current is None:
        return facts
    now = means.clock.now()
    try:
        authority = means.authority(current.issuer)
    except IssuerUnknown as error:
        means.journal.warn("no renewal information", link=facts.link, reason=str(error))
        return replace(facts, current=replace(current, window_look_at=now + ARI_RETRY_MOST))
    try:
        advice = authority.renewal_information(current.ari_id)
    except (AcmeProblem, AcmeUnreachable) as error:
        means.journal.warn("no renewal information", link=facts.link, reason=str(error))
        wait = error.retry_after or ARI_LONG_TERM_RETRY
        wait = min(max(wait, ARI_RETRY_LEAST), ARI_RETRY_MOST, max(current.life / 20, ARI_RETRY_LEAST))
        return replace(facts, current=replace(current, window_look_at=now + wait))
    look_again = now + advice.retry_after
    window = current.window
    if window is None or (window.start, window.end) != (advice.start, advice.end):
        seconds = means.chance.uniform(0.0, (advice.end - advice.start).total_seconds())
        window = RenewalWindow(
            start=advice.start,
            end=advice.end,
            moment=advice.start + timedelta(seconds=seconds),
            look_again_at=look_again,
            explanation_url=advice.explanation_url,
        )
        means.journal.say(
            "renewal window",
            link=facts.link,
            generation=current.generation,
            window=f"{advice.start:%Y-%m-%d %H:%M:%SZ} to {advice.end:%Y-%m-%d %H:%M:%SZ}",
            explanation=advice.explanation_url,
        )
    window = replace(window, look_again_at=look_again, explanation_url=advice.explanation_url)
    return replace(facts, current=replace(current, window=window, window_look_at=look_again))
