"""Wishes that are not worth a lapse: what the CA rejects of them is left out, with an alarm. Pure.

A profile is refused clearly for as long as somebody can still change the configuration in peace: for good where there
is no certificate yet, and for the first quarter of the margin of a renewal. Then the renewal goes without.
"""

from __future__ import annotations

from datetime import datetime

from certd.model import Certificate, CertificateSpec, Desired, LineageFacts
from certd.planning.margin import QUARTER
from certd.planning.renewal import margin_of


def relax_at(certificate: Certificate) -> datetime:
    """When a quarter of the margin is used."""
    return margin_of(certificate).at(QUARTER)


def profile_to_order(desired: Desired, facts: LineageFacts, now: datetime) -> str:
    """The profile to order by; empty where the wished one was refused and waiting for it uses up the margin."""
    refused = facts.attempt.kind == "invalidProfile"
    if refused and facts.current is not None and now >= relax_at(facts.current):
        return ""
    return desired.issuer.profile


def may_reuse_key(desired: Desired, facts: LineageFacts) -> bool:
    """Whether the current key may serve again: wanted, unhurt, and not what the CA minds."""
    current = facts.current
    if not desired.spec.reuse_key or current is None or current.revoked_because or facts.key_is_compromised:
        return False
    return facts.attempt.kind != "badKey"


def changes_at_renewal(spec: CertificateSpec, issuer: str, facts: LineageFacts) -> tuple[str, ...]:
    """What the next renewal changes, because the configuration has changed since the current certificate was issued.

    The profile is not among it: a certificate does not say by which one it was ordered.
    """
    current = facts.current
    if current is None:
        return ()
    changes = []
    if current.key_type and current.key_type != spec.key_type:
        changes.append(f"key {spec.key_type.value} instead of {current.key_type}")
    if current.issuer != issuer:
        changes.append(f"issuer {issuer} instead of {current.issuer}")
    if gone := sorted(set(current.domains) - set(spec.domains)):
        changes.append(f"without {', '.join(gone)}")
    return tuple(changes)
