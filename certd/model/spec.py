"""What is wanted: read from the configuration, stored once with who set it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum

from certd.model.certificate import KeyType
from certd.model.rate_limit import Limit


class Rank(IntEnum):
    """The order of work among what is due; within each the earliest due first (design.md, Good citizen)."""

    OPERATOR = 0
    URGENT = 1
    RENEWAL = 2
    FIRST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateSpec:
    """One certificate that is wanted.

    Attributes:
        link: The lineage's name, as commands, files and metrics call it.
        domains: A-labels in lower case, the primary one first; ``*.`` allowed.
        issuers: Names of issuers, preferred first.
        dns: Name of the way to publish TXT records; may be empty on a node that does not issue.
        challenge: ``dns-01``, ``dns-persist-01``, or ``auto``: whichever can be passed.
    """

    link: str
    domains: tuple[str, ...]
    issuers: tuple[str, ...] = ("letsencrypt",)
    dns: str = ""
    key_type: KeyType = KeyType.ECDSA_P256
    reuse_key: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    challenge: str = "auto"

    @property
    def subject(self) -> str:
        """The key of this lineage's work row."""
        return f"issue:{self.link}"


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerTerms:
    """What the planner must know of a CA: its limits, and what we ask of it.

    Attributes:
        pause_after_failed_validation: Never ask again sooner after a failed validation
            (Let's Encrypt refills one of five per 12 minutes).
        weekly_same_names: Certificates for one exact set of names in 7 days; 0 where the CA states none.
        weekly_reserve: How many of these only an emergency may take.
        limits: Its other limits.
        staging: The issuer that proves what this one has refused; empty where there is none.
    """

    name: str
    profile: str = ""
    preferred_chain: str = ""
    pause_after_failed_validation: timedelta = timedelta(0)
    weekly_same_names: int = 0
    weekly_reserve: int = 1
    limits: tuple[Limit, ...] = ()
    staging: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """A specification together with the terms of the issuer it goes to and the patience with its DNS.

    Attributes:
        anycast_grace: How long servers that cannot be seen are given after all that can be showed a value.
        mark: Of everything in the configuration that an attempt depends on; another mark is another try.
        whole: What the configuration asks for, where this wish is relaxed: ``spec`` then asks for less.
        without: What a relaxed wish leaves out, as phrases: a name, ``key type rsa-2048``, ``profile shortlived``.
        obstacle: Why the whole cannot be had, in the words of who refused it.
    """

    spec: CertificateSpec
    issuer: IssuerTerms
    propagation_timeout: timedelta = timedelta(minutes=10)
    anycast_grace: timedelta = timedelta(0)
    mark: str = ""
    whole: CertificateSpec | None = None
    without: tuple[str, ...] = ()
    obstacle: str = ""

    @property
    def is_relaxed(self) -> bool:
        """Whether it asks for less than the configuration does."""
        return self.whole is not None
