"""A CA's limits, mirrored: who may order now, and whose turn comes when. Pure.

Let's Encrypt counts by a generic cell rate algorithm: a bucket that holds ``most`` and gets one back every ``per /
most``. Of each bucket two moments are kept: ``spent``, when it will be full again, and ``queued``, when it would be if
all who were given a slot had come. Whoever finds it empty gets a slot of its own, and comes back at that time, instead
of trying again and again; a reserve is left to operators and emergencies, who do not queue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from certd.model import Bucket, Collect, Desired, IssueAction, IssuerTerms, Limit, LineageFacts, Need, Turn
from certd.planning.acme_errors import VALIDATION_KINDS
from certd.planning.renewal import needs_haste

# Looked at before an order, and charged by something that comes later.
CHARGED_LATER = frozenset({"names", "failures"})

# Boulder looks back so far for a certificate of exactly these names, which makes an order a renewal.
RENEWAL_MEMORY = timedelta(days=120)


def names_key(domains: Sequence[str]) -> str:
    """An exact set of names."""
    return " ".join(sorted(domains))


def needs_of(
    desired: Desired, facts: LineageFacts, now: datetime, registered: Callable[[str], str], *, replaces: bool = True
) -> tuple[Need, ...]:
    """What an order for a wish takes from the CA's limits, in an order that every taker keeps to.

    Args:
        registered: The registered domain of a name, by the Public Suffix List.
        replaces: The order says which certificate it replaces.
    """
    if replaces and is_exempt(desired, facts, now):
        return ()
    limits = {limit.kind: limit for limit in desired.issuer.limits}
    domains = desired.spec.domains
    subjects: dict[str, tuple[str, ...]] = {
        "names": (names_key(domains),),
        "failures": tuple(sorted({domain.removeprefix("*.") for domain in domains})),
    }
    if not is_renewal(desired, facts, now):
        subjects["orders"] = ("",)
        subjects["domain"] = tuple(sorted({registered(domain) for domain in domains}))
    return tuple(
        Need(limit=limits[kind], subject=subject)
        for kind in sorted(subjects)
        if kind in limits
        for subject in subjects[kind]
    )


def is_exempt(desired: Desired, facts: LineageFacts, now: datetime) -> bool:
    """Inside the CA's own window an order that replaces counts for nothing (letsencrypt.org/docs/rate-limits). The
    window of a revoked certificate has ended at the CA, whatever we saw of it before.
    """
    current = facts.current
    if (
        current is None
        or current.revoked_because
        or current.issuer != desired.issuer.name
        or current.window is None
        or not current.ari_id
    ):
        return False
    return current.window.start <= now < current.window.end and now < current.not_after


def is_renewal(desired: Desired, facts: LineageFacts, now: datetime) -> bool:
    """Of exactly the same names: exempt from the limits of orders and of the registered domain."""
    current = facts.current
    if current is None or current.issuer != desired.issuer.name:
        return False
    return set(current.domains) == set(desired.spec.domains) and now - current.issued_at < RENEWAL_MEMORY


def may_take_reserve(facts: LineageFacts, now: datetime) -> bool:
    """An operator asks, or clients see or soon will see a warning; a link that was never served can queue."""
    current = facts.current
    if facts.request is not None:
        return True
    return current is not None and needs_haste(current, now)


def take(
    needs: Sequence[Need], buckets: Sequence[Bucket], now: datetime, *, urgent: bool, slot: datetime | None = None
) -> Turn:
    """Whether an order may begin now, and what the buckets hold afterwards.

    Args:
        buckets: One for each need.
        slot: The slot that this taker was given before.
    """
    buckets = [_possible(need, bucket, now) for need, bucket in zip(needs, buckets, strict=True)]
    pairs = list(zip(needs, buckets, strict=True))
    real, because = _latest([(need, bucket.spent) for need, bucket in pairs], now, urgent=urgent)
    if not urgent and slot is None:
        kept = [(need, max(bucket.queued, bucket.spent)) for need, bucket in pairs if _is_charged(need)]
        queued, why = _latest(kept, now, urgent=False)
        if queued > real:
            real, because = queued, why
        after = tuple(
            replace(bucket, queued=_one_more(need.limit, max(bucket.queued, bucket.spent), now))
            if _is_charged(need)
            else bucket
            for need, bucket in pairs
        )
        if real > now:
            return Turn(at=real, because=because, buckets=after, slot=real)
        return Turn(at=now, because="", buckets=_charged(needs, after, now))
    if slot is not None and not urgent and slot > now:
        return Turn(at=slot, because=because or "others are before it in the queue", buckets=tuple(buckets), slot=slot)
    if real > now:
        return Turn(at=real, because=because, buckets=tuple(buckets), slot=None if urgent else real)
    return Turn(at=now, because="", buckets=_charged(needs, buckets, now))


def _possible(need: Need, bucket: Bucket, now: datetime) -> Bucket:
    """A bucket cannot be emptier than empty; one that is was written by a clock that was ahead."""
    empty = now + need.limit.per
    return bucket if bucket.spent <= empty else Bucket(spent=empty, queued=empty)


def charge(need: Need, bucket: Bucket, now: datetime) -> Bucket:
    """The bucket after one was spent."""
    spent = _one_more(need.limit, bucket.spent, now)
    return Bucket(spent=spent, queued=max(bucket.queued, spent))


def refund(need: Need, bucket: Bucket) -> Bucket:
    """The bucket after one that was taken was not spent."""
    if not _is_charged(need):
        return bucket
    spent = bucket.spent - need.limit.interval
    return Bucket(spent=spent, queued=max(bucket.queued - need.limit.interval, spent))


def left_in(limit: Limit, spent: datetime, now: datetime) -> int:
    """How many are left."""
    missing = max(spent - now, timedelta(0)) / limit.interval
    return max(0, int(limit.most - missing + 1e-9))


def _charged(needs: Sequence[Need], buckets: Sequence[Bucket], now: datetime) -> tuple[Bucket, ...]:
    return tuple(
        replace(bucket, spent=_one_more(need.limit, bucket.spent, now)) if _is_charged(need) else bucket
        for need, bucket in zip(needs, buckets, strict=True)
    )


def _is_charged(need: Need) -> bool:
    return need.limit.kind not in CHARGED_LATER


def _one_more(limit: Limit, full_at: datetime, now: datetime) -> datetime:
    return max(full_at, now) + limit.interval


def _latest(pairs: Sequence[tuple[Need, datetime]], now: datetime, *, urgent: bool) -> tuple[datetime, str]:
    """When every bucket has one to give, and which is the last."""
    at, because = now, ""
    for need, full_at in pairs:
        limit = need.limit
        usable = limit.most - (0 if urgent else limit.reserve)
        allowed = max(full_at, now) - limit.interval * (usable - 1)
        if allowed > at:
            at, because = allowed, in_words(need)
    return at, because


def in_words(need: Need) -> str:
    """The limit that makes somebody wait."""
    limit = need.limit
    hours = limit.per.total_seconds() / 3600
    time = f"{hours / 24:g} days" if hours >= 48 else f"{hours:g} hour{'s' if hours != 1 else ''}"
    what = {
        "orders": "orders",
        "domain": f"certificates for {need.subject}",
        "names": "certificates for exactly these names",
        "failures": f"failed validations of {need.subject}",
    }.get(limit.kind, limit.kind)
    return f"the CA allows {limit.most} {what} in {time}"


def outlook(terms: IssuerTerms, waiting: Sequence[Sequence[str]], registered: Callable[[str], str]) -> list[str]:
    """What it means that so many links are to be ordered for the first time, in sentences; empty where nothing waits.

    Args:
        waiting: The names of each.
    """
    said = []
    limits: Mapping[str, Limit] = {limit.kind: limit for limit in terms.limits}
    orders, domain = limits.get("orders"), limits.get("domain")
    if orders is not None and len(waiting) > orders.most - orders.reserve:
        wait = orders.interval * (len(waiting) - orders.most + orders.reserve)
        said.append(
            f"{len(waiting)} first certificates: {terms.name} takes {orders.most} orders in "
            f"{orders.per.total_seconds() / 3600:g} hours, so the last one is ordered in about {_hours(wait)}"
        )
    if domain is not None:
        counts: dict[str, int] = {}
        for names in waiting:
            for name in {registered(name) for name in names}:
                counts[name] = counts.get(name, 0) + 1
        for name, count in sorted(counts.items()):
            if count > domain.most - domain.reserve:
                wait = domain.interval * (count - domain.most + domain.reserve)
                said.append(
                    f"{count} first certificates under {name}: {terms.name} signs {domain.most} in "
                    f"{domain.per.days} days for one registered domain, so the last one comes in about {_hours(wait)}; "
                    f'one link with the domain "*.{name}" is one certificate for all of them'
                )
    return said


def _hours(wait: timedelta) -> str:
    hours = wait.total_seconds() / 3600
    return f"{hours:.0f} h" if hours < 100 else f"{hours / 24:.0f} days"


def spent_by(action: IssueAction, desired: Desired, before: LineageFacts, after: LineageFacts) -> tuple[Need, ...]:
    """What an action took at the CA besides what the order had taken: a certificate, good or not, and a validation that
    failed.
    """
    order = before.order
    if order is None or order.is_proof or order.issuer != desired.issuer.name:
        return ()
    limits = {limit.kind: limit for limit in desired.issuer.limits}
    if isinstance(action, Collect) and after.order is None and "names" in limits:
        return (Need(limit=limits["names"], subject=names_key(order.domains)),)
    # A validation may fail while its order stays open.
    has_failed = after.attempt.failures > before.attempt.failures and after.attempt.kind in VALIDATION_KINDS
    if has_failed and order.answered_at is not None and "failures" in limits:
        names = sorted({domain.removeprefix("*.") for domain in order.domains})
        return tuple(Need(limit=limits["failures"], subject=name) for name in names)
    return ()
