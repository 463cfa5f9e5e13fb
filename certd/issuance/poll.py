"""An order on its way at the CA: read it, finalize it, keep it while the CA is busy.

While the CA validates only the order is read. Some CAs leave it pending when a validation has failed: step-ca changes
nothing but the challenge's ``error``, acme2certifier makes only the authorization invalid. So an order that is still
pending two seconds after the challenges were answered is read together with its authorizations; public CAs are done
by then, and cost no further request.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from certd.errors import AcmeProblem, AcmeRequest
from certd.issuance.deps import IssuanceDeps
from certd.model import Authorization, Desired, LineageFacts, Order
from certd.planning.backoff import answer_patience, ca_patience, hurried, in_time, local_patience
from certd.planning.failure import failed_validation, is_passing
from certd.ports import CertificateAuthority, OrderSeen

# A 404 for what was created a moment ago is a replica that lags (Boulder issue 6593), not a lost order.
REPLICA_LAG = timedelta(seconds=60)

# After the answer: the authorizations are read, too, from then on.
VALIDATION_TIME = timedelta(seconds=2)

# An authorization in one of these states never becomes valid (RFC 8555 section 7.1.6).
ENDED = frozenset({"invalid", "deactivated", "expired", "revoked"})


def read(means: IssuanceDeps, desired: Desired, facts: LineageFacts, order: Order) -> LineageFacts:
    authority = means.authority(order.issuer)
    try:
        seen = authority.read_order(order.url)
    except AcmeProblem as problem:
        return _order_gone(means, facts, order, problem)
    order = with_seen(means, order, seen)
    if order.status == "invalid" and not order.problem:
        failed = _failed_authorization(authority, order)
        if failed is not None:
            order = replace(order, problem_type=failed.problem_type, problem=words_of(failed))
    answered = order.answered_at
    if order.status == "pending" and answered is not None and means.clock.now() - answered >= VALIDATION_TIME:
        return _read_validations(means, desired, facts, order)
    return replace(facts, order=order)


def _failed_authorization(authority: CertificateAuthority, order: Order) -> Authorization | None:
    """Which name failed and why: the order itself often does not say (Boulder, Pebble)."""
    seen = (authority.read_authorization(a.url) for a in order.authorizations)
    return next((a for a in seen if a.status in ENDED), None)


def words_of(authorization: Authorization) -> str:
    """Which name an authorization is for, and what the CA says of it."""
    said = authorization.problem or f"its authorization is {authorization.status}"
    return f"{authorization.identifier}: {said}"


def _read_validations(means: IssuanceDeps, desired: Desired, facts: LineageFacts, order: Order) -> LineageFacts:
    """How far the validations of a pending order are: one that has ended ends the order, one that failed is counted and
    asked for again later.
    """
    authority = means.authority(order.issuer)
    seen = tuple(
        known if known.status == "valid" else _read_authorization(authority, known) for known in order.authorizations
    )
    now = means.clock.now()
    was_known = any(known.has_failed for known in order.authorizations)
    order = replace(order, authorizations=seen)
    ended = next((each for each in seen if each.status in ENDED), None)
    if ended is not None:
        order = replace(order, status="invalid", problem_type=ended.problem_type, problem=words_of(ended), look_at=now)
        return replace(facts, order=order)
    failed = next((each for each in seen if each.has_failed), None)
    if failed is None:
        return replace(facts, order=order)
    problem = AcmeProblem(type=failed.problem_type, detail=words_of(failed), request=AcmeRequest.VALIDATION)
    # Whoever takes over finds the error that was counted before.
    attempt = facts.attempt if was_known else failed_validation(desired, facts, problem, now)
    at = min(now + answer_patience(attempt.failures, desired.issuer), order.give_up_at)
    means.journal.warn("validation failed", link=facts.link, reason=str(problem), again=f"{at:%Y-%m-%d %H:%M:%SZ}")
    because = f"the validation failed, and the CA is asked to validate again: {words_of(failed)}"
    return replace(facts, attempt=attempt, order=replace(order, look_at=at, because=because))


def _read_authorization(authority: CertificateAuthority, known: Authorization) -> Authorization:
    """Its state now. One that cannot be read says nothing about the order, which is read anyway."""
    try:
        seen = authority.read_authorization(known.url)
    except AcmeProblem as problem:
        if is_passing(problem):
            raise
        return known
    return replace(known, status=seen.status, problem_type=seen.problem_type, problem=seen.problem)


def _order_gone(means: IssuanceDeps, facts: LineageFacts, order: Order, problem: AcmeProblem) -> LineageFacts:
    """A young order that cannot be read is a replica that lags; an old one is gone (a CA that forgot us)."""
    now = means.clock.now()
    says_so = problem.status in {404, 400, 403} or problem.type in {"accountDoesNotExist", "malformed"}
    if is_passing(problem) or not says_so:
        raise problem
    if now - order.made_at < REPLICA_LAG and problem.status == 404:
        looks = order.look_count + 1
        return replace(
            facts,
            order=replace(
                order,
                status=order.status or "processing",
                look_count=looks,
                look_at=now + ca_patience(looks, problem.retry_after),
                because=str(problem),
            ),
        )
    why = f"the CA does not know the order: {problem.detail}"
    gone = replace(order, status="invalid", problem_type="gone", problem=why)
    return replace(facts, order=gone)


def with_seen(means: IssuanceDeps, order: Order, seen: OrderSeen) -> Order:
    now = means.clock.now()
    moved_on = seen.status != order.status
    looks = 1 if moved_on else order.look_count + 1
    at_once = moved_on and seen.status in {"ready", "valid", "invalid"}
    unanswered = seen.status == "pending" and order.answered_at is None
    look_at = now if at_once or unanswered else now + ca_patience(looks, seen.retry_after)
    return replace(
        order,
        status=seen.status,
        look_count=looks,
        look_at=look_at,
        certificate_url=seen.certificate_url or order.certificate_url,
        problem=seen.problem,
        problem_type=seen.problem_type,
        because={"pending": "the CA validates", "processing": "the CA signs"}.get(seen.status, ""),
    )


def finalize(means: IssuanceDeps, facts: LineageFacts, order: Order) -> LineageFacts:
    """Only the order that the row names is finalized, with the key that the row holds (design.md, Remember first)."""
    means.still_held()
    seen = means.authority(order.issuer).finalize(order.finalize_url, means.crypto.csr(order.key, order.domains))
    means.journal.say("finalized", link=facts.link, order=order.url)
    return replace(facts, order=with_seen(means, hurried(order, facts.current, means.clock.now()), seen))


def outlasts(means: IssuanceDeps, facts: LineageFacts, order: Order, problem: AcmeProblem) -> bool:
    """Whether the CA asks for more patience than its order is worth: to wait with it open would end the same, and keep
    the link from its other issuers for so long.
    """
    now = means.clock.now()
    wait = problem.retry_after
    return wait is not None and now + wait >= hurried(order, facts.current, now).give_up_at


def keep_waiting(means: IssuanceDeps, facts: LineageFacts, order: Order, problem: AcmeProblem) -> LineageFacts:
    """The CA is busy in the middle of an order: the order is kept, or a certificate could be bought twice."""
    looks = order.look_count + 1
    now = means.clock.now()
    wait = problem.retry_after or in_time(local_patience(looks), facts.current, now)
    means.journal.warn("the CA asks for patience", link=facts.link, reason=str(problem))
    later = replace(
        hurried(order, facts.current, now), status=None, look_count=looks, look_at=now + wait, because=str(problem)
    )
    return replace(facts, order=later)
