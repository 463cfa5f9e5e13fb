"""A drill on paper: every certificate of one issuer is revoked now. Which links can be ordered at once, which wait, and
for what.

On 2026-05-08 and in 2020 CAs revoked by the thousands. An order for exactly the names of a certificate that is replaced
is a renewal and takes nothing of Let's Encrypt's limits of orders and of registered domains; five certificates a week
for the same names are its limit still.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from certd.model import Bucket, Certificate, Desired, LineageFacts, Need
from certd.planning.policies import allowance_spent
from certd.planning.rate_limits import needs_of, take

# So many buckets are read in one statement.
MOST_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class MassRevocation:
    """What would become of it.

    Attributes:
        links: How many have a certificate of this issuer.
        at_once: How many the issuer takes an order for at once.
        last_at: When it takes the last order; None where no link is concerned.
        waiting: By reason: how many wait for that.
        elsewhere: How many may be ordered from another issuer, too.
    """

    issuer: str
    links: int
    at_once: int
    last_at: datetime | None
    waiting: tuple[tuple[str, int], ...] = ()
    elsewhere: int = 0


def mass_revocation(
    issuer: str,
    lineages: Iterable[tuple[Desired, LineageFacts]],
    buckets_of: Callable[[Sequence[Need]], Sequence[Bucket]],
    registered: Callable[[str], str],
    now: datetime,
) -> MassRevocation:
    """Order all of them on paper, what ends first at first.

    Args:
        lineages: Each with what is wanted of this issuer.
        buckets_of: What is left of the issuer's limits now.
        registered: The registered domain of a name.
    """
    concerned = sorted(
        (
            (facts.current.not_after, desired, replace(facts, current=_revoked(facts.current), request=None))
            for desired, facts in lineages
            if facts.current is not None and facts.current.issuer == issuer
        ),
        key=lambda each: each[0],
    )
    needs_by_link = [needs_of(desired, facts, now, registered) for _, desired, facts in concerned]
    unique = list(dict.fromkeys(need for needs in needs_by_link for need in needs))
    spent: dict[Need, Bucket] = {}
    for at in range(0, len(unique), MOST_AT_ONCE):
        some = unique[at : at + MOST_AT_ONCE]
        spent |= zip(some, buckets_of(some), strict=True)
    waiting: Counter[str] = Counter()
    at_once, elsewhere, last_at = 0, 0, None
    for (_, desired, facts), needs in zip(concerned, needs_by_link, strict=True):
        turn = take(needs, [spent[need] for need in needs], now, urgent=False)
        spent |= zip(needs, turn.buckets, strict=True)
        held = allowance_spent(desired, facts, now)
        moment, because = turn.at, turn.because
        if held is not None and held.until > moment:
            moment, because = held.until, held.because
        if moment > now:
            waiting[because] += 1
        else:
            at_once += 1
        last_at = moment if last_at is None else max(last_at, moment)
        elsewhere += len(desired.spec.issuers) > 1
    return MassRevocation(
        issuer=issuer,
        links=len(concerned),
        at_once=at_once,
        last_at=last_at,
        waiting=tuple(waiting.most_common()),
        elsewhere=elsewhere,
    )


def _revoked(certificate: Certificate) -> Certificate:
    return replace(certificate, revoked_because="a drill")
