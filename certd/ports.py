"""The ports: what the use cases ask of the world. Each docstring is a contract; the suites under
``tests/contracts`` quote it and run over the fake and over every real adapter.

Every call ends by its deadline: where a library cannot be trusted to, the adapter enforces it from outside.
Adapters raise from :mod:`certd.errors` only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, TypeVar

from certd.model import (
    Authorization,
    Certificate,
    Debt,
    Deployment,
    Generation,
    LineageFacts,
    ProxyFacts,
    Rank,
    Request,
    Secret,
    Sight,
)


class Clock(Protocol):
    """The wall clock, and the only thing that waits."""

    def now(self) -> datetime:
        """Aware UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, for measuring and for deadlines within one call."""
        ...

    def sleep_until(self, moment: datetime) -> None:
        """Wait until the wall clock says ``moment``, re-reading it at least every minute.

        Raises:
            Stopping: as soon as the process is asked to stop.
        """
        ...

    def sleep(self, duration: timedelta) -> None:
        """Wait for a duration. Raises Stopping as ``sleep_until`` does."""
        ...


# --------------------------------------------------------------------------------------------- the CA


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSeen:
    """An order object as the CA sends it (RFC 8555 section 7.1.3).

    Attributes:
        retry_after: From the answer's Retry-After; None where there was none.
        problem_type, problem: From its ``error`` member, or from the first failed challenge; else empty.
    """

    url: str
    status: str
    finalize_url: str
    authorization_urls: tuple[str, ...]
    expires: datetime | None
    certificate_url: str = ""
    problem_type: str = ""
    problem: str = ""
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalAdvice:
    """Renewal information as served (RFC 9773 section 4.2), nothing drawn yet.

    Attributes:
        retry_after: Clamped to one minute to one day; six hours where the server gave none.
    """

    start: datetime
    end: datetime
    explanation_url: str
    retry_after: timedelta


class CertificateAuthority(Protocol):
    """One issuer and our account with it, spoken to by RFC 8555. Safe to use from several threads.

    The account is created or found on first use. Every method may raise:

    - AcmeUnreachable: no usable answer within the deadline (refused, stalled, HTML, 2 MB, 5xx);
    - AcmeProblem: the CA's own problem document, ``retry_after`` filled in.

    badNonce is retried inside. Nothing else is.
    """

    @property
    def name(self) -> str:
        """The issuer's name in the configuration."""
        ...

    @property
    def offers_renewal_information(self) -> bool:
        """Whether its directory has ``renewalInfo``."""
        ...

    def new_order(self, domains: Sequence[str], *, profile: str = "", replaces: str = "") -> OrderSeen:
        """POST newOrder (RFC 8555 section 7.4; ``replaces``: RFC 9773 section 5).

        ``replaces`` is left out where the directory has no ``renewalInfo``. When the server refuses an order
        that carried it with a 4xx that is not rateLimited, it is asked once more without.
        """
        ...

    def read_order(self, url: str) -> OrderSeen:
        """POST-as-GET of the order."""
        ...

    def read_authorization(self, url: str) -> Authorization:
        """POST-as-GET of an authorization, its dns-01 challenge picked out and its TXT value computed."""
        ...

    def answer(self, challenge_url: str) -> None:
        """POST ``{}`` to a challenge (RFC 8555 section 7.5.1). Answering twice does no harm."""
        ...

    def finalize(self, finalize_url: str, csr_der: bytes) -> OrderSeen:
        """POST finalize. An ``orderNotReady`` is answered by reading the order instead: the caller looks at its status.

        The returned ``url`` may be empty (the CA need not repeat it).
        """
        ...

    def collect(self, certificate_url: str, *, preferred_chain: str = "") -> str:
        """Download the chain, leaf first, PEM; at most 256 KiB and ten certificates.

        With ``preferred_chain`` (an issuer's common name or a SHA-256 fingerprint) the alternates are looked
        through; where none fits the default chain is returned.
        """
        ...

    def renewal_information(self, ari_id: str) -> RenewalAdvice:
        """GET renewalInfo (RFC 9773 section 4.1). An ``end`` not after ``start`` counts as no answer."""
        ...

    def close(self) -> None:
        """Shut idle connections."""
        ...


# --------------------------------------------------------------------------------------------- DNS


@dataclass(frozen=True, slots=True, kw_only=True)
class TxtRecord:
    """One TXT value at one name. Names carry no final dot."""

    zone: str
    name: str
    value: str


