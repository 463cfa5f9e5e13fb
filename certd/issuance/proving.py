"""Publish, look, answer: what makes an authorization valid."""

from __future__ import annotations

from dataclasses import replace

from certd.errors import DnsRefused
from certd.issuance.means import Means
from certd.model import LineageFacts, Order
from certd.planning.backoff import ca_patience, dns_patience, hurried, local_patience
from certd.planning.owing import asks_anyway, merged, owed_for_order


def present(means: Means, facts: LineageFacts) -> LineageFacts:
    """Publish every value before waiting for any, then look at every authoritative server."""
    order = facts.order
    if order is None:
        return facts
    owed = owed_for_order(facts)
    published = tuple(
        debt if debt.added_at else means.challenges(debt.provider).present(debt) for debt in owed
    )  # fmt: skip
    if any(debt.added_at is None for debt in owed):
        means.journal.say("published", link=facts.link, names=", ".join(sorted({d.name for d in owed})))
    debts, because = [], ""
    for debt in published:
        spread = means.challenges(debt.provider).spread(debt) if debt.seen_at is None else None
        now = means.clock.now()
        if spread is not None and spread.everywhere:
            debt = replace(debt, seen_at=now)
        elif spread is not None and spread.somewhere and asks_anyway(facts, now):
            means.journal.warn("the CA is asked all the same", link=facts.link, reason=spread.because)
            debt = replace(debt, seen_at=now)
        elif spread is not None:
            because = because or spread.because
        debts.append(debt)
    if because:
        now = means.clock.now()
        looks = order.look_count + 1
        order = replace(order, look_count=looks, look_at=now + dns_patience(looks), because=because)
    else:
        order = replace(order, look_count=0, because="")
    return replace(facts, order=order, debts=merged(facts.debts, tuple(debts)))


def answer(means: Means, facts: LineageFacts, order: Order) -> LineageFacts:
    authority = means.authority(order.issuer)
    for authorization in order.authorizations:
        if authorization.status == "pending":
            authority.answer(authorization.challenge_url)
    now = means.clock.now()
    means.journal.say("answered", link=facts.link, order=order.url)
    answered = replace(
        hurried(order, facts.current, now), answered_at=now, look_count=1, look_at=now + ca_patience(1, None),
        because="the CA validates",
    )  # fmt: skip
    return replace(facts, order=answered)


def not_published(means: Means, facts: LineageFacts, refusal: DnsRefused) -> LineageFacts:
    """The CA has not been asked to validate and need not know: the order is kept, DNS has its own ladder."""
    now = means.clock.now()
    count = facts.attempt.dns_failures + 1
    means.journal.warn("not published", link=facts.link, reason=str(refusal))
    noted = replace(
        facts.attempt, dns_failures=count, first_failed_at=facts.attempt.first_failed_at or now, failed_at=now,
        kind="dns", message=str(refusal), hint=refusal.hint,
    )  # fmt: skip
    order = facts.order and replace(facts.order, look_at=now + local_patience(count), because=str(refusal))
    return replace(facts, attempt=noted, order=order)
