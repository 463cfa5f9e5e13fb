"""One order, reading like RFC 8555 section 7.1. Facts in, facts out; a failure becomes ``facts.attempt``.

What is away (a CA, a name server) is not a failure of the link: AcmeUnreachable and DnsUnreachable go through to the
engine, which notes it about the lane. "Renew" is not a second path: it is an order that ``replaces``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from certd.errors import AcmeProblem, AcmeUnreachable, CaaDenied, CertdError, DnsRefused, DnsUnreachable, GateRefused
from certd.model import (
    NO_ATTEMPT,
    Abandon,
    Answer,
    Authorization,
    Begin,
    Certificate,
    Collect,
    Debt,
    Finalize,
    IssueAction,
    LineageFacts,
    Order,
    Present,
    Read,
    Refresh,
    RenewalWindow,
    Secret,
    Settle,
    Wait,
    Wish,
)
from certd.planning.backoff import ca_patience, dns_patience, local_patience, settle_patience
from certd.planning.failing import failed_attempt, is_passing
from certd.planning.owing import SWEEP_AFTER, is_due, merged, owed_for_order, released
from certd.ports import CertificateAuthority, Challenges, Clock, Journal, OrderSeen, Randomness

# A 404 for what was created a moment ago is a replica that lags (Boulder issue 6593), not a lost order.
REPLICA_LAG = timedelta(seconds=60)

# Where the CA does not say when an order expires (RFC 8555 makes it optional).
ORDER_LIFE = timedelta(days=7)

# A signed certificate that cannot be had for so long is given up; the CA has lost it.
COLLECT_PATIENCE = timedelta(hours=1)

ARI_RETRY_LEAST = timedelta(minutes=1)
ARI_RETRY_MOST = timedelta(days=1)
ARI_LONG_TERM_RETRY = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Crypto:
    """What issuing needs of cryptography, handed over so that a simulation can do without.

    Attributes:
        make_key: A fresh private key of this type, PEM.
        key_type_of: The type of a key.
        csr: The CSR's DER for a key and names.
        read: Chain, key, link, issuer, time -> certificate; raises GateRefused for what is none.
        judge: The pair gate: raises GateRefused (DESIGN promise 4).
    """

    make_key: Callable[[str], Secret]
    key_type_of: Callable[[Secret], str]
    csr: Callable[[Secret, Sequence[str]], bytes]
    read: Callable[[str, Secret, str, str, datetime], Certificate]
    judge: Callable[[Certificate, Sequence[str], datetime], None]


@dataclass(frozen=True, slots=True)
class Issuance:
    """The use case: carries out one action of ``plan_issue``."""

    authority: Callable[[str], CertificateAuthority]
    challenges: Callable[[str], Challenges]
    crypto: Crypto
    clock: Clock
    chance: Randomness
    journal: Journal

    def carry_out(self, action: IssueAction, wish: Wish, facts: LineageFacts) -> LineageFacts:
        """Do it, and return the facts as they are afterwards.

        Raises:
            AcmeUnreachable, DnsUnreachable: what is asked is away; the facts are as they were.
            SealBroken, Stopping: about this process, not about the link.
        """
        try:
            return self._step(action, wish, facts)
        except AcmeProblem as problem:
            if facts.order is not None and is_passing(problem):
                return self._kept_waiting(facts, facts.order, problem)
            return self._failed(wish, facts, problem)
        except CaaDenied as denial:
            return self._failed(wish, facts, denial)
        except DnsRefused as refusal:
            return self._not_published(facts, refusal)
        except GateRefused as error:
            return self._failed(wish, facts, error)

    def _step(self, action: IssueAction, wish: Wish, facts: LineageFacts) -> LineageFacts:
        match action:
            case Begin():
                return self._begin(action, wish, facts)
            case Present():
                return self._present(wish, facts)
            case Settle():
                return self._settle(facts)
            case Refresh():
                return self._refresh(facts)
            case Abandon():
                return self._abandon(action, wish, facts)
            case Wait():
                return facts
            case Read() | Answer() | Finalize() | Collect():
                return self._with_order(action, wish, facts)
        assert_never(action)

    def _with_order(self, action: Read | Answer | Finalize | Collect, wish: Wish, facts: LineageFacts) -> LineageFacts:
        order = facts.order
        if order is None:
            return facts
        match action:
            case Read():
                return self._read(facts, order)
            case Answer():
                return self._answer(facts, order)
            case Finalize():
                return self._finalize(facts, order)
            case Collect():
                return self._collect(wish, facts, order)
        assert_never(action)

    # ------------------------------------------------------------------------------------------ the order's life

    def _begin(self, action: Begin, wish: Wish, facts: LineageFacts) -> LineageFacts:
        """newOrder, its authorizations, a key, and what will be owed: all of it committed before anything else."""
        spec = wish.spec
        authority = self.authority(wish.issuer.name)
        identities, account = authority.caa()
        if why := self.challenges(spec.dns).denied(spec.domains, identities, account):
            raise CaaDenied(why, hint="it is looked at again every few minutes; nothing was asked of the CA")
        seen = authority.new_order(spec.domains, profile=wish.issuer.profile, replaces=action.replaces)
        authorizations = tuple(authority.read_authorization(url) for url in seen.authorization_urls)
        now = self.clock.now()
        order = Order(
            url=seen.url, finalize_url=seen.finalize_url, issuer=wish.issuer.name, domains=spec.domains,
            key=self._key(wish, facts), key_type=spec.key_type, made_at=now, look_at=now,
            give_up_at=seen.expires or now + ORDER_LIFE,
            status=seen.status, authorizations=authorizations, certificate_url=seen.certificate_url,
            replaces=action.replaces, reason=action.because,
        )  # fmt: skip
        debts = tuple(
            Debt(provider=spec.dns, name=a.txt_name, value=a.txt_value, made_at=now)
            for a in authorizations
            if a.status == "pending" and a.txt_value
        )
        if any(a.status == "pending" and not a.txt_value for a in authorizations):
            raise AcmeProblem(type="unsupported", detail=f"{wish.issuer.name} offers no dns-01 challenge")
        self.journal.say("ordered", link=facts.link, reason=action.because, issuer=wish.issuer.name, order=seen.url)
        return replace(facts, order=order, debts=merged(facts.debts, debts))

    def _key(self, wish: Wish, facts: LineageFacts) -> Secret:
        """A new key each time, unless the operator wants to keep it and it is of the wanted type and unhurt."""
        current = facts.current
        reusable = wish.spec.reuse_key and current is not None and not current.revoked_because
        if reusable and current is not None and self.crypto.key_type_of(current.key) == wish.spec.key_type:
            return current.key
        return self.crypto.make_key(wish.spec.key_type)

    def _present(self, wish: Wish, facts: LineageFacts) -> LineageFacts:
        """Publish every value before waiting for any, then look at every authoritative server."""
        order = facts.order
        if order is None:
            return facts
        owed = owed_for_order(facts)
        published = tuple(
            debt if debt.added_at else self.challenges(debt.provider).present(debt) for debt in owed
        )  # fmt: skip
        if any(debt.added_at is None for debt in owed):
            self.journal.say("published", link=facts.link, names=", ".join(sorted({d.name for d in owed})))
        debts, because = [], ""
        for debt in published:
            spread = self.challenges(debt.provider).spread(debt) if debt.seen_at is None else None
            now = self.clock.now()
            if spread is not None and spread.everywhere:
                debt = replace(debt, seen_at=now)
            elif spread is not None:
                because = because or spread.because
            debts.append(debt)
        if because:
            now = self.clock.now()
            looks = order.look_count + 1
            order = replace(order, look_count=looks, look_at=now + dns_patience(looks), because=because)
        else:
            order = replace(order, look_count=0, because="")
        return replace(facts, order=order, debts=merged(facts.debts, tuple(debts)))

    def _answer(self, facts: LineageFacts, order: Order) -> LineageFacts:
        authority = self.authority(order.issuer)
        for authorization in order.authorizations:
            if authorization.status == "pending":
                authority.answer(authorization.challenge_url)
        now = self.clock.now()
        self.journal.say("answered", link=facts.link, order=order.url)
        answered = replace(
            order, answered_at=now, look_count=1, look_at=now + ca_patience(1, None), because="the CA validates",
        )  # fmt: skip
        return replace(facts, order=answered)

    def _read(self, facts: LineageFacts, order: Order) -> LineageFacts:
        authority = self.authority(order.issuer)
        try:
            seen = authority.read_order(order.url)
        except AcmeProblem as problem:
            return self._order_gone(facts, order, problem)
        order = self._as_seen(order, seen)
        if order.status == "invalid" and not order.problem:
            failed = self._failed_authorization(authority, order)
            if failed is not None:
                why = f"{failed.identifier}: {failed.problem}"
                order = replace(order, problem_type=failed.problem_type, problem=why)
        return replace(facts, order=order)

    def _failed_authorization(self, authority: CertificateAuthority, order: Order) -> Authorization | None:
        """Which name failed and why: the order itself often does not say (Boulder, Pebble)."""
        seen = (authority.read_authorization(a.url) for a in order.authorizations)
        return next((a for a in seen if a.status == "invalid"), None)

    def _order_gone(self, facts: LineageFacts, order: Order, problem: AcmeProblem) -> LineageFacts:
        """A young order that cannot be read is a replica that lags; an old one is gone (a CA that forgot us)."""
        now = self.clock.now()
        if problem.status not in {404, 400, 403} and problem.type not in {"accountDoesNotExist", "malformed"}:
            raise problem
        if now - order.made_at < REPLICA_LAG and problem.status == 404:
            looks = order.look_count + 1
            return replace(facts, order=replace(
                order, status=order.status or "processing", look_count=looks,
                look_at=now + ca_patience(looks, problem.retry_after), because=str(problem),
            ))  # fmt: skip
        why = f"the CA does not know the order: {problem.detail}"
        gone = replace(order, status="invalid", problem_type="gone", problem=why)
        return replace(facts, order=gone)

    def _as_seen(self, order: Order, seen: OrderSeen) -> Order:
        now = self.clock.now()
        moved_on = seen.status != order.status
        looks = 1 if moved_on else order.look_count + 1
        at_once = moved_on and seen.status in {"ready", "valid", "invalid"}
        unanswered = seen.status == "pending" and order.answered_at is None
        look_at = now if at_once or unanswered else now + ca_patience(looks, seen.retry_after)
        return replace(
            order, status=seen.status, look_count=looks, look_at=look_at,
            certificate_url=seen.certificate_url or order.certificate_url,
            problem=seen.problem, problem_type=seen.problem_type,
            because={"pending": "the CA validates", "processing": "the CA signs"}.get(seen.status, ""),
        )  # fmt: skip

    def _finalize(self, facts: LineageFacts, order: Order) -> LineageFacts:
        """Only the order that the row names is finalized, with the key that the row holds (promise 3)."""
        seen = self.authority(order.issuer).finalize(order.finalize_url, self.crypto.csr(order.key, order.domains))
        self.journal.say("finalized", link=facts.link, order=order.url)
        return replace(facts, order=self._as_seen(order, seen))

    def _collect(self, wish: Wish, facts: LineageFacts, order: Order) -> LineageFacts:
        """Download, judge, and make it current: what is signed is not yet what counts."""
        authority = self.authority(order.issuer)
        now = self.clock.now()
        if not order.certificate_url:
            return replace(facts, order=self._as_seen(order, authority.read_order(order.url)))
        try:
            chain = authority.collect(order.certificate_url, preferred_chain=wish.issuer.preferred_chain)
        except AcmeProblem as problem:
            if problem.status != 404 or now - order.made_at > COLLECT_PATIENCE:
                raise
            looks = order.look_count + 1
            later = now + ca_patience(looks, problem.retry_after)
            return replace(facts, order=replace(order, look_count=looks, look_at=later, because=str(problem)))
        now = self.clock.now()
        certificate = self.crypto.read(chain, order.key, facts.link, order.issuer, now)
        self.crypto.judge(certificate, order.domains, now)
        current = facts.current
        # Of one CA the later certificate starts later. It may well end sooner: a shorter profile, a bought one before.
        if current is not None and current.issuer == order.issuer and certificate.not_before < current.not_before:
            message = f"what the CA signed starts {certificate.not_before:%Y-%m-%d %H:%M:%SZ}, before what we have"
            raise GateRefused(message)
        if authority.offers_renewal_information and certificate.ari_id:
            certificate = replace(certificate, window_look_at=now)
        self.journal.say(
            "issued", link=facts.link, generation=certificate.generation, reason=order.reason,
            until=f"{certificate.not_after:%Y-%m-%d %H:%M:%SZ}",
        )  # fmt: skip
        return replace(
            facts, order=None, current=certificate, attempt=NO_ATTEMPT, others=(), request=None,
            debts=released(facts, now), issued_lately=(*facts.issued_lately, now),
        )  # fmt: skip

    def _abandon(self, action: Abandon, wish: Wish, facts: LineageFacts) -> LineageFacts:
        order = facts.order
        if order is None:
            return facts
        if order.problem_type == "gone":
            error: CertdError = AcmeProblem(type="gone", detail=order.problem)
        elif order.status == "invalid":
            error = AcmeProblem(type=order.problem_type or "unauthorized", detail=order.problem or action.because)
        elif order.answered_at is None:
            error = DnsRefused(action.because, hint=f"is dns.{wish.spec.dns} the right way to publish for these names?")
        else:
            error = AcmeProblem(type="timeout", detail=f"the order is still {order.status}: {action.because}")
        return self._failed(wish, facts, error)

    def _kept_waiting(self, facts: LineageFacts, order: Order, problem: AcmeProblem) -> LineageFacts:
        """The CA is busy in the middle of an order: the order is kept, or a certificate could be bought twice."""
        looks = order.look_count + 1
        wait = problem.retry_after or local_patience(looks)
        self.journal.warn("the CA asks for patience", link=facts.link, reason=str(problem))
        later = replace(order, status=None, look_count=looks, look_at=self.clock.now() + wait, because=str(problem))
        return replace(facts, order=later)

    def _not_published(self, facts: LineageFacts, refusal: DnsRefused) -> LineageFacts:
        """The CA has not been asked to validate and need not know: the order is kept, DNS has its own ladder."""
        now = self.clock.now()
        count = facts.attempt.dns_failures + 1
        self.journal.warn("not published", link=facts.link, reason=str(refusal))
        noted = replace(
            facts.attempt, dns_failures=count, first_failed_at=facts.attempt.first_failed_at or now, failed_at=now,
            kind="dns", message=str(refusal), hint=refusal.hint,
        )  # fmt: skip
        order = facts.order and replace(facts.order, look_at=now + local_patience(count), because=str(refusal))
        return replace(facts, attempt=noted, order=order)

    # ------------------------------------------------------------------------------------------ beside the order

    def _settle(self, facts: LineageFacts) -> LineageFacts:
        """Remove what is owed; a value that was swept a day after it was settled goes off the books."""
        now = self.clock.now()
        kept = []
        for debt in facts.debts:
            if not is_due(debt, now):
                kept.append(debt)
                continue
            try:
                self.challenges(debt.provider).settle(debt)
            except (DnsUnreachable, DnsRefused) as error:
                failures = debt.failures + 1
                later = now + settle_patience(failures)
                self.journal.warn("TXT value not removed", link=facts.link, name=debt.name, reason=str(error))
                settled = None if debt.settled_at is None else later - SWEEP_AFTER
                kept.append(replace(debt, failures=failures, settle_at=later, settled_at=settled))
                continue
            if debt.settled_at is None:
                self.journal.say("removed", link=facts.link, name=debt.name)
                kept.append(replace(debt, settled_at=now, failures=0))
        return replace(facts, debts=tuple(kept))

    def _refresh(self, facts: LineageFacts) -> LineageFacts:
        """Ask for renewal information; the moment is drawn once per window and kept (RFC 9773 section 4.2)."""
        current = facts.current
        if current is None:
            return facts
        now = self.clock.now()
        try:
            advice = self.authority(current.issuer).renewal_information(current.ari_id)
        except (AcmeProblem, AcmeUnreachable) as error:
            self.journal.warn("no renewal information", link=facts.link, reason=str(error))
            wait = error.retry_after or ARI_LONG_TERM_RETRY
            wait = min(max(wait, ARI_RETRY_LEAST), ARI_RETRY_MOST, max(current.life / 20, ARI_RETRY_LEAST))
            return replace(facts, current=replace(current, window_look_at=now + wait))
        look_again = now + advice.retry_after
        window = current.window
        if window is None or (window.start, window.end) != (advice.start, advice.end):
            seconds = self.chance.uniform(0.0, (advice.end - advice.start).total_seconds())
            window = RenewalWindow(
                start=advice.start, end=advice.end, moment=advice.start + timedelta(seconds=seconds),
                look_again_at=look_again, explanation_url=advice.explanation_url,
            )  # fmt: skip
            self.journal.say(
                "renewal window", link=facts.link, generation=current.generation,
                window=f"{advice.start:%Y-%m-%d %H:%M:%SZ} to {advice.end:%Y-%m-%d %H:%M:%SZ}",
                explanation=advice.explanation_url,
            )  # fmt: skip
        window = replace(window, look_again_at=look_again, explanation_url=advice.explanation_url)
        return replace(facts, current=replace(current, window=window, window_look_at=look_again))

    # ------------------------------------------------------------------------------------------ failing

    def _failed(self, wish: Wish, facts: LineageFacts, error: CertdError) -> LineageFacts:
        """The failure as a fact: counted on the CA's ladder, or on our own where the CA was not to blame."""
        now = self.clock.now()
        attempt = failed_attempt(wish, facts, error, now)
        self.journal.warn("attempt failed", link=facts.link, kind=attempt.kind, reason=str(error))
        return replace(facts, order=None, attempt=attempt, debts=released(facts, now))
