"""Wishes that are not worth a lapse: what cannot be had of them is left out, with an alarm. Pure.

A served certificate goes on being renewed, whatever else is wanted. Where the whole wish fails (the CA refuses an added
name, its record does not exist yet, another key type or profile is not offered), the order is made for what the
current certificate has, as far as it is still wanted. Then the whole wish is tried again on its own ladder.

When: once a quarter of the margin is used, so that somebody can change the configuration in peace until then. At once
where clients see a warning otherwise (revoked, called back, near its end). At the renewal moment where the refusal of
the whole wish lasts longer than that quarter: nothing would be tried in it.

A profile that the CA does not offer is left out alone first; the names that were added are still asked for. Every wish
gives way once half of the margin is used.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from certd.model import NO_ATTEMPT, Attempt, Certificate, CertificateSpec, Desired, KeyType, LineageFacts, Order
from certd.planning.issuers import is_blank, switch_issuer
from certd.planning.margin import HALF, QUARTER
from certd.planning.policies import is_configured_anew, is_from_the_future
from certd.planning.renewal import margin_of, margin_used, needs_haste

# An order for the whole wish that is open for such a share of the margin does not come to an end in time.
ORDER_SHARE = 1 / 8

# Where no profile is named (draft-ietf-acme-profiles section 4).
DEFAULT_PROFILE = "the CA's default"


def relax_at(certificate: Certificate) -> datetime:
    """When a quarter of the margin is used."""
    return margin_of(certificate).at(QUARTER)


def relaxed(desired: Desired, facts: LineageFacts, now: datetime) -> tuple[Desired, LineageFacts]:
    """The wish to act on now, and the facts turned to its failures: the whole wish, or, where that cannot be had and
    the served certificate must be renewed, what that certificate has of it.
    """
    preferred = desired.spec.issuers[0]
    facts = switch_issuer(facts, desired.issuer.name, preferred, relaxed=desired.is_relaxed)
    if desired.is_relaxed:
        return desired, facts
    if facts.order is not None:
        if not facts.order.relaxed:
            return desired, facts
        less = _as_ordered(desired, facts.order)
    else:
        at = relaxes_at(desired, facts, now)
        if at is None or now < at:
            return desired, facts
        less = least_wish(desired, facts, now)
    return less, switch_issuer(facts, desired.issuer.name, preferred, relaxed=True)


def relaxes_at(desired: Desired, facts: LineageFacts, now: datetime) -> datetime | None:
    """When the current certificate is renewed without the rest of the wish; None where the whole wish is tried.

    Args:
        facts: Turned to the failures of the whole wish.
    """
    current = facts.current
    if current is None or desired.is_relaxed or not obstacle_of(desired, facts, now):
        return None
    if not least_wish(desired, facts, now).is_relaxed:
        return None
    if needs_haste(current, now):
        return current.issued_at
    margin, quarter = margin_of(current), relax_at(current)
    if facts.attempt.kind == "invalidProfile":
        # It is left out alone first: see profile_to_order.
        return margin.at(HALF)
    held = facts.attempt.not_before
    return margin.start if held is not None and held > quarter else quarter


def outlives(desired: Desired, facts: LineageFacts, order: Order, now: datetime) -> bool:
    """Whether an open order for the whole wish must be given up, or the served certificate is not renewed in time."""
    current = facts.current
    if current is None or order.relaxed or order.is_proof or order.status != "pending" or desired.is_relaxed:
        return False
    if not least_wish(desired, facts, now).is_relaxed:
        return False
    margin = margin_of(current)
    return now >= margin.at(QUARTER) and now - order.made_at >= margin.at(ORDER_SHARE) - margin.start


def obstacle_of(desired: Desired, facts: LineageFacts, now: datetime) -> str:
    """Why the whole wish cannot be had at present, in words; empty where nothing is known that speaks against it."""
    attempt, slot = facts.attempt, facts.slot
    if attempt.kind == "dnsUnreachable":
        return attempt.message
    has_failed = attempt.failures or attempt.dns_failures
    if has_failed and not is_from_the_future(attempt.failed_at, now) and not is_configured_anew(desired, attempt):
        return f"{attempt.kind}: {attempt.message}" if attempt.kind else attempt.message or "it failed"
    if slot is not None and slot.issuer == desired.issuer.name and slot.at > now:
        return f"{desired.issuer.name} takes no order for it before {slot.at:%Y-%m-%d %H:%M:%SZ}"
    return ""


def least_wish(desired: Desired, facts: LineageFacts, now: datetime) -> Desired:
    """What the current certificate has of a wish; the wish itself where that is all of it, or nothing of it."""
    current = facts.current
    if current is None:
        return desired
    spec, terms = desired.spec, desired.issuer
    domains = tuple(domain for domain in spec.domains if domain in current.domains)
    if not domains:
        return desired
    key_type = KeyType(current.key_type) if current.key_type in set(KeyType) else spec.key_type
    all_give_way = margin_used(current, now) >= HALF
    profile = "" if all_give_way else terms.profile
    without = left_out(spec, domains, key_type, terms.profile if profile != terms.profile else "")
    if not without:
        return desired
    return replace(
        desired,
        spec=replace(spec, domains=domains, key_type=key_type),
        issuer=replace(terms, profile=profile),
        whole=spec,
        without=without,
        obstacle=obstacle_of(desired, facts, now),
    )


def left_out(spec: CertificateSpec, domains: tuple[str, ...], key_type: str, profile: str = "") -> tuple[str, ...]:
    """What an order for these goes without, as phrases."""
    without = [domain for domain in spec.domains if domain not in domains]
    if key_type != spec.key_type:
        without.append(f"key type {spec.key_type}")
    if profile:
        without.append(f"profile {profile}")
    return tuple(without)


def _as_ordered(desired: Desired, order: Order) -> Desired:
    """The wish that an open relaxed order was made for, as far as it is still of use."""
    spec = replace(desired.spec, domains=order.domains, key_type=KeyType(order.key_type))
    without = left_out(desired.spec, order.domains, order.key_type)
    return replace(desired, spec=spec, whole=desired.spec, without=without, obstacle=order.reason)


def in_words(desired: Desired) -> str:
    """What a relaxed wish leaves out and why, as the end of a sentence."""
    return f"renewed without {', '.join(desired.without)}, because that failed ({desired.obstacle})"


def after_success(
    desired: Desired, facts: LineageFacts, dropped: tuple[str, ...]
) -> tuple[Attempt, tuple[Attempt, ...]]:
    """``attempt`` and ``others`` once a certificate has come. A success forgets all failures; that of a relaxed order
    forgets none of the whole wish while a name is missing, or it would be ordered again at once.
    """
    whole = desired.whole
    if whole is not None and set(whole.domains) - set(desired.spec.domains):
        kept = [each for each in (facts.attempt, *facts.others) if not each.relaxed and each != NO_ATTEMPT]
        if kept:
            return replace(kept[0], dropped=dropped), tuple(kept[1:])
    return replace(NO_ATTEMPT, dropped=dropped), ()


def failure_of_relaxed(facts: LineageFacts) -> Attempt | None:
    """How renewing without the rest of the wish failed; None where it did not."""
    known = (facts.attempt, *facts.others)
    return next((each for each in known if each.relaxed and each.kind and not is_blank(each)), None)


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


def changes_at_renewal(
    spec: CertificateSpec, issuer: str, facts: LineageFacts, profile: str | None = None
) -> tuple[str, ...]:
    """What the next renewal changes, because the configuration has changed since the current certificate was issued.

    Args:
        profile: What the issuer is asked for; None: nobody knows. A certificate does not say by which profile it was
            ordered: the store does, where certd ordered it.
    """
    current = facts.current
    if current is None:
        return ()
    changes = []
    if current.key_type and current.key_type != spec.key_type:
        changes.append(f"key {spec.key_type.value} instead of {current.key_type}")
    if current.issuer != issuer:
        changes.append(f"issuer {issuer} instead of {current.issuer}")
    elif None not in {profile, current.profile} and profile != current.profile:
        changes.append(f"profile {profile or DEFAULT_PROFILE} instead of {current.profile or DEFAULT_PROFILE}")
    if gone := sorted(set(current.domains) - set(spec.domains)):
        changes.append(f"without {', '.join(gone)}")
    return tuple(changes)