class DnsProvider(Protocol):
    """A way to publish TXT records; it knows zones and values, and nothing of ACME.

    - Adding a second value keeps the first; adding what is there changes nothing.
    - Removing one value keeps the others; removing what is absent succeeds.
    - Raises DnsUnreachable when the server does not answer by the deadline, DnsRefused when it says no,
      naming the credential or the zone.
    """

    @property
    def name(self) -> str:
        """Its name in the configuration (``dns.<name>``)."""
        ...

    def zone_of(self, name: str) -> str:
        """The zone that holds ``name``, as far as this provider must know; empty where it finds it itself."""
        ...

    def add(self, record: TxtRecord) -> None:
        """Publish the value."""
        ...

    def remove(self, record: TxtRecord) -> None:
        """Remove exactly this value."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How far a TXT value has spread.

    Attributes:
        everywhere: Every authoritative server, on every address that can be reached, shows it.
        because: The first server that does not, in words: ``ns1 (192.0.2.1) answers "x", expected "y"``.
    """

    everywhere: bool
    because: str


class Challenges(Protocol):
    """The dns-01 solver: validation names in, TXT records out (RFC 8555 section 8.4)."""

    def present(self, debt: Debt) -> Debt:
        """Follow CNAMEs from the validation name, find the zone, add the value.

        Returns the debt with ``target``, ``zone`` and ``added_at`` filled in. Presenting twice does no harm.
        Raises DnsUnreachable or DnsRefused.
        """
        ...

    def spread(self, debt: Debt) -> Spread:
        """Ask every authoritative server of the target for our value, never a cache. Ends by its own deadline."""
        ...

    def settle(self, debt: Debt) -> None:
        """Remove exactly our value. Succeeds when it is gone already. Raises DnsUnreachable or DnsRefused."""
        ...


# --------------------------------------------------------------------------------------------- proxies


