"""What a wrong clock must not do: order what is due by it alone. Pure.

A clock that is ahead sees certificates as expired that are not; each order it places gives a certificate that it takes
for expired, too. So before an order is made the reasons are judged by the CA's clock as well.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from certd.model import Desired, LineageFacts
from certd.planning.policies import ISSUE_POLICIES, first_reason

# Boulder backdates by an hour, and nobody's handshake minds some minutes.
MOST_AMISS = timedelta(minutes=5)


def only_by_our_clock(desired: Desired, facts: LineageFacts, now: datetime, ahead: timedelta) -> bool:
    """Whether an order has a reason only because this machine's clock is wrong.

    Args:
        ahead: How far the CA's clock is ahead of ours; negative where ours is.
    """
    return abs(ahead) >= MOST_AMISS and not first_reason(ISSUE_POLICIES, desired, facts, now + ahead)


def in_words(ahead: timedelta, issuer: str) -> str:
    """Such as "this machine's clock is 3 h ahead of letsencrypt's"."""
    seconds = abs(ahead).total_seconds()
    size, unit = next((one for one in ((86400, "days"), (3600, "h")) if seconds >= 2 * one[0]), (60, "min"))
    which = "behind" if ahead > timedelta(0) else "ahead of"
    return f"this machine's clock is {seconds / size:.0f} {unit} {which} that of {issuer}"
