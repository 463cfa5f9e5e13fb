"""When a certificate should be replaced, computed from the certificate itself and from nothing else.

Lifetimes shrink (Let's Encrypt: 90, 64, 45 days, 160 hours), so no rule here knows a number of days.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from certd.model import Certificate

# Let's Encrypt centres its windows on 2/3 of the life (1/2 below ten days), plus or minus 1 %. A backstop at just
# that point would override half of the CA's random choices; 3 % later it overrides none (letsencrypt.md 2.6).
BACKSTOP_SHARE = 2 / 3 + 0.03
BACKSTOP_SHARE_SHORT = 1 / 2 + 0.03
SHORT_LIFE = timedelta(days=10)

# A CA that answers "replace it now" for what it has just signed must not get five orders in ten seconds
# (cert-manager issue 9203). An hour is long enough to notice and short enough for an incident.
LEAST_AGE = timedelta(hours=1)
LEAST_AGE_SHARE = 1 / 4

URGENT_SHARE = 1 / 6

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
    return not_before + life * (BACKSTOP_SHARE_SHORT if life < SHORT_LIFE else BACKSTOP_SHARE)


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
    within a day (letsencrypt.md part 5).
    """
    window = certificate.window
    return window is not None and window.end <= now and window.end < certificate.not_before + certificate.life * EARLY


def needs_haste(certificate: Certificate, now: datetime) -> bool:
    """Clients see a warning, or soon will: revoked, called back, or near its end."""
    return bool(certificate.revoked_because) or is_urgent(certificate, now) or is_called_back(certificate, now)


def little_left(certificate: Certificate) -> str:
    """What the backstop means, in words."""
    return f"less than {'half' if certificate.life < SHORT_LIFE else 'a third'} of its life is left"


def is_urgent(certificate: Certificate, now: datetime) -> bool:
    """Less than a sixth of its life is left."""
    return certificate.not_after - now < certificate.life * URGENT_SHARE


def margin_used(certificate: Certificate, now: datetime) -> float:
    """The share of the margin (planned renewal to expiry) that is gone: below 0 early, 1 and more when expired."""
    start = renewal_moment(certificate).at
    margin = certificate.not_after - start
    return (now - start) / margin if margin > timedelta(0) else float(now >= certificate.not_after)
