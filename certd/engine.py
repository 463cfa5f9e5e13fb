"""The one loop for both planners: claim, facts, plan, act, remember; leave when the wait is longer than a few seconds.

Scheduled renewal, forced renewal, first issuance, crash recovery and dry run all come through here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from certd.deployment.rollout import Rollout
from certd.errors import (
    AcmeUnreachable,
    CertdError,
    DnsUnreachable,
    IssuerUnknown,
    LeaseLost,
    RowDamaged,
    SealBroken,
    Stopping,
    StoreError,
)
from certd.issuance import Issuance, settle
from certd.issuance.leases import HeldLease, Leftovers, with_leftovers
from certd.model import (
    Answer,
    Begin,
    CertificateSpec,
    CleanUp,
    Collect,
    Deploy,
    Desired,
    DesiredProxy,
    Finalize,
    IssueAction,
    Lease,
    LineageFacts,
    Look,
    Need,
    Present,
    ProxyFacts,
    Rank,
    Read,
    Refresh,
    RepairChain,
    Served,
    TxtCleanup,
    Wait,
)
from certd.planning import failure
from certd.planning.backoff import in_time, local_patience
from certd.planning.cleanup import due_at, release
from certd.planning.deploy import MOST_AT_ONCE, due_of, longest_rest, plan_deploy, together
from certd.planning.issue import plan_issue, rank_of
from certd.planning.issuers import switch_issuer
from certd.planning.policies import ISSUE_POLICIES, first_reason
from certd.planning.rate_limits import may_take_reserve, needs_of, spent_by
from certd.planning.relax import relaxed
from certd.planning.staging import is_staging
from certd.ports import Clock, Journal, LineageStore, NodeStore

PATIENCE = timedelta(seconds=1)

NO_WORK = timedelta(days=3650)

# Whether a lane that answers is noted as away.
ASKED_AGAIN_AFTER = timedelta(seconds=1)

# How long a link is left to other nodes whose wish this node cannot judge.
NOT_MINE = timedelta(seconds=30)

# Everything is looked at once a day. So a row that is due later than that was written by a clock that was ahead, and a
# clock that is set back by a year loses a day at most.
LONGEST_REST = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class IssueEngine:
    """Reconciles lineages.

    Args:
        desired: The stored wish of a link with its issuer's terms, given the lane that it was taken from; None for an
            orphan, which is only watched.
        issued: Called after a new certificate is committed.
        repaired: Called after damaged rows were set aside, before anything is planned.
        registered: The registered domain of a name.
        served: What clients are served well, for a lineage that has no certificate.
        elapsed: Seconds that go on while the machine is suspended; by these the age of the lease is judged.
        leftovers: What a lost lease may have left published.
        since: When certd last read its configuration; what interrupted a worker before that is tried again at once.
        patience: Shorter waits are waited in place; a longer one is a recorded fact with a due time, and the worker
            goes on to whoever waits for one.
    """

    store: LineageStore
    issuance: Issuance
    desired: Callable[[str, LineageFacts, str], Desired | None]
    clock: Clock
    journal: Journal
    issued: Callable[[str], None]
    patience: Callable[[], timedelta] = lambda: PATIENCE
    repaired: Callable[[str], None] = lambda link: None
    registered: Callable[[str], str] = lambda name: name
    served: Callable[[CertificateSpec], Served | None] = lambda spec: None
    elapsed: Callable[[], float] = lambda: 0.0
    leftovers: Leftovers = field(default_factory=Leftovers)
    since: datetime | None = None

    def reconcile(self, lease: Lease) -> None:
        """Drive one lineage as far as it goes now. A lost lease ends it with nothing written; the TXT values that were
        added meanwhile are swept as soon as the lineage can be had again.
        """
        if self._is_lost(lease) and lease.subject.removeprefix("issue:") in self.leftovers.links():
            for again in self.store.claim(limit=1, subject=lease.subject):
                self._is_lost(again)

    def _is_lost(self, lease: Lease) -> bool:
        link = lease.subject.removeprefix("issue:")
        held = HeldLease.taken(self.store, lease, self.elapsed)
        added = [*self.leftovers.take(link)]
        issuance = replace(self.issuance, still_held=held.check, adding=added.append)
        try:
            self._reconcile(lease, link, issuance, held, added)
        except LeaseLost:
            self.journal.warn("lease lost", link=link, reason="somebody else holds it now; nothing was written")
            if added:
                self.leftovers.put(link, added)
            return True
        except (StoreError, SealBroken, Stopping):
            # About the store or this process; a store that is away takes no facts either.
            raise
        except (Exception, SystemExit) as error:
            self._interrupted(lease, link, error)
            if not isinstance(error, CertdError):
                raise
        return False

    def _interrupted(self, lease: Lease, link: str, error: BaseException) -> None:
        """An exception that ended the work on a link becomes a fact of the link, and the local ladder its wait."""
        # It may have come between asking the CA and remembering: the CA knows how far the order is.
        is_expected = isinstance(error, CertdError)
        facts = self.store.facts(link) if is_expected else self.store.facts(link).unread()
        now, (kind, words, hint) = self.clock.now(), failure.interruption(error)
        self.journal.warn("not done", link=link, kind=kind, reason=words, hint=hint)
        desired = None
        # Another node's wish that this one cannot judge is no failure of the link: the others may have it.
        with contextlib.suppress(CertdError):
            desired = None if isinstance(error, IssuerUnknown) else self.desired(link, facts, lease.dependency)
        if desired is None:
            self._leave(lease, facts, now + NOT_MINE, words)
            return
        facts = failure.interrupted(
            desired, switch_issuer(facts, desired.issuer.name, desired.spec.issuers[0]), error, now
        )
        self._leave(lease, facts, facts.attempt.not_before or now, words, home(desired))

    def _reconcile(
        self, lease: Lease, link: str, issuance: Issuance, held: HeldLease, leftovers: Sequence[TxtCleanup]
    ) -> None:
        facts = self._facts(lease, link)
        facts = with_leftovers(facts, leftovers, self.clock.now())
        if lease.taken_over:
            facts = facts.unread()
            self.journal.warn(
                "resuming", link=link, reason=f"the process that worked on it was killed ({lease.crashes} in a row)"
            )
        asked: dict[str, datetime] = {}
        unkept = False
        while True:
            desired = self.desired(link, facts, lease.dependency)
            if desired is None:
                self._orphan(lease, facts, issuance)
                return
            now = self.clock.now()
            desired, facts = relaxed(desired, facts, now)
            facts = failure.tried_at_once(facts, self.since)
            if facts.current is None and facts.order is None:
                facts = replace(facts, served=self.served(desired.spec))
            action = plan_issue(desired, facts, now)
            if (
                isinstance(action, Wait)
                and facts.order is None
                and not first_reason(ISSUE_POLICIES, desired, facts, now)
            ):
                facts = failure.without_interruption(facts)
            if isinstance(action, Wait) and action.until - now > self.patience():
                self._leave(lease, facts, action.until, action.because, home(desired))
                return
            if unkept:
                self.store.keep(lease, facts)
                unkept = False
            before = facts
            taken: tuple[Need, ...] = ()
            try:
                if isinstance(action, Wait):
                    self.clock.sleep_until(action.until)
                    continue
                obstructed = issuance.obstructed(action, desired, facts) if isinstance(action, Begin) else None
                if isinstance(action, Begin) and obstructed is None:
                    taken = self._needs(action, desired, facts, now)
                    turn = self._turn(lease, action, desired, facts, now, taken)
                    if turn is not None:
                        self._leave(lease, facts, turn.until, turn.because, home(desired))
                        return
                facts = obstructed or issuance.carry_out(action, desired, facts)
            except Stopping:
                self._leave(lease, facts, now, "stopped here; goes on at the next start", home(desired))
                raise
            except (AcmeUnreachable, DnsUnreachable) as error:
                if taken:
                    self.store.refund(desired.issuer.name, taken)
                self._away(lease, facts, dependency_of(action, desired, facts), error, desired.issuer.name)
                return
            if obstructed is None:
                self._answers(heard_from(action, desired, before, facts), asked)
            if spent := spent_by(action, desired, before, facts):
                self.store.charge(desired.issuer.name, spent)
            if action.remember or facts.attempt != before.attempt:
                # What would merely be done again is kept together with the leaving, where that is what comes next.
                unkept = isinstance(action, CleanUp | Refresh)
                if not unkept:
                    asked_at = self.elapsed()
                    self.store.keep(lease, facts)
                    held.renewed(asked_at)
            is_downloaded = isinstance(action, Collect | RepairChain) and facts.order is None
            if is_downloaded and generation_of(facts) != generation_of(before):
                self.issued(link)

    def _needs(self, action: Begin, desired: Desired, facts: LineageFacts, now: datetime) -> tuple[Need, ...]:
        """What it takes of the CA's limits; a proof on a staging directory takes nothing."""
        if action.staging:
            return ()
        return needs_of(desired, facts, now, self.registered, replaces=bool(action.replaces))

    def _turn(
        self, lease: Lease, action: Begin, desired: Desired, facts: LineageFacts, now: datetime, needs: tuple[Need, ...]
    ) -> Wait | None:
        """None: it may begin. Else when it may, by the CA's limits; nobody runs into them to find out."""
        if not needs:
            return None
        turn = self.store.take_turn(
            lease, desired.issuer.name, needs, urgent=desired.is_relaxed or may_take_reserve(facts, now)
        )
        if not turn.because:
            return None
        return Wait(turn.at, f"{action.because}; {turn.because} ({desired.issuer.name})")

    def _orphan(self, lease: Lease, facts: LineageFacts, issuance: Issuance) -> None:
        """Nothing is wanted of it any more but what it owes to the DNS."""
        now = self.clock.now()
        if facts.order is not None and facts.order.status in {None, "pending"}:
            facts = replace(facts, order=None)
        if facts.order is None:
            facts = replace(facts, cleanups=release(facts, now))
        facts = settle(issuance, facts)
        due = min((due_at(cleanup, now) for cleanup in facts.cleanups), default=now + NO_WORK)
        self._leave(lease, facts, max(due, now), "orphan: not in the configuration")

    def _facts(self, lease: Lease, link: str) -> LineageFacts:
        """Read; what was damaged is set aside first, and what lies on the disk adopted."""
        try:
            return self.store.facts(link)
        except RowDamaged as error:
            what = self.store.repair(lease)
            self.journal.warn("repaired", link=link, reason=str(error), set_aside=what)
            self.repaired(link)
            return self.store.facts(link)

    def _leave(self, lease: Lease, facts: LineageFacts, until: datetime, because: str, dependency: str = "") -> None:
        now = self.clock.now()
        rank, until = rank_of(facts, now), min(until, now + LONGEST_REST)
        self.store.leave(lease, facts, until=until, rank=rank, because=because, dependency=dependency)

    def _away(
        self, lease: Lease, facts: LineageFacts, dependency: str, error: AcmeUnreachable | DnsUnreachable, issuer: str
    ) -> None:
        """What is away is one fact about its lane; this row steps back, the next probe is another's."""
        known = next((state for state in self.store.dependencies() if state.dependency == dependency), None)
        failures = known.failures + 1 if known else 1
        now = self.clock.now()
        # The next probe may be any row's: it must not come too late for the one that ends first.
        wait = in_time(local_patience(failures), facts.current, now, soonest=self.store.soonest_end(dependency))
        if isinstance(error, AcmeUnreachable) and error.retry_after is not None:
            wait = max(wait, error.retry_after)
        self.journal.warn("away", link=lease.subject.removeprefix("issue:"), dependency=dependency, reason=str(error))
        self.store.dependency_away(dependency, str(error), now + wait)
        kind = "acmeUnreachable" if isinstance(error, AcmeUnreachable) else "dnsUnreachable"
        noted = replace(
            facts.attempt,
            kind=kind,
            message=str(error),
            hint=error.hint,
            failed_at=now,
            issuer=issuer,
            first_failed_at=facts.attempt.first_failed_at or now,
        )
        self._leave(
            lease,
            replace(facts, attempt=noted),
            now + in_time(local_patience(1), facts.current, now),
            str(error),
            dependency,
        )

    def _answers(self, dependency: str, asked: dict[str, datetime]) -> None:
        """Whoever is noted as away is not any more; asked of the store once a second, not at each of a dozen steps."""
        now = self.clock.now()
        if not dependency or (dependency in asked and now - asked[dependency] < ASKED_AGAIN_AFTER):
            return
        asked[dependency] = now
        if any(state.dependency == dependency for state in self.store.dependencies()):
            self.store.dependency_back(dependency)
            self.journal.say("back", dependency=dependency)


