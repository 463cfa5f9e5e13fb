"""What a proxy is given and what it is seen to serve."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Health(StrEnum):
    """How an endpoint answers a client, best first.

    ``BLIND`` is "cannot see": nothing was learned of what clients get, so it is an alarm and never
    a reason to go back (design.md, Safe rollback).
    """

    GOOD = "good"
    BAD = "bad"
    BLIND = "blind"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One handshake's result at one address of one endpoint, for one link.

    Attributes:
        endpoint: As configured, ``host:port``.
        address: The address asked, ``ip:port``.
        fingerprint: SHA-256 of the leaf's DER in hex; empty when no handshake completed.
        chain: The mark of the issuers that were sent beside it; empty where it is not known.
        health: GOOD: a certificate that covers the name, is in its dates and chains to the expected
            roots. BAD: a handshake (or a TLS alert) that a client would stumble over. BLIND: no TCP
            connection, a timeout, or something that is not TLS.
        because: Why it is not GOOD, in words.
        never_answered: Nothing has listened there since certd first looked; skipped with this reason.
    """

    endpoint: str
    address: str
    health: Health
    at: datetime
    fingerprint: str = ""
    chain: str = ""
    not_after: datetime | None = None
    not_before: datetime | None = None
    because: str = ""
    never_answered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One certificate as a node deploys it: no key here, the node's store has it.

    Attributes:
        placeholder: Self-signed, so that the proxy can start; never good, never returned to.
    """

    link: str
    name: str
    fingerprint: str
    domains: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    issuer: str = ""
    placeholder: bool = False

    @property
    def chain(self) -> str:
        """The mark of the chain that a handshake must show; empty for a leaf's first chain, which any chain proves."""
        return self.name.partition("-")[2].partition("-")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One link on one proxy of this node.

    Attributes:
        wanted: The newest good generation this node has; None before the first certificate.
        pointed: What the pointer on disk names; None when there is no pointer.
        previous: What was pointed to before, a good one; None if there was none.
        reloaded: The generation that the proxy was last asked to read, by a reload or an upload that did not fail; its
            name, or empty.
        served: What was last proven served on every endpoint that answers; a fingerprint, or empty.
        verified_at: When that was proven.
        observations: The last look at each address.
        before: How each address answered before the pointer was moved; kept until the move is proven, so that
            a crash in between cannot hide that things got worse.
        ours: Fingerprints of every generation of this link that this node knows, so that a human's own
            certificate is told from ours.
        failures: Tries in a row that did not end served.
        try_at: ``tried`` is not tried again before.
        tried: The generation that the failures are about; a newer one waits for nobody.
        taken_at: When a provider took it, that spreads it to clients in its own time.
        refused: A generation that was gone back from; tried again on the ladder only.
        error: In words, with the proxy's own where it said any.
        note: What is left at a provider that certd could not remove yet; it is served well all the same.
    """

    link: str
    domains: tuple[str, ...]
    wanted: Generation | None = None
    pointed: Generation | None = None
    previous: Generation | None = None
    reloaded: str = ""
    served: str = ""
    verified_at: datetime | None = None
    looked_at: datetime | None = None
    observations: tuple[Observation, ...] = ()
    before: tuple[Observation, ...] = ()
    ours: frozenset[str] = frozenset()
    failures: int = 0
    try_at: datetime | None = None
    tried: str = ""
    taken_at: datetime | None = None
    refused: str = ""
    error: str = ""
    hint: str = ""
    note: str = ""
    hold_until: datetime | None = None

    @property
    def is_verified(self) -> bool:
        """The wanted generation is the pointed one and was proven served."""
        wanted = self.wanted
        if wanted is None or self.pointed is None:
            return False
        return self.pointed.name == wanted.name and self.served == wanted.fingerprint

    @property
    def was_reloaded(self) -> bool:
        """Whether the proxy was asked to read the wanted generation. A start only points at the best copy."""
        wanted = self.wanted
        return wanted is not None and (self.reloaded == wanted.name or self.served == wanted.fingerprint)

    @property
    def is_spreading(self) -> bool:
        """A provider has it, and the time that it needs until clients get it is not over."""
        return self.taken_at is not None and not self.failures and not self.is_verified


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredProxy:
    """A proxy of this node and the links it serves."""

    proxy: str
    links: tuple[str, ...]
    reloads: bool = True
    look_every: timedelta = timedelta(minutes=5)

    @property
    def subject(self) -> str:
        """The key of this proxy's work row in the node's store."""
        return f"deploy:{self.proxy}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyFacts:
    """The facts of one proxy: the argument of ``plan_deploy``.

    Attributes:
        reload_seconds: The longest reload measured lately; deadlines follow it.
        reloaded_at: When it last was asked to reload.
        hold_until: ``certd hold`` on the whole proxy: no pointer moves and nothing is reloaded before.
        woken: How often something had come in to this node when these were read; not kept.
        later: Of the deployments that were not read, the first to fall due, and when; not kept.
    """

    proxy: str
    deployments: tuple[Deployment, ...] = ()
    reload_seconds: float = 1.0
    reloaded_at: datetime | None = None
    hold_until: datetime | None = None
    error: str = ""
    woken: int = 0
    later: tuple[str, datetime] | None = None
