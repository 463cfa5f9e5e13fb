"""Publishing TXT records, and seeing them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from certd.model import DNS_01, TxtCleanup, TxtRecord, ZoneRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """What stands in the way of an order, found before the CA is asked.

    Attributes:
        words: What is wrong, naming the record.
        hint: What the operator can do.
        awaited: It ends by somebody else's act, which is watched for every minute.
    """

    words: str
    hint: str = ""
    awaited: bool = False


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
        """The zone that holds ``name``, as far as this provider must know; empty where it finds it itself.

        Raises NoZone where it cannot publish there because it has no such zone.
        """
        ...

    def wanted(self, name: str) -> Sequence[ZoneRecord]:
        """The records that the owner of ``name`` must make once so that this provider can publish for it; empty where
        the provider cannot know them. No network.
        """
        ...

    def add(self, *records: TxtRecord) -> None:
        """Publish these values of one zone; in one call where the vendor has one, since secondaries may be told of a
        second change seconds later.
        """
        ...

    def remove(self, record: TxtRecord) -> None:
        """Remove exactly this value."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Propagation:
    """How far a TXT value has spread.

    Attributes:
        everywhere: Every authoritative server, on every address that can be reached, shows it.
        because: The first server that does not, in words: ``ns1 (192.0.2.1) answers "x", expected "y"``.
        somewhere: One server at least shows it.
    """

    everywhere: bool
    because: str
    somewhere: bool = False


class Challenges(Protocol):
    """The dns-01 solver: validation names in, TXT records out (RFC 8555 section 8.4)."""

    def denied(
        self, domains: Sequence[str], identities: Sequence[str], account: str, method: str = DNS_01
    ) -> Obstacle | None:
        """Why CAA records forbid a CA to issue for one of these names by this validation method; None when they do not,
        or nobody can say.
        """
        ...

    def unpersisted(
        self, domains: Sequence[str], issuers: Sequence[str], account: str, until: datetime
    ) -> Obstacle | None:
        """Why one of these names has no dns-persist-01 record by which our account may validate until then; None where
        each has one. Asks authoritative servers.

        Args:
            issuers: What the record may call the CA.
        """
        ...

    def undelegated(self, provider: str, domains: Sequence[str]) -> Obstacle | None:
        """Why no value can be published for one of these names yet: a delegation that is missing, or a validation name
        that belongs to another service. None when it can, or when nobody can say. Asks authoritative servers.
        """
        ...

    def present(self, *cleanups: TxtCleanup) -> tuple[TxtCleanup, ...]:
        """Follow CNAMEs from the validation names, find the zones, add the values, those of one zone together.

        Returns the debts with ``target``, ``zone`` and ``added_at`` filled in. Presenting twice does no harm.
        Raises DnsUnreachable or DnsRefused; some of the values may be there then.
        """
        ...

    def spread(self, cleanup: TxtCleanup) -> Propagation:
        """Ask every authoritative server of the target for our value, never a cache. Ends by its own deadline."""
        ...

    def settle(self, cleanup: TxtCleanup) -> None:
        """Remove exactly our value. Succeeds when it is gone already. Raises DnsUnreachable or DnsRefused."""
        ...
