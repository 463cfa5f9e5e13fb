"""Chain repair: a good leaf gets another chain, by a second download and without an order.

A revoked or unfit intermediate concerns every certificate below it at once. An order for each would run into the CA's
limits; a download costs none of them.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from certd.errors import AcmeProblem, AcmeUnreachable, GateRefused, IssuerUnknown
from certd.issuance.deps import IssuanceDeps
from certd.model import Certificate, ChainRepair, Desired, LineageFacts
from certd.planning.backoff import CA_LADDER, in_time, rung
from certd.ports import CertificateAuthority

# A CA that has revoked an intermediate offers another one soon. An order before that would get the old chain again.
PATIENCE = timedelta(hours=2)


def repair_chain(means: IssuanceDeps, desired: Desired, facts: LineageFacts) -> LineageFacts:
    """Take the first clean chain that the CA offers. Where it offers none for two hours, have another certificate
    ordered, unless that would hang from the same issuer. Raises LeaseLost.
    """
    current = facts.current
    if current is None or not current.chain_repair.is_open:
        return facts
    repair, now = current.chain_repair, means.clock.now()
    try:
        found = clean_chain(means, means.authority(current.issuer), current, desired.issuer.preferred_chain)
        trouble = "" if found is not None else "its CA offers no clean chain"
    except (AcmeProblem, AcmeUnreachable, IssuerUnknown) as error:
        found, trouble = None, str(error)
    if found is not None:
        means.journal.say("chain replaced", link=facts.link, generation=found.generation, reason=repair.reason)
        return replace(facts, current=found)
    means.journal.warn("chain not replaced", link=facts.link, reason=f"{repair.reason}; {trouble}")
    is_over = now - (repair.since or now) >= PATIENCE
    if is_over and repair.may_order:
        return replace(facts, current=_given_up(current, trouble))
    looks = repair.looks + 1
    wait = CA_LADDER[-1] if is_over else in_time(min(rung(CA_LADDER, looks), PATIENCE / 4), current, now)
    return replace(facts, current=replace(current, chain_repair=replace(repair, looks=looks, look_at=now + wait)))


def clean_chain(
    means: IssuanceDeps, authority: CertificateAuthority, certificate: Certificate, preferred: str
) -> Certificate | None:
    """The certificate with the first chain that leads clients to a root without any fault; a preferred one before
    others. None where there is no such chain. Raises AcmeProblem, AcmeUnreachable.
    """
    now = means.clock.now()
    first: Certificate | None = None
    for chain in authority.chains(certificate.url):
        found = _clean(means, certificate, chain, now)
        if found is None:
            continue
        if not preferred or means.crypto.is_preferred(chain, preferred):
            return found
        first = first or found
    return first


def _clean(means: IssuanceDeps, certificate: Certificate, chain: str, now: datetime) -> Certificate | None:
    crypto = means.crypto
    try:
        read = crypto.read(chain, certificate.key, certificate.link, certificate.issuer, now)
        if read.fingerprint != certificate.fingerprint or crypto.has_issuer(chain, certificate.chain_repair.without):
            return None
        if crypto.fault_of(chain, certificate.issuer, now):
            return None
        crypto.judge(read, certificate.domains, now)
        closed = replace(certificate.chain_repair, reason="", look_at=None, looks=0)
        return crypto.with_chain(replace(certificate, chain_repair=closed), chain)
    except GateRefused:
        return None


def _given_up(current: Certificate, trouble: str) -> Certificate:
    """To be replaced by an order."""
    repair = current.chain_repair
    marks = ", ".join(repair.without)
    closed: ChainRepair = replace(repair, reason="", look_at=None)
    return replace(current, revoked_because=f"{repair.reason} ({marks}); {trouble}", chain_repair=closed)
