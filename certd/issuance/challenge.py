"""Publish, look, answer: what makes an authorization valid."""

from __future__ import annotations

from dataclasses import replace

from certd.errors import DnsRefused
from certd.issuance.deps import IssuanceDeps
from certd.model import LineageFacts, Order
from certd.planning.backoff import ca_patience, dns_patience, hurried, in_time, local_patience
from certd.planning.cleanup import asks_anyway, cleanups_of_order, merge


def present(means: IssuanceDeps, facts: LineageFacts) -> LineageFacts:
    """Publish every value before waiting for any, then look at every authoritative server."""
    order = facts.order
    if order is None:
        return facts
    owed = cleanups_of_order(facts)
    published = means.publish(owed)
    if any(cleanup.added_at is None for cleanup in owed):
        means.journal.say("published", link=facts.link, names=", ".join(sorted({d.name for d in owed})))
    cleanups, because = [], ""
    for cleanup in published:
        spread = means.challenges(cleanup.provider).spread(cleanup) if cleanup.seen_at is None else None
        now = means.clock.now()
        if spread is not None and spread.everywhere:
            cleanup = replace(cleanup, seen_at=now)
        elif spread is not None and spread.somewhere and asks_anyway(facts, now):
            means.journal.warn("the CA is asked all the same", link=facts.link, reason=spread.because)
            cleanup = replace(cleanup, seen_at=now)
        elif spread is not None:
            because = because or spread.because
        cleanups.append(cleanup)
    if because:
        now = means.clock.now()
        looks = order.look_count + 1
        order = replace(
            order, look_count=looks, look_at=now + in_time(dns_patience(looks), facts.current, now), because=because
        )
    else:
        order = replace(order, look_count=0, because="")
    return replace(facts, order=order, cleanups=merge(facts.cleanups, tuple(cleanups)))


def answer(means: IssuanceDeps, facts: LineageFacts, order: Order) -> LineageFacts:
    """Tell the CA to validate: every challenge the first time, and those whose validation failed after that."""
    authority = means.authority(order.issuer)
    is_first = order.answered_at is None
    authorizations = []
    for authorization in order.authorizations:
        if authorization.has_failed or (is_first and authorization.status == "pending"):
            means.still_held()
            authority.answer(authorization.challenge_url)
            authorization = replace(authorization, problem_type="", problem="")
        authorizations.append(authorization)
    now = means.clock.now()
    means.journal.say("answered", link=facts.link, order=order.url)
    answered = replace(
        hurried(order, facts.current, now),
        answered_at=now,
        look_count=1,
        look_at=now + ca_patience(1, None),
        because="the CA validates",
        authorizations=tuple(authorizations),
    )
    return replace(facts, order=answered)


def not_published(means: IssuanceDeps, facts: LineageFacts, refusal: DnsRefused) -> LineageFacts:
    """The CA has not been asked to validate and need not know: the order is kept, DNS has its own ladder."""
    now = means.clock.now()
    count = facts.attempt.dns_failures + 1
    means.journal.warn("not published", link=facts.link, reason=str(refusal))
    noted = replace(
        facts.attempt,
        dns_failures=count,
        first_failed_at=facts.attempt.first_failed_at or now,
        failed_at=now,
        kind="dns",
        message=str(refusal),
        hint=refusal.hint,
    )
    wait = in_time(local_patience(count), facts.current, now)
    order = facts.order and replace(facts.order, look_at=now + wait, because=str(refusal))
    return replace(facts, attempt=noted, order=order)
