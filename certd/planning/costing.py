"""What a forced renewal costs of the CA's allowance, said before it is spent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from certd.model import LineageFacts, Request, Wish
from certd.planning.policies import allowance_spent

WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One renewal's.

    Attributes:
        words: For people; empty where the CA states no limit.
        takes_reserve: It would take what is kept for an emergency.
        held_until: There is nothing left: the order would wait until then.
    """

    words: str = ""
    takes_reserve: bool = False
    held_until: datetime | None = None


def cost_of(wish: Wish, facts: LineageFacts, now: datetime) -> Cost:
    """The cost of one more certificate for exactly these names (Let's Encrypt: 5 in 7 days; an order inside the CA's
    own window is exempt).
    """
    limit = wish.issuer.weekly_same_names
    if not limit:
        return Cost()
    spent = sum(now - at < WEEK for at in facts.issued_lately)
    words = f"{wish.issuer.name} allows {limit} certificates a week for these names; {spent} spent, this is one more"
    window = facts.current.window if facts.current else None
    if window is not None and window.start <= now < window.end:
        return Cost(words=f"{wish.issuer.name} asks for the renewal itself: it costs nothing of the weekly allowance")
    asked = replace(facts, request=Request(by="", at=now))
    if (held := allowance_spent(wish, asked, now)) is not None:
        return Cost(
            words=f"{words}: none is left, the order waits until {held.until:%Y-%m-%d %H:%M}Z", takes_reserve=True,
            held_until=held.until,
        )  # fmt: skip
    unasked = replace(facts, request=None)
    if facts.current is not None and allowance_spent(wish, unasked, now) is not None:
        return Cost(words=f"{words}: it takes the reserve that is kept for an emergency", takes_reserve=True)
    return Cost(words=words)
