"""The way of a click, as it was seen: where DNS leads, what each address shows, what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from certd.model.esp import Esp


class Direction(StrEnum):
    """Where DNS leads a link's host."""

    HERE = "here"
    SERVICE = "service"
    ELSEWHERE = "elsewhere"
    NOWHERE = "nowhere"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointing:
    """What one speaker says of a host.

    Attributes:
        speaker: A resolver's address, or an authoritative server's name and address.
        rcode: ``NOERROR``, ``NXDOMAIN``, ``SERVFAIL``.
        aliases: The targets of the CNAMEs on the way, in order.
        addresses: Where it ends; an authoritative server does not know them where an alias leads out of its zone.
        ttl: Seconds that the first record may be kept; None where there is no record.
        trouble: Why there is no answer.
    """

    speaker: str
    rcode: str = "NOERROR"
    aliases: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    ttl: int | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a server answered to one request.

    Attributes:
        headers: By name in lower case; the first of several.
        body: Its beginning, as text.
        trouble: Why there is no complete answer; the status is 0 then.
        milliseconds: From the connection to the last octet that was read.
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    trouble: str = ""
    milliseconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One address of the way.

    Attributes:
        address: ``192.0.2.1:443``, as DNS or the configuration has it.
        is_public: DNS leads clients to it; else it is an endpoint of one of the link's proxies.
        certificate: What is wrong with what it shows; empty when nothing is.
        click: What is wrong with what comes back; empty when nothing is, or where no click was tried.
        cannot_see: Nothing is known of it from here: a firewall, or nothing listens.
    """

    address: str
    is_public: bool
    fingerprint: str = ""
    not_after: datetime | None = None
    certificate: str = ""
    click: str = ""
    status: int = 0
    milliseconds: float = 0.0
    cannot_see: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickLook:
    """One look at the whole way.

    Attributes:
        words: Where DNS leads, in words.
        upstream: Why the e-mail service itself does not answer well; empty when it does, or is not asked.
        upstream_status: What it answered when it was asked directly.
    """

    at: datetime
    pointing: Pointing
    direction: Direction
    words: str
    legs: tuple[Leg, ...] = ()
    upstream: str = ""
    upstream_status: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFinding:
    """What a check of the doctor found wrong.

    Attributes:
        since: When it was found first.
    """

    name: str
    words: str
    hint: str
    is_failure: bool
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickFacts:
    """What is remembered of a link's clicks.

    Attributes:
        arrived_at: When DNS was first seen leading here. Before that the link waits for its CNAME, without alarm.
        failures: Looks in a row that found something wrong.
        failed_at: The first of them.
        findings: What the doctor's checks found wrong when they were last run, at ``examined_at``.
    """

    link: str
    host: str
    look: ClickLook | None = None
    arrived_at: datetime | None = None
    failures: int = 0
    failed_at: datetime | None = None
    findings: tuple[CheckFinding, ...] = ()
    examined_at: datetime | None = None

    @property
    def waits_for_cname(self) -> bool:
        """DNS never led here."""
        return self.arrived_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class CutoverNotes:
    """What a walk through the CNAME's switch remembers, so that it can be left and taken up again.

    Attributes:
        old_ttl: The longest time for which anybody may still keep the record that leads to the e-mail service.
        lowered_at: When the record was first seen with a short one.
        moved_at: When every authoritative server was first seen leading here.
    """

    host: str
    old_ttl: int = 0
    lowered_at: datetime | None = None
    moved_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickSettings:
    """What is to be looked at for one host of a link.

    Attributes:
        esp: Where clicks go; None: DNS and certificates alone are looked at.
        services: The e-mail services that the host may still point at.
        endpoints: Of the link's proxies here: ``host:port``, and whether it expects the PROXY protocol.
        ours: Fingerprints of certificates that are ours, the placeholder's included.
        elsewhere: Where a public address answers from here: ``192.0.2.1:443`` -> ``10.0.0.1:8443``.
        plain: Where an endpoint's proxy listens for plain HTTP.
    """

    link: str
    host: str
    issuer: str = ""
    esp: Esp | None = None
    services: tuple[Esp, ...] = ()
    endpoints: tuple[tuple[str, bool], ...] = ()
    target: tuple[str, ...] = ()
    front: str = ""
    ours: frozenset[str] = frozenset()
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    plain: Mapping[str, str] = field(default_factory=dict)

    def reached(self, address: str) -> str:
        """Where an address answers from here."""
        return self.elsewhere.get(address, address)

    def reach(self, address: tuple[str, int]) -> tuple[str, int]:
        """The same of a pair."""
        host, port = address
        text = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        found = self.elsewhere.get(text)
        if found is None:
            return address
        there, _, number = found.rpartition(":")
        return there.strip("[]"), int(number)
