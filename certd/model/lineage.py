"""Everything recorded about one lineage: the argument of ``plan_issue``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from certd.model.attempt import NO_ATTEMPT, Attempt, Request
from certd.model.certificate import Certificate
from certd.model.order import Order, TxtCleanup
from certd.model.rehearsal import NO_REHEARSAL, Rehearsal


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """When an order may begin at an issuer whose limits make many wait."""

    issuer: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A good certificate that clients are served, whoever ordered it: its dates, and where it was seen."""

    not_before: datetime
    not_after: datetime
    fingerprint: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageFacts:
    """The facts of a lineage; there is no status column, the facts are the state.

    Attributes:
        current: The newest good certificate, issued or adopted.
        order: The open order, if any.
        attempt: Failures since the last success, of the issuer that is asked now.
        others: The same of the link's other issuers.
        cleanups: TXT values owed, settled ones of the last day included.
        issued_lately: When certificates for exactly the wanted names were issued in the last 7 days.
        request: An operator's request that has not been fulfilled.
        key_is_burnt: The current certificate's key was reported compromised: it is never used again.
        served: What clients get while the store has no certificate; looked at, never stored.
        slot: Its turn, where the CA's limits make many wait.
        rehearsal: How rehearsing the way to a certificate went.
    """

    link: str
    current: Certificate | None = None
    order: Order | None = None
    cleanups: tuple[TxtCleanup, ...] = ()
    attempt: Attempt = NO_ATTEMPT
    others: tuple[Attempt, ...] = ()
    request: Request | None = None
    issued_lately: tuple[datetime, ...] = ()
    served: Served | None = None
    slot: Slot | None = None
    rehearsal: Rehearsal = NO_REHEARSAL
    key_is_compromised: bool = False

    def unread(self) -> LineageFacts:
        """The same facts after their holder died: the order's status is forgotten, the CA knows better; a rehearsal
        that was under way is over, and its canaries are due.
        """
        facts = self
        if self.rehearsal.began_at is not None:
            canaries = self.rehearsal.values
            cleanups = tuple(
                replace(cleanup, settle_at=cleanup.made_at)
                if cleanup.value in canaries and cleanup.settled_at is None
                else cleanup
                for cleanup in self.cleanups
            )
            ended = replace(self.rehearsal, began_at=None, values=(), look_at=None, because="")
            facts = replace(self, cleanups=cleanups, rehearsal=ended)
        if facts.order is None:
            return facts
        return replace(facts, order=replace(facts.order, status=None, look_at=facts.order.made_at, because=""))
