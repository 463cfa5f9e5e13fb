"""One action of ``plan_issue`` carried out, and what becomes of its failure.

What is away (a CA, a name server) is not a failure of the link: AcmeUnreachable and DnsUnreachable go through to the
engine, which notes it about the lane.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import assert_never

from certd.errors import (
    AcmeProblem,
    AcmeRequest,
    AcmeUnreachable,
    CaaDenied,
    CertdError,
    ClockAmiss,
    DnsRefused,
    GateRefused,
    IssuerUnknown,
    NotDelegated,
)
from certd.issuance.chain_repair import repair_chain
from certd.issuance.challenge import answer, not_published, present
from certd.issuance.deps import IssuanceDeps
from certd.issuance.download import collect
from certd.issuance.maintenance import refresh, settle
from certd.issuance.new_order import begin, look_ahead
from certd.issuance.poll import finalize, keep_waiting, outlasts, read, words_of
from certd.issuance.rehearsal import rehearse
from certd.model import (
    Abandon,
    Answer,
    Begin,
    CleanUp,
    Collect,
    Desired,
    Finalize,
    IssueAction,
    LineageFacts,
    Present,
    Read,
    Refresh,
    Rehearse,
    RepairChain,
    Wait,
)
from certd.planning.cleanup import release
from certd.planning.failure import failed_attempt, is_passing
from certd.planning.staging import PREDICTS, is_staging, record_proof


@dataclass(frozen=True, slots=True)
class Issuance(IssuanceDeps):
    """The use case: carries out one action of ``plan_issue``."""

    def carry_out(self, action: IssueAction, desired: Desired, facts: LineageFacts) -> LineageFacts:
        """Do it, and return the facts as they are afterwards.

        Raises:
            AcmeUnreachable, DnsUnreachable: what is asked is away; the facts are as they were.
            SealBroken, Stopping: about this process, not about the link.
        """
        return self._guarded(action, desired, facts, lambda: self._step(action, desired, facts))

    def obstructed(self, action: Begin, desired: Desired, facts: LineageFacts) -> LineageFacts | None:
        """The facts of an order that need not be tried, because something can be seen to stand in its way; None where
        nothing can. Looked at before a turn is taken of the CA's limits: what waits for a DNS record looks every
        minute, and must not use them up. Raises as ``carry_out`` does.
        """

        def look() -> LineageFacts:
            look_ahead(self, action, desired, facts)
            return facts

        after = self._guarded(action, desired, facts, look)
        return None if after is facts else after

    def _guarded(
        self, action: IssueAction, desired: Desired, facts: LineageFacts, step: Callable[[], LineageFacts]
    ) -> LineageFacts:
        try:
            return step()
        except AcmeUnreachable as error:
            if not is_staging(action, facts):
                raise
            return self._unproved(facts, error)
        except AcmeProblem as problem:
            order = facts.order
            is_kept = order is not None and is_passing(problem) and not order.is_proof
            if order is not None and is_kept and not outlasts(self, facts, order, problem):
                return keep_waiting(self, facts, order, problem)
            return self._failed(desired, facts, problem, proof=is_staging(action, facts))
        except IssuerUnknown as error:
            # Unless it is wanted, and only this node does not have it.
            if facts.order is None or facts.order.issuer in desired.spec.issuers:
                raise
            gone = AcmeProblem(type="gone", detail=f"the order cannot be gone on with: {error}")
            return self._failed(desired, facts, gone, proof=is_staging(action, facts))
        except CaaDenied as denial:
            if is_staging(action, facts):
                # It pins the account: the one at the staging directory has another URL (RFC 8657).
                return self._unproved(facts, denial)
            return self._failed(desired, facts, denial)
        except NotDelegated as obstacle:
            return self._failed(desired, facts, obstacle)
        except DnsRefused as refusal:
            return not_published(self, facts, refusal)
        except (GateRefused, ClockAmiss) as error:
            return self._failed(desired, facts, error)

    def _step(self, action: IssueAction, desired: Desired, facts: LineageFacts) -> LineageFacts:
        match action:
            case Begin():
                return begin(self, action, desired, facts)
            case Present():
                return present(self, facts)
            case CleanUp():
                return settle(self, facts)
            case Refresh():
                return refresh(self, facts)
            case RepairChain():
                return repair_chain(self, desired, facts)
            case Rehearse():
                return rehearse(self, desired, facts)
            case Abandon():
                return self._abandon(action, desired, facts)
            case Wait():
                return facts
            case Read() | Answer() | Finalize() | Collect():
                return self._with_order(action, desired, facts)
        assert_never(action)

    def _with_order(
        self, action: Read | Answer | Finalize | Collect, desired: Desired, facts: LineageFacts
    ) -> LineageFacts:
        order = facts.order
        if order is None:
            return facts
        match action:
            case Read():
                return read(self, desired, facts, order)
            case Answer():
                return answer(self, facts, order)
            case Finalize():
                return finalize(self, facts, order)
            case Collect():
                return collect(self, desired, facts, order)
        assert_never(action)

    def _abandon(self, action: Abandon, desired: Desired, facts: LineageFacts) -> LineageFacts:
        order = facts.order
        if order is None:
            return facts
        if order.problem_type == "gone":
            error: CertdError = AcmeProblem(type="gone", detail=order.problem)
        elif order.status == "invalid":
            error = AcmeProblem(
                type=order.problem_type or "unauthorized",
                detail=order.problem or action.because,
                request=AcmeRequest.VALIDATION,
            )
        elif failed := next((each for each in order.authorizations if each.has_failed and order.answered_at), None):
            error = AcmeProblem(type=failed.problem_type, detail=words_of(failed), request=AcmeRequest.VALIDATION)
        elif order.answered_at is None and order.status == "pending":
            error = DnsRefused(
                action.because, hint=f"is dns.{desired.spec.dns} the right way to publish for these names?"
            )
        else:
            error = AcmeProblem(
                type="timeout", detail=f"the order is still {order.status or 'unread'}: {action.because}"
            )
        return self._failed(desired, facts, error, proof=order.is_proof)

    def _unproved(self, facts: LineageFacts, error: CertdError) -> LineageFacts:
        """The staging directory has trouble of its own, which says nothing about the real one: that is asked."""
        now = self.clock.now()
        self.journal.say("no proof", link=facts.link, reason=str(error))
        return replace(facts, order=None, cleanups=release(facts, now), attempt=record_proof(facts.attempt, now))

    def _failed(self, desired: Desired, facts: LineageFacts, error: CertdError, *, proof: bool = False) -> LineageFacts:
        """The failure as a fact: counted on the CA's ladder, or on our own where the CA was not to blame."""
        now = self.clock.now()
        attempt = failed_attempt(desired, facts, error, now)
        if proof and attempt.kind not in PREDICTS:
            return self._unproved(facts, error)
        self.journal.warn("attempt failed", link=facts.link, kind=attempt.kind, reason=str(error))
        return replace(facts, order=None, attempt=attempt, cleanups=release(facts, now))
