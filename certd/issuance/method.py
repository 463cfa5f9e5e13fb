"""How a link's names are proven to the CA: dns-01, or dns-persist-01 where the owner of the zone set its record.

``dns-persist-01`` never publishes anything. ``auto`` takes the record that stands where the CA offers that challenge,
and publishes a value otherwise; after a failure it publishes, because the CA may read the record in another way.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from certd.errors import AcmeProblem, AcmeRequest, AcmeUnreachable, CaaDenied, NotDelegated
from certd.issuance.deps import IssuanceDeps
from certd.model import DNS_01, DNS_PERSIST_01, Authorization, CertificateSpec, LineageFacts
from certd.ports import CertificateAuthority


def publishes(spec: CertificateSpec) -> bool:
    """Whether a TXT value can be published for each order of this link."""
    return spec.challenge != DNS_PERSIST_01 and bool(spec.dns)


def obstacle_ahead(
    means: IssuanceDeps, spec: CertificateSpec, authority: CertificateAuthority, until: datetime
) -> NotDelegated | CaaDenied | None:
    """Why no method of this link can pass at a CA; None where one can, or where nobody can say. Costs the CA nothing.

    Args:
        until: A record that stands must count until then.
    """
    first: NotDelegated | CaaDenied | None = None
    if publishes(spec):
        first = _by_value(means, spec, authority)
        if first is None or spec.challenge == DNS_01:
            return first
    try:
        second = _by_record(means, spec, authority, until)
    except AcmeUnreachable:
        # What was found does not wait for a CA that is away.
        if first is None:
            raise
        return first
    if second is None:
        # Nobody can say whether a record is right: that lifts no obstacle that was found.
        return None if first is None or authority.caa()[0] else first
    # What is missing for a published value is the shorter way out, where one may be published.
    return first or second


def _by_value(
    means: IssuanceDeps, spec: CertificateSpec, authority: CertificateAuthority
) -> NotDelegated | CaaDenied | None:
    challenges = means.challenges(spec.dns)
    if obstacle := challenges.undelegated(spec.dns, spec.domains):
        return NotDelegated(obstacle.words, hint=obstacle.hint)
    if obstacle := challenges.denied(spec.domains, *authority.caa()):
        return CaaDenied(obstacle.words, hint=obstacle.hint, awaited=obstacle.awaited)
    return None


def _by_record(
    means: IssuanceDeps, spec: CertificateSpec, authority: CertificateAuthority, until: datetime
) -> NotDelegated | CaaDenied | None:
    challenges = means.challenges(spec.dns)
    identities, account = authority.caa()
    if not identities:
        # Only the challenge says how the CA is called; that needs an order.
        return None
    if obstacle := challenges.unpersisted(spec.domains, identities, account, until):
        return NotDelegated(obstacle.words, hint=obstacle.hint)
    if obstacle := challenges.denied(spec.domains, identities, account, DNS_PERSIST_01):
        return CaaDenied(obstacle.words, hint=obstacle.hint, awaited=obstacle.awaited)
    return None


def choose_method(
    means: IssuanceDeps,
    spec: CertificateSpec,
    facts: LineageFacts,
    authorization: Authorization,
    authority: CertificateAuthority,
) -> Authorization:
    """The authorization with the challenge that is answered.

    Raises:
        AcmeProblem: the CA offers none that this link can pass.
    """
    if authorization.status != "pending":
        return authorization
    by_value = publishes(spec) and bool(authorization.txt_value)
    if by_value and (spec.challenge == DNS_01 or facts.attempt.failures):
        return authorization
    offer, account = authorization.persist, authority.account()
    if offer is None:
        if by_value:
            return authorization
        wanted = DNS_01 if publishes(spec) else DNS_PERSIST_01
        hint = "" if publishes(spec) else 'use challenge = "dns-01" with a [dns.NAME] table, or another issuer'
        raise AcmeProblem(type="unsupported", detail=f"{authority.name} offers no {wanted} challenge", hint=hint)
    domain = f"*.{authorization.identifier}" if authorization.wildcard else authorization.identifier
    if offer.account not in ("", account):
        why = f"{domain}: the CA wants a record for another account, {offer.account}; ours is {account}"
    else:
        seen = means.challenges(spec.dns).unpersisted((domain,), offer.issuers, account, means.clock.now())
        why = seen.words if seen else ""
    if not why:
        return authorization.by_persist(offer)
    if by_value:
        return authorization
    raise AcmeProblem(type="dns", detail=why, request=AcmeRequest.VALIDATION)


def released(authorization: Authorization) -> Authorization:
    """Without what is needed only to choose."""
    return replace(authorization, persist=None)
