"""How long to leave alone what failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from certd.model import Certificate, Generation, IssuerTerms, Order
from certd.planning.acme_errors import VALIDATION_KINDS, Again

# Let's Encrypt's integration guide: 1, 10, 100 minutes, then once a day. At once a day an identifier is never paused.
CA_LADDER = (timedelta(minutes=1), timedelta(minutes=10), timedelta(minutes=100), timedelta(days=1))

# What does not touch the CA has its own ladder, without end.
LOCAL_LADDER = tuple(timedelta(seconds=s) for s in (5, 10, 20, 40, 80, 160, 300))

# Looking for a TXT value that spreads, and at an order that the CA works on: dense at first, then patient.
LOOK_LADDER = tuple(timedelta(seconds=s) for s in (0.05, 0.1, 0.25, 0.5, 1, 1, 2, 2, 3, 5, 5, 10, 10, 15, 30))

# Before a challenge is answered again whose validation failed while its order stays pending.
ANSWER_LADDER = (
    timedelta(seconds=10),
    timedelta(seconds=30),
    timedelta(minutes=1),
    timedelta(minutes=3),
    timedelta(minutes=10),
)

# However little time is left, nobody is asked more often.
LEAST_TRY = timedelta(seconds=1)

# So many tries fit into what is left of a certificate.
TRIES_LEFT = 8

LEAST_DELAY = timedelta(minutes=1)
LEAST_DELAY_SHARE = 1 / 60

DAILY = timedelta(days=1)

# An hour is long for a CA that validates domains; where nothing is served a second order costs more than waiting does.
LEAST_ORDER_PATIENCE = timedelta(hours=1)
FIRST_ORDER_PATIENCE = timedelta(hours=6)

# Not in this century: until the configuration changes, or an operator asks.
FOR_GOOD = timedelta(days=3650)

# A certificate that lives shorter than this cannot wait whole days.
SHORT_LIFE = timedelta(days=10)

# Boulder pauses a name after 1,152 failures in a row, and forgets one a day: at one a day it never does.
MOST_IN_A_ROW = 1000


def rung(ladder: Sequence[timedelta], failures: int) -> timedelta:
    """The delay after so many failures in a row (1 is the first); the last rung repeats."""
    return ladder[min(max(failures, 1), len(ladder)) - 1]


def in_time(
    wait: timedelta, ends: Certificate | Generation | None, now: datetime, *, soonest: datetime | None = None
) -> timedelta:
    """The wait, but never longer than an eighth of what is left of this certificate, and at least a second.

    Args:
        wait: From a ladder of certd's own. A Retry-After is the CA's, and is obeyed.
        ends: What clients are served; None: nothing, then the ladder counts. Of one that has expired a sixtieth of its
            life counts, so that what lives for minutes comes back within seconds.
        soonest: The end of another certificate that waits for the same; it counts where it comes first.
    """
    shares = [(soonest - now) / TRIES_LEFT] if soonest is not None and soonest > now else []
    if ends is not None:
        left = ends.not_after - now
        life = ends.not_after - ends.not_before
        shares.append(left / TRIES_LEFT if left > timedelta(0) else life * LEAST_DELAY_SHARE)
    return min(wait, max(min(shares), LEAST_TRY)) if shares else wait


def after_failure(
    *,
    failures: int,
    kind: str,
    terms: IssuerTerms,
    current: Certificate | None,
    now: datetime,
    retry_after: timedelta | None = None,
    again: Again = Again.LADDER,
    is_safe: bool = False,
) -> datetime:
    """When the CA may be asked again: min(ladder, time left / 8), never sooner than its limits or its Retry-After;
    or what the table of refusals says instead.

    With the plain ladder, outages shorter than the margin still lapse in 3 to 8 % of the cases: the day's wait
    ends after the expiry. An eighth of what is left always leaves seven more tries.

    Args:
        is_safe: What is served is renewed without what failed, so that nothing hurries: the plain ladder, at least
            once in the life of a certificate.
    """
    delay = rung(CA_LADDER, failures)
    least = LEAST_DELAY
    if current is not None:
        left = max(current.not_after - now, timedelta(0))
        least = min(LEAST_DELAY, current.life * LEAST_DELAY_SHARE)
        delay = max(min(delay, current.life if is_safe else left / TRIES_LEFT), least)
    if kind in VALIDATION_KINDS:
        delay = max(delay, terms.pause_after_failed_validation)
    if failures >= MOST_IN_A_ROW:
        delay = max(delay, DAILY)
    if again is Again.ON_CHANGE:
        return now + FOR_GOOD
    if again is Again.DAILY:
        if current is not None and current.life < SHORT_LIFE and kind != "paused":
            return now + max(min(DAILY, current.life if is_safe else (current.not_after - now) / TRIES_LEFT), least)
        return now + DAILY
    if again is Again.AS_TOLD and retry_after is not None:
        return now + max(retry_after, least)
    if retry_after is not None:
        delay = max(delay, retry_after)
    return now + delay


def local_patience(failures: int) -> timedelta:
    """After something on our side of the CA failed: 5 s to 5 min, without end."""
    return rung(LOCAL_LADDER, failures)


def dns_patience(looks: int) -> timedelta:
    """Before looking again at servers that do not show our value yet. Asking them costs the CA nothing."""
    return rung(LOOK_LADDER[3:], looks)


def ca_patience(looks: int, retry_after: timedelta | None) -> timedelta:
    """Before reading an order again: what Retry-After says (RFC 8555 section 7.4), else our own ladder."""
    if retry_after is not None:
        return min(max(retry_after, timedelta(0)), timedelta(hours=1))
    return rung(LOOK_LADDER, looks)


def answer_patience(failures: int, terms: IssuerTerms) -> timedelta:
    """Before a challenge is answered again: 10 seconds to 10 minutes, never sooner than the issuer's limit of failed
    validations allows.
    """
    return max(rung(ANSWER_LADDER, failures), terms.pause_after_failed_validation)


def hurried(order: Order, current: Certificate | None, now: datetime) -> Order:
    """The order with an end of patience that leaves time for another one, once the CA is at work on it, or fails at it;
    it never moves away again. Most orders expire in a week (RFC 8555 section 7.1.3), which is longer than what is left
    of a certificate of 160 hours when it is renewed.
    """
    left = current.not_after - now if current is not None else timedelta(0)
    patience = max(left / 4, LEAST_ORDER_PATIENCE) if left > timedelta(0) else FIRST_ORDER_PATIENCE
    return replace(order, give_up_at=min(order.give_up_at, now + patience))


def settle_patience(failures: int) -> timedelta:
    """Before trying again to remove a TXT value; never in the way of issuing."""
    return rung(LOCAL_LADDER, failures) * 2
