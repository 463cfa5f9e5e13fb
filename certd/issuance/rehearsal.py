"""The whole way to a certificate with real credentials, except for the order itself."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from certd.errors import AcmeProblem, AcmeUnreachable, CredentialMissing, DnsRefused, DnsUnreachable, SecretUnreadable
from certd.issuance.deps import IssuanceDeps
from certd.issuance.method import obstacle_ahead, publishes
from certd.model import Desired, LineageFacts, Rehearsal, TxtCleanup
from certd.planning.backoff import dns_patience
from certd.planning.cleanup import merge
from certd.planning.rehearsal import LONGEST, is_under_way, rehearsal_failed, rehearsal_passed

# Every lookup of RFC 8555 section 8.4 begins so; a wildcard's is its name's.
LABEL = "_acme-challenge."

NOT_SEEN = "has the way to publish for these names changed? `certd check` looks at the rest"


def rehearse(
    means: IssuanceDeps, desired: Desired, facts: LineageFacts, *, only_dns: bool = False, by_hand: bool = False
) -> LineageFacts:
    """One step: begin it, or publish what is owed and look. Never raises for what it looks at: that is its result.

    The engine stores the cleanups of the canaries before this is called again to publish them (design.md, Cleanup
    first).

    Args:
        only_dns: Leave out the CA and CAA.
        by_hand: An operator asked for it: one that passes lifts the backoff, whatever the last one found.
    """
    now = means.clock.now()
    if is_under_way(facts.rehearsal, now):
        return _look(means, desired, facts, by_hand=by_hand)
    try:
        until = max(now, facts.current.not_after) if facts.current is not None else now
        if trouble := _trouble(means, desired, only_dns, until):
            return _ended(means, (), rehearsal_failed(facts, *trouble, now))
    except (AcmeUnreachable, AcmeProblem, SecretUnreadable, CredentialMissing) as error:
        return _ended(means, (), rehearsal_failed(facts, str(error), error.hint, now))
    if not publishes(desired.spec):
        return _ended(means, (), rehearsal_passed(desired, facts, now, by_hand=by_hand))
    names = dict.fromkeys(LABEL + domain.removeprefix("*.") for domain in desired.spec.domains)
    canaries = tuple(
        TxtCleanup(
            provider=desired.spec.dns,
            name=name,
            value=_canary(means, facts.link, name),
            made_at=now,
            settle_at=now + LONGEST,
        )
        for name in names
    )
    under_way = replace(
        facts.rehearsal,
        began_at=now,
        values=tuple(cleanup.value for cleanup in canaries),
        look_at=now,
        look_count=0,
        because="canaries are published",
    )
    return replace(facts, rehearsal=under_way, cleanups=merge(facts.cleanups, canaries))


def _trouble(means: IssuanceDeps, desired: Desired, only_dns: bool, until: datetime) -> tuple[str, str] | None:
    """What can be seen to be wrong without publishing anything, and the way out.

    Args:
        until: When the next renewal is over: a record that stands must count until then.
    """
    spec = desired.spec
    if publishes(spec) and (missing := means.challenges(spec.dns).undelegated(spec.dns, spec.domains)):
        return missing.words, missing.hint
    # A record that stands is the CA's business, too: it names the account there.
    for issuer in () if only_dns and publishes(spec) else spec.issuers:
        if obstacle := obstacle_ahead(means, spec, means.authority(issuer), until):
            return f"issuer {issuer}: {obstacle}", obstacle.hint
    return None


def _look(means: IssuanceDeps, desired: Desired, facts: LineageFacts, *, by_hand: bool) -> LineageFacts:
    rehearsal, now = facts.rehearsal, means.clock.now()
    canaries, because, hint, is_final = [], "", "", False
    owed = tuple(_canaries(facts, rehearsal))
    try:
        owed = means.publish(owed)
        for cleanup in owed:
            spread = None if cleanup.seen_at else means.challenges(cleanup.provider).spread(cleanup)
            if spread is not None and spread.everywhere:
                cleanup = replace(cleanup, seen_at=means.clock.now())
            elif spread is not None:
                because = because or spread.because
            canaries.append(cleanup)
    except (DnsUnreachable, DnsRefused, SecretUnreadable, CredentialMissing) as error:
        because, hint = because or str(error), hint or error.hint
        # Whoever asked by hand waits at the terminal, and a no stays a no.
        is_final = by_hand and not isinstance(error, DnsUnreachable)
    facts = replace(facts, cleanups=merge(facts.cleanups, (*owed, *canaries)))
    if not because:
        return _ended(means, rehearsal.values, rehearsal_passed(desired, facts, means.clock.now(), by_hand=by_hand))
    if is_final or now - (rehearsal.began_at or now) >= min(desired.propagation_timeout, LONGEST / 2):
        return _ended(means, rehearsal.values, rehearsal_failed(facts, because, hint or NOT_SEEN, means.clock.now()))
    looks = rehearsal.look_count + 1
    later = replace(rehearsal, look_count=looks, look_at=means.clock.now() + dns_patience(looks), because=because)
    return replace(facts, rehearsal=later)


def _canaries(facts: LineageFacts, rehearsal: Rehearsal) -> Iterable[TxtCleanup]:
    return [cleanup for cleanup in facts.cleanups if cleanup.value in rehearsal.values and cleanup.settled_at is None]


def _ended(means: IssuanceDeps, values: Sequence[str], facts: LineageFacts) -> LineageFacts:
    """Nothing needs the canaries any more."""
    now, rehearsal = means.clock.now(), facts.rehearsal
    if rehearsal.message:
        means.journal.warn("rehearsal failed", link=facts.link, reason=rehearsal.message)
    else:
        seen = "our canary" if values else "the record that stands"
        means.journal.say("rehearsed", link=facts.link, reason=f"every authoritative server showed {seen}")
    return replace(
        facts,
        cleanups=tuple(
            replace(cleanup, settle_at=now) if cleanup.value in values and cleanup.settled_at is None else cleanup
            for cleanup in facts.cleanups
        ),
    )


def _canary(means: IssuanceDeps, link: str, name: str) -> str:
    """43 letters of base64url, as a validation value is (RFC 8555 section 8.4); some APIs take nothing else."""
    seed = f"{link} {name} {means.clock.now()} {means.chance.uniform(0, 1)} {means.chance.uniform(0, 1)}"
    return base64.urlsafe_b64encode(hashlib.sha256(seed.encode()).digest()).rstrip(b"=").decode()
