"""What a forced renewal would take of the CA's limits, and what is left: for whoever asks before it is done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from certd.dns.public_suffix import registered_domain
from certd.model import Desired, LineageFacts, Request, Wait
from certd.planning.issue import replaced_by_order
from certd.planning.policies import allowance_spent, held_back
from certd.planning.rate_limits import in_words, left_in, needs_of, take
from certd.store.lineages import Lineages


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitReport:
    """The answer.

    Attributes:
        words: One sentence for each limit that it touches; one that says so where it touches none.
        takes_reserve: It would take what is kept for an emergency: ask first.
        not_before: The CA would refuse it now, and certd does not order before; None: it can be had at once.
    """

    words: tuple[str, ...]
    takes_reserve: bool = False
    not_before: datetime | None = None


def rate_limit_report(lineages: Lineages, desired: Desired, facts: LineageFacts, now: datetime) -> RateLimitReport:
    """What one more certificate for this wish costs now. Nothing is taken. Raises StoreError."""
    name = desired.issuer.name
    replaces = replaced_by_order(desired, facts, now)
    needs = needs_of(desired, facts, now, registered_domain, replaces=bool(replaces))
    if not needs:
        why = (
            "inside the renewal window that the CA gives, it counts for nothing" if replaces else "no limits are known"
        )
        return RateLimitReport(words=(f"{name}: {why}",))
    buckets = lineages.buckets(name, needs)
    words, takes_reserve = [], False
    for need, bucket in zip(needs, buckets, strict=True):
        left = left_in(need.limit, bucket.spent, now)
        if need.limit.kind == "names":
            left = max(0, min(left, need.limit.most - len(facts.issued_lately)))
        if need.limit.kind == "failures" and left == need.limit.most:
            continue
        words.append(f"{name}: {in_words(need)}; {left} left")
        takes_reserve = takes_reserve or left <= need.limit.reserve
    turn = take(needs, buckets, now, urgent=True)
    held = allowance_spent(desired, replace(facts, request=Request(by="", at=now)), now)
    until = max(turn.at, held.until if held is not None else now)
    return RateLimitReport(words=tuple(words), takes_reserve=takes_reserve, not_before=until if until > now else None)


def replacement(lineages: Lineages, desired: Desired, facts: LineageFacts, now: datetime) -> Wait | None:
    """Until when no other certificate can be had if the current one is revoked now, and why; None: it can be ordered
    at once. Nothing is taken. Raises StoreError.
    """
    if facts.current is None:
        return None
    revoked = replace(facts, current=replace(facts.current, revoked_because="revoked by hand"), request=None)
    waits = [
        wait for wait in (held_back(desired, revoked, now), allowance_spent(desired, revoked, now)) if wait is not None
    ]
    if needs := needs_of(desired, revoked, now, registered_domain):
        turn = take(needs, lineages.buckets(desired.issuer.name, needs), now, urgent=True)
        waits.append(Wait(turn.at, f"{turn.because} ({desired.issuer.name})"))
    held = max(waits, key=lambda wait: wait.until, default=None)
    return held if held is not None and held.until > now else None