class Verdict(StrEnum):
    """What a proxy's own configuration check said."""

    YES = "yes"
    NO = "no"
    CANNOT_JUDGE = "cannot judge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a check or a reload went: exit code 0 is "not yet proven".

    Attributes:
        words: The proxy's own output, bounded, for the alarm.
        took: Wall time.
    """

    verdict: Verdict
    words: str = ""
    took: timedelta = timedelta(0)


class Target(Protocol):
    """One proxy on this node: files, pointer, check, reload, endpoints."""

    @property
    def name(self) -> str:
        """The proxy's name in the configuration."""
        ...

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Where "served" is looked at, ``host:port``."""
        ...

    def install(self, certificate: Certificate) -> Generation:
        """Write an immutable generation. Installing the same one twice changes nothing. Raises TargetError."""
        ...

    def install_placeholder(self, link: str, domains: Sequence[str], now: datetime) -> Generation:
        """Write a self-signed placeholder generation, marked as such."""
        ...

    def point(self, link: str, generation: Generation) -> None:
        """Make the pointer name this generation, by one rename. Pointing twice changes nothing."""
        ...

    def pointed(self, link: str) -> Generation | None:
        """What the pointer on disk names now; None when there is no pointer or its generation is not readable."""
        ...

    def check(self) -> Outcome:
        """Ask the proxy to judge its configuration. Never raises for what the proxy says."""
        ...

    def reload(self) -> Outcome:
        """Ask the proxy to load it. NO when the asking itself failed."""
        ...

    def sweep(self, keep: Mapping[str, frozenset[str]], now: datetime) -> tuple[str, ...]:
        """Remove generations that are not kept and are older than a week; returns what went."""
        ...


class Eyes(Protocol):
    """What clients see."""

    def look(self, endpoints: Sequence[str], domain: str, *, issuer: str = "") -> tuple[Sight, ...]:
        """One fresh TLS handshake (no resumption) with SNI ``domain`` at every address of every endpoint.

        Names are resolved at each look. Judged: covers the name, in its dates, chains to the roots expected of
        ``issuer`` (the configured roots, else the system's). Never raises; what cannot be seen is BLIND.
        """
        ...


# --------------------------------------------------------------------------------------------- the stores

Facts = TypeVar("Facts", LineageFacts, ProxyFacts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Who may write a subject's facts, and until when (the store's clock).

    ``generation`` counts claims: it fences a holder that froze (DESIGN promise 1).
    """

    subject: str
    owner: str
    generation: int
    lane: str
    taken_over: bool
    crashes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneState:
    """A lane that is away: one fact, one probe at a time."""

    lane: str
    away_since: datetime
    probe_at: datetime
    failures: int
    because: str


class WorkStore(Protocol):
    """Due work and its leases; the same for the shared store (lineages) and the node's (proxies).

    Every time limit is judged by the store's own clock.
    """

    def claim(self, *, limit: int, lanes: Mapping[str, int] | None = None, subject: str = "") -> list[Lease]:
        """Take what is due, by rank, then by due time; an expired lease counts as due, and as a crash.

        Args:
            limit: At most so many.
            lanes: At most so many per lane; a lane not named may have ``limit``. Lanes that are away yield
                one row when their probe is due and none before.
            subject: Only this one, due or not (an operator waits for it); still never while another holds it.
        """
        ...

    def extend(self, lease: Lease) -> None:
        """Renew the lease without writing facts. Raises LeaseLost."""
        ...

    def release(self, lease: Lease, *, due: datetime, rank: Rank, because: str, lane: str = "") -> None:
        """Give the subject back, due again at ``due``. Raises LeaseLost."""
        ...

    def wake(self, subject: str, *, rank: Rank | None = None, because: str = "") -> None:
        """Make a subject due now, creating its row where there is none."""
        ...

    def next_due(self) -> datetime | None:
        """The earliest due time of what nobody holds and no lane holds back."""
        ...

    def lane_away(self, lane: str, because: str, probe_at: datetime) -> None:
        """Note that a lane is away, or still is."""
        ...

    def lane_back(self, lane: str) -> None:
        """Note that it answers."""
        ...

    def lanes(self) -> list[LaneState]:
        """Lanes that are away."""
        ...


class LineageStore(WorkStore, Protocol):
    """The shared store: wishes, orders, certificates (keys sealed), debts, attempts."""

    def facts(self, link: str) -> LineageFacts:
        """Everything recorded about a lineage. Raises SealBroken when this node cannot open its keys."""
        ...

    def keep(self, lease: Lease, facts: LineageFacts) -> None:
        """Renew the lease and write, in one transaction. Raises LeaseLost with nothing written."""
        ...

    def leave(
        self, lease: Lease, facts: LineageFacts, *, until: datetime, rank: Rank, because: str, lane: str = ""
    ) -> None:
        """``keep`` and ``release`` in one transaction."""
        ...

    def request(self, link: str, request: Request) -> None:
        """Record an operator's request and make the lineage due now, at OPERATOR rank."""
        ...

    def adopt(self, certificate: Certificate) -> bool:
        """Take in a certificate found on disk or imported; False when it is known already."""
        ...

    def certificates_since(self, sequence: int) -> Iterable[tuple[int, Certificate]]:
        """Certificates with a higher sequence number than this, in order."""
        ...


class NodeStore(WorkStore, Protocol):
    """This node's own facts: copies of what it deploys, deployments. Never shared."""

    def proxy_facts(self, proxy: str, links: Sequence[tuple[str, tuple[str, ...]]]) -> ProxyFacts:
        """The facts of a proxy for these links (name, domains); ``wanted`` is the newest copy that this node has."""
        ...

    def keep(self, lease: Lease, facts: ProxyFacts) -> None:
        """Renew the lease and write the deployments, in one transaction. Raises LeaseLost."""
        ...

    def leave(
        self, lease: Lease, facts: ProxyFacts, *, until: datetime, rank: Rank, because: str, lane: str = ""
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

    def deployments(self) -> list[tuple[str, Deployment]]:
        """All (proxy, deployment) of this node, for status."""
        ...


# --------------------------------------------------------------------------------------------- journal


class Journal(Protocol):
    """One line for each step."""

    def say(self, message: str, **fields: str) -> None:
        """What happened, with ``link``, ``generation``, ``reason`` and the like as fields."""
        ...

    def warn(self, message: str, **fields: str) -> None:
        """Something an operator should know."""
        ...

    def crash(self, message: str, error: Exception, **fields: str) -> None:
        """A fault of certd itself, with its traceback."""
        ...


class Randomness(Protocol):
    """Chance, injected so that a seed replays exactly."""

    def uniform(self, low: float, high: float) -> float:
        """A number between the two."""
        ...


class KeyMaker(Protocol):
    """Makes private keys; costly for RSA, so a port."""

    def make(self, key_type: str) -> Secret:
        """A fresh private key, PKCS#8 PEM."""
        ...
