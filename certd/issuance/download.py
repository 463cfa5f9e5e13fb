"""Download, judge, and make it current: what is signed is not yet what counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from certd.errors import AcmeProblem, AcmeUnreachable, GateRefused
from certd.issuance.chain_repair import clean_chain
from certd.issuance.deps import IssuanceDeps
from certd.issuance.poll import with_seen
from certd.model import Desired, LineageFacts, Order
from certd.planning.backoff import ca_patience
from certd.planning.cleanup import release
from certd.planning.relax import after_success
from certd.planning.staging import record_proof

# A signed certificate that cannot be had for so long is given up; the CA has lost it.
COLLECT_PATIENCE = timedelta(hours=1)


def collect(means: IssuanceDeps, desired: Desired, facts: LineageFacts, order: Order) -> LineageFacts:
    """Download, judge, and make it current: what is signed is not yet what counts."""
    now = means.clock.now()
    if order.is_proof:
        means.journal.say("proved", link=facts.link, issuer=order.issuer, reason="the real one is asked now")
        return replace(facts, order=None, cleanups=release(facts, now), attempt=record_proof(facts.attempt, now))
    authority = means.authority(order.issuer)
    if not order.certificate_url:
        seen = with_seen(means, order, authority.read_order(order.url))
        if seen.status == "valid" and not seen.certificate_url and now >= order.give_up_at:
            raise AcmeProblem(type="gone", detail="the order is valid, and does not say where its certificate is")
        return replace(facts, order=seen)
    try:
        chain = authority.collect(order.certificate_url, preferred_chain=desired.issuer.preferred_chain)
    except AcmeUnreachable as error:
        if now < order.give_up_at:
            raise
        # Of a CA that is away this raises the same; of one that answers, only this certificate cannot be had.
        authority.read_order(order.url)
        raise AcmeProblem(type="gone", detail=f"what was signed cannot be had: {error}") from error
    except AcmeProblem as problem:
        if problem.status != 404:
            raise
        if now - order.made_at > COLLECT_PATIENCE:
            raise AcmeProblem(type="gone", detail=f"what was signed cannot be had: {problem.detail}") from problem
        looks = order.look_count + 1
        later = now + ca_patience(looks, problem.retry_after)
        return replace(facts, order=replace(order, look_count=looks, look_at=later, because=str(problem)))
    now = means.clock.now()
    read = means.crypto.read(chain, order.key, facts.link, order.issuer, now)
    certificate = replace(read, profile=order.profile, url=order.certificate_url)
    try:
        means.crypto.judge(certificate, order.domains, now)
    except GateRefused:
        # The leaf may be good and the chain not: the CA may offer another one.
        other = clean_chain(means, authority, certificate, desired.issuer.preferred_chain)
        if other is None:
            raise
        certificate = replace(other, generation=read.generation)
        means.crypto.judge(certificate, order.domains, now)
    current = facts.current
    # Of one CA the later certificate starts later, but for how far it is backdated. It may well end sooner: a shorter
    # profile, a bought one before. What does both came before what we have.
    is_older = (
        current is not None
        and current.issuer == order.issuer
        and (certificate.not_before < current.not_before and certificate.not_after <= current.not_after)
    )
    if is_older and current is not None:
        message = f"what the CA signed starts {certificate.not_before:%Y-%m-%d %H:%M:%SZ}, before what we have"
        raise GateRefused(message)
    dropped = order.dropped
    if (preferred := desired.issuer.preferred_chain) and not means.crypto.is_preferred(
        certificate.chain_pem, preferred
    ):
        dropped += (f"preferred_chain: {order.issuer} offers no chain of {preferred!r}",)
    for words in dropped:
        means.journal.warn("without a wish", link=facts.link, reason=words)
    if authority.offers_renewal_information and certificate.ari_id:
        certificate = replace(certificate, window_look_at=now)
    means.journal.say(
        "issued",
        link=facts.link,
        generation=certificate.generation,
        reason=order.reason,
        until=f"{certificate.not_after:%Y-%m-%d %H:%M:%SZ}",
    )
    attempt, others = after_success(desired, facts, dropped)
    return replace(
        facts,
        order=None,
        current=certificate,
        attempt=attempt,
        others=others,
        request=None,
        cleanups=release(facts, now),
        issued_lately=(*facts.issued_lately, now),
    )