def generation_of(facts: LineageFacts) -> str:
    """The generation that a lineage goes by; empty where there is none."""
    return facts.current.generation if facts.current is not None else ""


def home(desired: Desired) -> str:
    """The lane where a lineage's row waits while nothing else holds it up."""
    return f"issuer:{desired.issuer.name}"


def dependency_of(action: IssueAction, desired: Desired, facts: LineageFacts) -> str:
    """Whom an action talks to: the issuer or the DNS."""
    match action:
        case Present() | CleanUp():
            return f"dns:{desired.spec.dns}"
        case Refresh():
            return f"issuer:{facts.current.issuer if facts.current else desired.issuer.name}"
        case Begin() if action.staging:
            return f"issuer:{action.staging}"
        case Begin() | Read() | Answer() | Finalize() | Collect():
            return f"issuer:{facts.order.issuer if facts.order else desired.issuer.name}"
        case _:
            return ""


def heard_from(action: IssueAction, desired: Desired, before: LineageFacts, after: LineageFacts) -> str:
    """The lane that has answered, by what an action brought about. What fails beside an order is remembered with a time
    of its own and raises nothing, so that it says nothing of its lane.
    """
    match action:
        case CleanUp():
            failed = {(cleanup.name, cleanup.value) for cleanup in after.cleanups if cleanup.failures}
            is_heard = any(
                cleanup.provider == desired.spec.dns
                and cleanup not in after.cleanups
                and (cleanup.name, cleanup.value) not in failed
                for cleanup in before.cleanups
            )
        case Refresh():
            current = after.current
            is_heard = (
                current is not None
                and current.window is not None
                and (current.window.look_again_at == current.window_look_at)
            )
        case _:
            # A staging directory that is away only proves nothing.
            is_heard = after.order is not None or not is_staging(action, before)
    return dependency_of(action, desired, before) if is_heard else ""


