"""Reasons to issue: each a true sentence, or empty. Every one is a fact about the lineage, never about a node."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from certd.model import Attempt, Desired, LineageFacts, Wait
from certd.planning.acme_errors import NOT_BY_FORCE, TOLD_KINDS
from certd.planning.already_served import served_already
from certd.planning.backoff import FOR_GOOD
from certd.planning.rate_limits import may_take_reserve
from certd.planning.renewal import backstop, least_age, little_left, needs_haste

# Clocks are set by so much without anybody noticing.
CLOCK_SLACK = timedelta(hours=12)

Policy = Callable[[Desired, LineageFacts, datetime], str]


def operator_asked(desired: Desired, facts: LineageFacts, now: datetime) -> str:
    """``certd renew --force``."""
    return f"asked for by {facts.request.by}" if facts.request and facts.request.force else ""


def nothing_issued_yet(desired: Desired, facts: LineageFacts, now: datetime) -> str:
    """The first certificate of a lineage."""
    return "nothing issued yet" if facts.current is None else ""


def expired(desired: Desired, facts: LineageFacts, now: datetime) -> str:
    """An expired certificate is work, not an error (golang/go issue 20035)."""
    if facts.current and facts.current.not_after <= now:
        return f"expired since {facts.current.not_after:%Y-%m-%d %H:%M:%SZ}"
    return ""


def name_added(desired: Desired, facts: LineageFacts, now: datetime) -> str:
    """A wanted name that the current certificate does not cover. A name taken away waits for the next renewal."""
    if facts.current is None:
        return ""
    missing = sorted(set(desired.spec.domains) - set(facts.current.domains))
    return f"{', '.join(missing)} added" if missing else ""


def revoked(desired: Desired, facts: LineageFacts, now: datetime) -> str:
    """A revoked certificate still completes handshakes, so nothing else would notice."""
    return facts.current.revoked_because if facts.current else ""


def ca_suggests_now(desired: Desired, facts: LineageFacts, now: datetime) -> str:
    """The moment drawn from the CA's window has come, or the window lies in the past (RFC 9773 section 4.2)."""
    current = facts.current
    if current is None or current.window is None:
        return ""
    if now < max(current.window.moment, least_age(current)):
        return ""
    why = "the CA suggests it now"
    return f"{why}: {current.window.explanation_url}" if current.window.explanation_url else why


def inside_renewal_window(desired: Desired, facts: LineageFacts, now: datetime) -> str:
    """The local backstop, computed from the certificate's own dates."""
    if facts.current and now >= backstop(facts.current):
        return little_left(facts.current)
    return ""


ISSUE_POLICIES: tuple[Policy, ...] = (
    operator_asked,
    nothing_issued_yet,
    expired,
    revoked,
    name_added,
    ca_suggests_now,
    inside_renewal_window,
)


def first_reason(policies: tuple[Policy, ...], desired: Desired, facts: LineageFacts, now: datetime) -> str:
    """The first policy's sentence that holds, or empty."""
    return next((why for policy in policies if (why := policy(desired, facts, now))), "")


def is_emergency(facts: LineageFacts, now: datetime) -> bool:
    """Whether the reserve of the weekly allowance may be spent: clients see, or soon will see, a warning."""
    current = facts.current
    return current is None or needs_haste(current, now) or facts.request is not None


def held_back(desired: Desired, facts: LineageFacts, now: datetime) -> Wait | None:
    """Why an order that is due must still wait: the backoff, or the CA's weekly allowance."""
    attempt = facts.attempt
    if attempt.not_before and now < attempt.not_before and not is_from_the_future(attempt.failed_at, now):
        asked_since = bool(facts.request and attempt.failed_at and facts.request.at > attempt.failed_at)
        is_lifted = asked_since or (is_configured_anew(desired, attempt) and attempt.kind not in TOLD_KINDS)
        if not is_lifted or attempt.kind in NOT_BY_FORCE:
            when = "until the configuration changes, " if attempt.not_before - now > FOR_GOOD / 2 else ""
            if facts.request is not None and attempt.kind in NOT_BY_FORCE:
                when = f"until {attempt.not_before:%Y-%m-%d %H:%M:%SZ}, and --force cannot help, "
            return Wait(attempt.not_before, f"{when}after {attempt.kind or 'a failure'}: {attempt.message}")
    return (
        allowance_spent(desired, facts, now) or served_already(desired, facts, now) or not_its_turn(desired, facts, now)
    )


def is_from_the_future(at: datetime | None, now: datetime) -> bool:
    """Written by a clock that was ahead and has been set back since: what it says of later is void."""
    return at is not None and at - now > CLOCK_SLACK


def not_its_turn(desired: Desired, facts: LineageFacts, now: datetime) -> Wait | None:
    """Many wait for the CA's limits, and this one has a slot."""
    slot = facts.slot
    if desired.is_relaxed:
        # The slot is that of the whole wish.
        return None
    if slot is None or slot.issuer != desired.issuer.name or slot.at <= now or may_take_reserve(facts, now):
        return None
    return Wait(slot.at, f"its turn: {desired.issuer.name} takes so many in a time, and others are before it")


def is_configured_anew(desired: Desired, attempt: Attempt) -> bool:
    """Whether the configuration is none of those that failed. Each is tried once, so that two nodes that are configured
    differently do not lift each other's backoff for ever.
    """
    return bool(desired.mark and attempt.marks) and desired.mark not in attempt.marks


def allowance_spent(desired: Desired, facts: LineageFacts, now: datetime) -> Wait | None:
    """The CA's certificates for one exact set of names in seven days (Let's Encrypt: 5), mirrored.

    An order inside the CA's own window is exempt there (RFC 9773 renewals), so it is never held back here; one that
    replaces a revoked certificate is not. That one has the reserve, and waits no longer than the CA does: Let's Encrypt
    gives one of five back after a fifth of the week.
    """
    limit = desired.issuer.weekly_same_names
    if not limit:
        return None
    is_revoked = facts.current is not None and bool(facts.current.revoked_because)
    window = facts.current.window if facts.current and not is_revoked else None
    if window is not None and window.start <= now < window.end:
        return None
    usable = limit if is_emergency(facts, now) else limit - desired.issuer.weekly_reserve
    week = timedelta(days=7)
    lately = sorted(at for at in facts.issued_lately if -CLOCK_SLACK < now - at < week)
    if len(lately) < usable:
        return None
    at = lately[len(lately) - usable] + week
    if is_revoked:
        interval = week / limit
        full_at = lately[0]
        for issued_at in lately:
            full_at = max(full_at, issued_at) + interval
        at = min(at, full_at - interval * (usable - 1))
        if at <= now:
            return None
    return Wait(
        at,
        f"{len(lately)} certificates for exactly these names in seven days; {desired.issuer.name} allows {limit}",
    )
