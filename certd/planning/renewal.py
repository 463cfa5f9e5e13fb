"""When a certificate should be replaced, computed from the certificate itself and from nothing else.

Lifetimes shrink (Let's Encrypt: 90, 64, 45 days, 160 hours), so no rule here knows a number of days.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from certd.model import Certificate
from certd.planning.margin import HALF, Margin, in_words, left_of_life, renew_at

# Let's Encrypt centres its windows on the planned renewal, plus or minus 1 % of the life. A backstop at just that
# point would override half of the CA's random choices; 3 % later it overrides none.
BACKSTOP_SLACK = 0.03

# A CA that answers "replace it now" for what it has just signed must not get five orders in ten seconds
# (cert-manager issue 9203). An hour is long enough to notice and short enough for an incident.
LEAST_AGE = timedelta(hours=1)
LEAST_AGE_SHARE = 1 / 4

# No CA suggests to renew before this share of a life without a reason; Let's Encrypt's windows begin at 0.49 and later.
EARLY = 0.45


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time and why it is that one."""

    at: datetime
    because: str


def backstop(certificate: Certificate) -> datetime:
    """The latest moment a renewal begins, whatever the CA suggests."""
    return latest_start(certificate.not_before, certificate.not_after)


def latest_start(not_before: datetime, not_after: datetime) -> datetime:
    """The same of any dates."""
    life = not_after - not_before
    return not_before + life * (renew_at(life) + BACKSTOP_SLACK)


def least_age(certificate: Certificate) -> datetime:
    """Before this a certificate is not replaced on the CA's suggestion, however its window reads."""
    born = max(certificate.not_before, certificate.issued_at)
    return born + min(LEAST_AGE, certificate.life * LEAST_AGE_SHARE)


def renewal_moment(certificate: Certificate) -> Moment:
    """The earlier of the moment drawn from the CA's window (RFC 9773 section 4.2) and the local backstop."""
    latest = backstop(certificate)
    window = certificate.window
    if window is not None:
        suggested = max(window.moment, least_age(certificate))
        if suggested < latest:
            return Moment(suggested, "the CA suggests it (renewal information)")
    return Moment(latest, f"the local backstop: {little_left(certificate)}")


def is_called_back(certificate: Certificate, now: datetime) -> bool:
    """The CA moved the window into the past long before it would end by itself: an incident, and often a revocation
    within a day.
    """
    window = certificate.window
    return window is not None and window.end <= now and window.end < certificate.not_before + certificate.life * EARLY


def needs_haste(certificate: Certificate, now: datetime) -> bool:
    """Clients see a warning, or soon will: revoked, called back, or near its end."""
    return bool(certificate.revoked_because) or is_urgent(certificate, now) or is_called_back(certificate, now)


def little_left(certificate: Certificate) -> str:
    """What the backstop means, in words."""
    return f"less than {in_words(1 - renew_at(certificate.life))} of its life is left"


def is_urgent(certificate: Certificate, now: datetime) -> bool:
    """Half of the margin is used, reckoned from the life alone."""
    return certificate.not_after - now < certificate.life * left_of_life(HALF)


def margin_of(certificate: Certificate) -> Margin:
    """From the planned renewal to the expiry."""
    return Margin(renewal_moment(certificate).at, certificate.not_after)


def margin_used(certificate: Certificate, now: datetime) -> float:
    """The share of the margin that is gone: below 0 before the planned renewal, 1 and more after the expiry."""
    return margin_of(certificate).used(now)
