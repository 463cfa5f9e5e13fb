"""newOrder, its authorizations, a key, and what will be owed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from certd.errors import AcmeProblem, AcmeRequest, AcmeUnreachable, ClockAmiss, NotDelegated
from certd.issuance.deps import IssuanceDeps
from certd.issuance.method import choose_method, obstacle_ahead, publishes, released
from certd.model import Authorization, Begin, Desired, LineageFacts, Order, Secret, TxtCleanup
from certd.planning.acme_errors import refusal_for
from certd.planning.cleanup import merge
from certd.planning.clock import in_words, only_by_our_clock
from certd.planning.relax import may_reuse_key
from certd.ports import CertificateAuthority, OrderSeen

# Where the CA does not say when an order expires (RFC 8555 makes it optional).
ORDER_LIFE = timedelta(days=7)

# For all authorizations of an order together: a slow CA holds a worker no longer, however many names there are.
STEP_SECONDS = 300.0


def look_ahead(means: IssuanceDeps, action: Begin, desired: Desired, facts: LineageFacts) -> None:
    """What can be seen to stand in the way, before anything is taken of the CA's limits.

    Raises:
        NotDelegated, CaaDenied: that.
        ClockAmiss: nothing is due by the CA's clock.
    """
    spec = desired.spec
    issuer = action.staging or desired.issuer.name
    authority = means.authority(issuer)
    obstacle = obstacle_ahead(means, spec, authority, means.clock.now())
    if isinstance(obstacle, NotDelegated):
        raise obstacle
    ahead = authority.clock_ahead()
    if only_by_our_clock(desired, facts, means.clock.now(), ahead):
        raise ClockAmiss(f"{in_words(ahead, issuer)}, by which nothing is due", hint="set this machine's clock")
    if obstacle is not None:
        raise obstacle


def begin(means: IssuanceDeps, action: Begin, desired: Desired, facts: LineageFacts) -> LineageFacts:
    """newOrder, its authorizations, a key, and what will be owed: all of it committed before anything else."""
    spec = desired.spec
    issuer = action.staging or desired.issuer.name
    authority = means.authority(issuer)
    account = authority.account()
    try:
        seen = authority.new_order(spec.domains, profile=action.profile, replaces=action.replaces)
    except AcmeProblem as problem:
        kind = refusal_for(problem).kind
        if kind == "notPermitted" and authority.account_has_ended():
            # The CA calls it by words that are in no row.
            kind, problem.request = "accountDeactivated", AcmeRequest.ACCOUNT
            problem.hint = refusal_for(problem).hint
        is_pinned = not publishes(spec) or means.challenges(spec.dns).denied(spec.domains, authority.caa()[0], "")
        if kind != "accountDeactivated" or is_pinned:
            # CAA records (RFC 8657) or dns-persist-01 records that name the account would refuse another one.
            raise
        means.journal.warn("another account", issuer=issuer, reason=str(problem))
        authority.replace_account(account)
        seen = authority.new_order(spec.domains, profile=action.profile, replaces="")
    authorizations = tuple(
        released(choose_method(means, spec, facts, each, authority))
        for each in _read_authorizations(means, authority, seen, spec.domains)
    )
    now = means.clock.now()
    dropped = [f"replaces: {seen.dropped}"] if seen.dropped else []
    if desired.issuer.profile and not action.profile:
        dropped.append(f"profile: {desired.issuer.name} does not offer {desired.issuer.profile!r} any more")
    if desired.issuer.name not in spec.issuers:
        why = next((each.message for each in facts.others if each.issuer in spec.issuers and each.message), "")
        dropped.append(f"issuer {', '.join(spec.issuers)}: {why or 'it does not answer'}")
    if desired.is_relaxed:
        dropped += [
            f"{what}: {desired.obstacle}" for what in desired.without if what not in (desired.whole or spec).domains
        ]
    order = Order(
        url=seen.url,
        finalize_url=seen.finalize_url,
        issuer=issuer,
        domains=spec.domains,
        key=_key(means, action, desired, facts),
        key_type=spec.key_type,
        made_at=now,
        look_at=now,
        give_up_at=seen.expires or now + ORDER_LIFE,
        status=seen.status,
        authorizations=authorizations,
        certificate_url=seen.certificate_url,
        replaces=action.replaces,
        reason=action.because,
        is_proof=bool(action.staging),
        dropped=tuple(dropped),
        relaxed=desired.is_relaxed,
        profile=action.profile,
    )
    cleanups = tuple(
        TxtCleanup(provider=spec.dns, name=a.txt_name, value=a.txt_value, made_at=now)
        for a in authorizations
        if a.status == "pending" and a.txt_value
    )
    means.journal.say("ordered", link=facts.link, reason=action.because, issuer=issuer, order=seen.url)
    return replace(facts, order=order, cleanups=merge(facts.cleanups, cleanups))


def _read_authorizations(
    means: IssuanceDeps, authority: CertificateAuthority, seen: OrderSeen, domains: Sequence[str]
) -> tuple[Authorization, ...]:
    """One for each name at most, a wildcard being a name of its own, and all of them within one deadline."""
    if len(seen.authorization_urls) > len(domains):
        raise AcmeProblem(
            type="malformed",
            detail=f"it wants {len(seen.authorization_urls)} proofs, and was asked for {len(domains)} names",
        )
    asked = {domain.removeprefix("*.") for domain in domains}
    give_up_at = means.clock.monotonic() + STEP_SECONDS
    authorizations = []
    for url in seen.authorization_urls:
        if means.clock.monotonic() >= give_up_at:
            raise AcmeUnreachable(f"its authorizations could not be read within {STEP_SECONDS:g} s")
        authorization = authority.read_authorization(url)
        if authorization.identifier not in asked:
            raise AcmeProblem(
                type="malformed",
                detail=f"it wants a proof for {authorization.identifier}, which it was not asked about",
            )
        authorizations.append(authorization)
    return tuple(authorizations)


def _key(means: IssuanceDeps, action: Begin, desired: Desired, facts: LineageFacts) -> Secret:
    """A new key each time, unless the operator wants to keep it and it is of the wanted type and unhurt."""
    current = facts.current
    may_reuse = current is not None and not action.staging and may_reuse_key(desired, facts)
    if may_reuse and current is not None and means.crypto.key_type_of(current.key) == desired.spec.key_type:
        return current.key
    return means.crypto.make_key(desired.spec.key_type)
