"""Facts and leases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from certd.model import (
    Certificate,
    DependencyState,
    Deployment,
    Lease,
    LineageFacts,
    Need,
    ProxyFacts,
    Rank,
    Request,
    Turn,
)

Facts = TypeVar("Facts", LineageFacts, ProxyFacts)


class WorkStore(Protocol):
    """Due work and its leases; the same for the shared store (lineages) and the node's (proxies).

    Every time limit is judged by the store's own clock.
    """

    def claim(self, *, limit: int, dependencies: Mapping[str, int] | None = None, subject: str = "") -> list[Lease]:
        """Take what is due, by rank, then by due time; an expired lease counts as due, and as a crash.

        Args:
            limit: At most so many.
            dependencies: At most so many per lane; a lane not named may have ``limit``. Lanes that are away yield
                one row when their probe is due and none before.
            subject: Only this one, due or not (an operator waits for it); still never while another holds it.
        """
        ...

    def extend(self, lease: Lease) -> None:
        """Renew the lease without writing facts. Raises LeaseLost."""
        ...

    def release(self, lease: Lease, *, due: datetime, rank: Rank, because: str, dependency: str = "") -> None:
        """Give the subject back, due again at ``due``. Raises LeaseLost."""
        ...

    def wake(self, subject: str, *, rank: Rank | None = None, because: str = "") -> None:
        """Make a subject due now, creating its row where there is none."""
        ...

    def wake_impossible(self, longest: timedelta) -> int:
        """Make due now what is due later than ``longest`` from now: nothing is left for so long, so it was written by a
        clock that was ahead. Returns how many.
        """
        ...

    def next_due(self) -> datetime | None:
        """The earliest due time of what nobody holds and no lane holds back."""
        ...

    def dependency_away(self, dependency: str, because: str, probe_at: datetime) -> None:
        """Note that a lane is away, or still is."""
        ...

    def dependency_back(self, dependency: str) -> None:
        """Note that it answers."""
        ...

    def dependencies(self) -> list[DependencyState]:
        """Lanes that are away."""
        ...


class LineageStore(WorkStore, Protocol):
    """The shared store: wishes, orders, certificates (keys sealed), debts, attempts."""

    def facts(self, link: str) -> LineageFacts:
        """Everything recorded about a lineage.

        Raises:
            SealBroken: this node cannot open its keys.
            RowDamaged: a row cannot be read; ``repair`` it.
        """
        ...

    def repair(self, lease: Lease) -> str:
        """Set aside the rows of a lineage that cannot be read, and rebuild what can be rebuilt; says what they were.
        Raises LeaseLost.
        """
        ...

    def keep(self, lease: Lease, facts: LineageFacts) -> None:
        """Renew the lease and write, in one transaction. Raises LeaseLost with nothing written."""
        ...

    def leave(
        self, lease: Lease, facts: LineageFacts, *, until: datetime, rank: Rank, because: str, dependency: str = ""
    ) -> None:
        """``keep`` and ``release`` in one transaction."""
        ...

    def soonest_end(self, dependency: str) -> datetime | None:
        """When the first of the certificates ends whose links wait for this dependency; None where none is left to
        lapse.
        """
        ...

    def take_turn(self, lease: Lease, issuer: str, needs: Sequence[Need], *, urgent: bool) -> Turn:
        """Take what an order needs from the CA's mirrored limits, or get a slot to come back with; the lease is renewed
        in the same transaction. Two that ask at once never take the same one. Raises LeaseLost.
        """
        ...

    def charge(self, issuer: str, needs: Sequence[Need]) -> None:
        """Spend what was taken at the CA by something that happened: a certificate, a failed validation."""
        ...

    def refund(self, issuer: str, needs: Sequence[Need]) -> None:
        """Give back what ``take_turn`` took for an order that the CA never heard of."""
        ...

    def request(self, link: str, request: Request) -> None:
        """Record an operator's request and make the lineage due now, at OPERATOR rank."""
        ...

    def adopt(self, certificate: Certificate) -> bool:
        """Take in a certificate found on disk or imported; False when it is known already. Nobody who holds the lineage
        meanwhile undoes it. Raises GateRefused when its key was reported compromised.
        """
        ...

    def certificates_since(self, sequence: int) -> Iterable[tuple[int, Certificate | None]]:
        """Certificates with a higher sequence number than this, in order; None for one that cannot be read."""
        ...


class NodeStore(WorkStore, Protocol):
    """This node's own facts: copies of what it deploys, deployments. Never shared."""

    def proxy_facts(self, proxy: str, links: Sequence[tuple[str, tuple[str, ...]]]) -> ProxyFacts:
        """The facts of a proxy for these links (name, domains); ``wanted`` is the newest copy that this node has."""
        ...

    def due_facts(
        self, proxy: str, links: Mapping[str, tuple[str, ...]], *, by: datetime, latest: datetime, most: int
    ) -> ProxyFacts:
        """The same for those of these links that are due up to ``by``, the longest due first, and for none else; also
        says which of the others is the first to fall due. A copy that comes in, or a hold, makes a deployment due; so
        does another mapping than the last time, for all of them.

        Args:
            links: Names and domains; the same object as long as nothing changes in it.
            latest: A due time beyond was set by a clock that was ahead, and counts as one that has come.
            most: At most so many, and up to half of them such as something is wrong with.
        """
        ...

    def keep(self, lease: Lease, facts: ProxyFacts, due: Mapping[str, datetime | None] | None = None) -> None:
        """Renew the lease and write the deployments, in one transaction. Raises LeaseLost.

        Args:
            due: When each is due again, by link; None: when a copy or a hold comes. Without it, and where something
                came in since the facts were read, all of them are due now.
        """
        ...

    def leave(
        self,
        lease: Lease,
        facts: ProxyFacts,
        due: Mapping[str, datetime | None] | None = None,
        *,
        until: datetime,
        rank: Rank,
        because: str,
        dependency: str = "",
    ) -> None:
        """``keep`` and ``release`` in one transaction."""
        ...

    def copy_in(self, certificate: Certificate, sequence: int) -> None:
        """Keep a copy of a certificate that this node deploys."""
        ...

    def certificate(self, link: str, generation: str) -> Certificate | None:
        """The copy, with its key."""
        ...

    def sequence(self) -> int:
        """The highest sequence number copied."""
        ...

    def deployments(self) -> Iterator[tuple[str, Deployment]]:
        """All (proxy, deployment) of this node, by proxy and link."""
        ...
