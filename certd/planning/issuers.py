"""Which of a link's issuers is asked next. Pure.

The first one, for as long as it is worth waiting for. The next one when it says that it will not (paused, blocked,
CAA), or when a quarter of the margin has gone by in failures: three quarters are left for the others, and the first
warning goes out at the same time. Once half of the margin is gone any failure is enough. A success forgets all
failures, so the way back comes with the next renewal by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from certd.model import NO_ATTEMPT, Attempt, LineageFacts
from certd.planning.acme_errors import WILL_NOT
from certd.planning.margin import HALF, QUARTER
from certd.planning.renewal import is_called_back, margin_of, margin_used, needs_haste

# Without a certificate there is no margin, and clicks wait.
FIRST_PATIENCE = timedelta(hours=1)

# What is wrong with the DNS is wrong for every issuer.
NOT_THE_ISSUERS = frozenset({"", "clock", "dns", "dnsUnreachable", "delegation", "crash"})

LONG_AGO = datetime.min.replace(tzinfo=UTC)


def choose_issuer(
    issuers: Sequence[str],
    facts: LineageFacts,
    now: datetime,
    away: Mapping[str, datetime] | None = None,
    probing: str = "",
    last_resort: str = "",
) -> str:
    """The issuer that this lineage's next order goes to, or the open one went to.

    Args:
        issuers: Preferred first.
        away: Issuers that do not answer, since when.
        probing: The one that this lineage was taken to probe: how long it has been away gives it up for the others, and
            never for the probe, or nobody would see that it is back.
        last_resort: The issuer of the current certificate, where the configuration has another one now: it renews what
            is served once all others are given up.
    """
    if facts.order is not None and facts.order.issuer in (*issuers, last_resort):
        return facts.order.issuer
    if last_resort and last_resort not in issuers and needs_last_resort(issuers, facts, now, away or {}):
        return last_resort
    if len(issuers) == 1:
        return issuers[0]
    attempts = attempts_by_issuer(facts, issuers[0])
    since = {name: at for name, at in (away or {}).items() if name != probing}
    for name in issuers:
        if not is_given_up(attempts.get(name, NO_ATTEMPT), since.get(name), facts, now):
            return name
    # All are: each goes on having its own backoff, and the one whose turn is next is asked.
    latest = attempts | {
        attempt.issuer: attempt for attempt in (facts.attempt, *facts.others) if attempt.relaxed and attempt.kind
    }
    return min(issuers, key=lambda name: latest.get(name, NO_ATTEMPT).not_before or since.get(name) or LONG_AGO)


def needs_last_resort(issuers: Sequence[str], facts: LineageFacts, now: datetime, away: Mapping[str, datetime]) -> bool:
    """Whether the current certificate must be renewed, and none of the wanted issuers does it."""
    current = facts.current
    if current is None or (now < margin_of(current).start and not needs_haste(current, now)):
        return False
    attempts = attempts_by_issuer(facts, issuers[0])
    return all(is_given_up(attempts.get(name, NO_ATTEMPT), away.get(name), facts, now) for name in issuers)


def issuer_of(dependency: str) -> str:
    """Whose lane it is; empty for one that is no issuer's."""
    return dependency.removeprefix("issuer:") if dependency.startswith("issuer:") else ""


def is_given_up(attempt: Attempt, away_since: datetime | None, facts: LineageFacts, now: datetime) -> bool:
    """Whether another issuer should be tried instead of this one."""
    if attempt.kind in WILL_NOT:
        return True
    failing_since = None if attempt.kind in NOT_THE_ISSUERS else attempt.first_failed_at
    since = min((at for at in (failing_since, away_since) if at is not None), default=None)
    if since is None:
        return False
    current = facts.current
    if current is None or current.revoked_because or is_called_back(current, now):
        patience = FIRST_PATIENCE
    elif margin_used(current, now) >= HALF:
        return True
    else:
        margin = margin_of(current)
        patience = (margin.end - margin.start) * QUARTER
        # What failed before it mattered used up nothing.
        since = max(since, margin.start)
    held_until = attempt.not_before if failing_since is not None and attempt.not_before is not None else now
    return max(now, held_until) - since >= patience


def attempts_by_issuer(facts: LineageFacts, preferred: str) -> dict[str, Attempt]:
    """What failed since the last success, by issuer; without the failures of relaxed orders."""
    return {issuer: attempt for (issuer, relaxed), attempt in _attempts(facts, preferred).items() if not relaxed}


def _attempts(facts: LineageFacts, preferred: str) -> dict[tuple[str, bool], Attempt]:
    known = [attempt for attempt in (facts.attempt, *facts.others) if attempt != NO_ATTEMPT and not is_blank(attempt)]
    return {(attempt.issuer or preferred, attempt.relaxed): attempt for attempt in known}


def is_blank(attempt: Attempt) -> bool:
    """Whether it is the place for the failures of relaxed orders, of which there are none."""
    return attempt == Attempt(relaxed=True, issuer=attempt.issuer)


def switch_issuer(facts: LineageFacts, issuer: str, preferred: str, *, relaxed: bool = False) -> LineageFacts:
    """The same facts with this issuer's failures in ``attempt`` and all others in ``others``.

    Args:
        relaxed: Turn to the failures of orders for less than what is wanted; they have a ladder of their own.
    """
    is_mine = facts.attempt == NO_ATTEMPT or (
        not facts.attempt.relaxed and (facts.attempt.issuer or preferred) == issuer
    )
    if is_mine and not facts.others and not relaxed:
        return facts
    attempts = _attempts(facts, preferred)
    mine = attempts.pop((issuer, relaxed), NO_ATTEMPT)
    others = tuple(replace(attempt, issuer=name) for (name, _), attempt in sorted(attempts.items(), key=_by_key))
    if relaxed or mine != NO_ATTEMPT:
        mine = replace(mine, issuer=issuer, relaxed=relaxed)
    return replace(facts, attempt=mine, others=others)


def _by_key(item: tuple[tuple[str, bool], Attempt]) -> tuple[str, bool]:
    return item[0]