@dataclass(frozen=True, slots=True)
class DeployEngine:
    """Reconciles the proxies of this node; needs nothing but this node's own store (design.md, Store away)."""

    store: NodeStore
    rollout: Callable[[str], Rollout]
    desired: Callable[[str], DesiredProxy | None]
    links: Callable[[str], Mapping[str, tuple[str, ...]]]
    clock: Clock
    journal: Journal

    def reconcile(self, lease: Lease) -> None:
        """Drive one proxy as far as it goes now."""
        proxy = lease.subject.removeprefix("deploy:")
        try:
            self._reconcile(lease, proxy)
        except LeaseLost:
            self.journal.warn("lease lost", proxy=proxy, reason="somebody else holds it now; nothing was written")
        except (StoreError, SealBroken, Stopping):
            raise
        except (Exception, SystemExit) as error:
            self._interrupted(lease, proxy, error)
            if not isinstance(error, CertdError):
                raise

    def _interrupted(self, lease: Lease, proxy: str, error: BaseException) -> None:
        """An exception that ended the work on a proxy becomes a fact of each link that was due there."""
        now, (kind, words, hint) = self.clock.now(), failure.interruption(error)
        self.journal.warn("not done", proxy=proxy, kind=kind, reason=words, hint=hint)
        links = self.links(proxy)
        desired = DesiredProxy(proxy=proxy, links=tuple(links))
        facts = self.store.due_facts(
            proxy, links, by=now + together(desired), latest=now + longest_rest(desired), most=MOST_AT_ONCE
        )
        marked = tuple(failure.interrupted_deployment(each, words, hint, now) for each in facts.deployments)
        soonest = min((each.try_at for each in marked if each.try_at is not None), default=now + local_patience(1))
        facts, until = replace(facts, deployments=marked), min(soonest, now + local_patience(1))
        self.store.leave(lease, facts, dues_of(desired, facts, now), until=until, rank=Rank.RENEWAL, because=words)

    def _reconcile(self, lease: Lease, proxy: str) -> None:
        while True:
            desired, links = self.desired(proxy), self.links(proxy)
            now = self.clock.now()
            if desired is None:
                self.store.release(lease, due=now + LONGEST_REST, rank=Rank.RENEWAL, because="not in the configuration")
                return
            # Read again each time: links that fell due while a reload was in flight are gathered for the next.
            facts = self.store.due_facts(
                proxy, links, by=now + together(desired), latest=now + longest_rest(desired), most=MOST_AT_ONCE
            )
            action = plan_deploy(desired, facts, now)
            if isinstance(action, Wait):
                action = self._first(action, desired, facts, links, now)
                if action.until <= now:
                    # Of these nothing is to be done; more are due than were read at once.
                    self.store.keep(lease, facts, dues_of(desired, facts, now))
                    continue
                if action.until - now > PATIENCE:
                    dues = dues_of(desired, facts, now)
                    until = min(action.until, now + LONGEST_REST)
                    self.store.leave(lease, facts, dues, until=until, rank=Rank.RENEWAL, because=action.because)
                    return
            try:
                match action:
                    case Wait():
                        self.clock.sleep_until(action.until)
                        continue
                    case Look():
                        facts = self.rollout(proxy).look(facts, action.links)
                    case Deploy():
                        facts = self.rollout(proxy).deploy(facts, action.links)
            except Stopping:
                # What was pointed and not proven yet is read from the disk at the next start.
                self.store.leave(lease, facts, until=now, rank=Rank.RENEWAL, because="stopped here")
                raise
            self.store.keep(lease, facts, dues_of(desired, facts, self.clock.now()))

    def _first(
        self, wait: Wait, desired: DesiredProxy, facts: ProxyFacts, links: Mapping[str, tuple[str, ...]], now: datetime
    ) -> Wait:
        """The earliest wait, that of the deployments which were not read included."""
        if facts.later is None or facts.later[1] >= wait.until:
            return wait
        link, due = facts.later
        other = self.store.proxy_facts(desired.proxy, [(link, links[link])])
        reason = plan_deploy(desired, other, now).because
        return Wait(due, reason)


def dues_of(desired: DesiredProxy, facts: ProxyFacts, now: datetime) -> dict[str, datetime | None]:
    """When each of the deployments is due again."""
    return {deployment.link: due_of(desired, facts, deployment, now) for deployment in facts.deployments}
