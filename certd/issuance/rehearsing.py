"""The whole way to a certificate with real credentials, except for the order itself."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

from certd.errors import AcmeProblem, AcmeUnreachable, DnsRefused, DnsUnreachable
from certd.issuance.means import Means
from certd.model import Debt, LineageFacts, Rehearsal, Wish
from certd.planning.backoff import dns_patience
from certd.planning.owing import merged
from certd.planning.rehearsing import LONGEST, failed, is_under_way, passed

# Every lookup of RFC 8555 section 8.4 begins so; a wildcard's is its name's.
LABEL = "_acme-challenge."

NOT_SEEN = "has the way to publish for these names changed? `certd check` looks at the rest"


def rehearse(
    means: Means, wish: Wish, facts: LineageFacts, *, only_dns: bool = False, by_hand: bool = False
) -> LineageFacts:
    """One step: begin it, or publish what is owed and look. Never raises for what it looks at: that is its result.

    The canaries are debts that the engine commits before this is called again to publish them (DESIGN promise 2).

    Args:
        only_dns: Leave out the CA and CAA.
        by_hand: An operator asked for it: one that passes lifts the backoff, whatever the last one found.
    """
    now = means.clock.now()
    if is_under_way(facts.rehearsal, now):
        return _look(means, wish, facts, by_hand=by_hand)
    try:
        if trouble := _trouble(means, wish, only_dns):
            return _ended(means, (), failed(facts, *trouble, now))
    except (AcmeUnreachable, AcmeProblem) as error:
        return _ended(means, (), failed(facts, str(error), error.hint, now))
    names = dict.fromkeys(LABEL + domain.removeprefix("*.") for domain in wish.spec.domains)
    canaries = tuple(
        Debt(provider=wish.spec.dns, name=name, value=_canary(means, facts.link, name), made_at=now,
             settle_at=now + LONGEST)
        for name in names
    )  # fmt: skip
    under_way = replace(
        facts.rehearsal, began_at=now, values=tuple(debt.value for debt in canaries), look_at=now, look_count=0,
        because="canaries are published",
    )  # fmt: skip
    return replace(facts, rehearsal=under_way, debts=merged(facts.debts, canaries))


def _trouble(means: Means, wish: Wish, only_dns: bool) -> tuple[str, str] | None:
    """What can be seen to be wrong without publishing anything, and the way out."""
    spec = wish.spec
    challenges = means.challenges(spec.dns)
    if obstacle := challenges.undelegated(spec.dns, spec.domains):
        return obstacle.words, obstacle.hint
    for issuer in () if only_dns else spec.issuers:
        identities, account = means.authority(issuer).caa()
        if obstacle := challenges.denied(spec.domains, identities, account):
            return f"issuer {issuer}: {obstacle.words}", obstacle.hint
    return None


def _look(means: Means, wish: Wish, facts: LineageFacts, *, by_hand: bool) -> LineageFacts:
    rehearsal, now = facts.rehearsal, means.clock.now()
    canaries, because, hint = [], "", ""
    for debt in _canaries(facts, rehearsal):
        challenges = means.challenges(debt.provider)
        try:
            debt = debt if debt.added_at else challenges.present(debt)
            spread = None if debt.seen_at else challenges.spread(debt)
        except (DnsUnreachable, DnsRefused) as error:
            because, hint = because or str(error), hint or error.hint
        else:
            if spread is not None and spread.everywhere:
                debt = replace(debt, seen_at=means.clock.now())
            elif spread is not None:
                because = because or spread.because
        canaries.append(debt)
    facts = replace(facts, debts=merged(facts.debts, tuple(canaries)))
    if not because:
        return _ended(means, rehearsal.values, passed(wish, facts, means.clock.now(), by_hand=by_hand))
    if now - (rehearsal.began_at or now) >= min(wish.propagation_timeout, LONGEST / 2):
        return _ended(means, rehearsal.values, failed(facts, because, hint or NOT_SEEN, means.clock.now()))
    looks = rehearsal.look_count + 1
    later = replace(rehearsal, look_count=looks, look_at=means.clock.now() + dns_patience(looks), because=because)
    return replace(facts, rehearsal=later)


def _canaries(facts: LineageFacts, rehearsal: Rehearsal) -> Iterable[Debt]:
    return [debt for debt in facts.debts if debt.value in rehearsal.values and debt.settled_at is None]


def _ended(means: Means, values: Sequence[str], facts: LineageFacts) -> LineageFacts:
    """Nothing needs the canaries any more."""
    now, rehearsal = means.clock.now(), facts.rehearsal
    if rehearsal.message:
        means.journal.warn("rehearsal failed", link=facts.link, reason=rehearsal.message)
    else:
        means.journal.say("rehearsed", link=facts.link, reason="every authoritative server showed our canary")
    return replace(facts, debts=tuple(
        replace(debt, settle_at=now) if debt.value in values and debt.settled_at is None else debt
        for debt in facts.debts
    ))  # fmt: skip


def _canary(means: Means, link: str, name: str) -> str:
    """43 letters of base64url, as a validation value is (RFC 8555 section 8.4); some APIs take nothing else."""
    seed = f"{link} {name} {means.clock.now()} {means.chance.uniform(0, 1)} {means.chance.uniform(0, 1)}"
    return base64.urlsafe_b64encode(hashlib.sha256(seed.encode()).digest()).rstrip(b"=").decode()
