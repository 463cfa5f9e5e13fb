"""The providers by name. A new one is one file under ``providers`` and one line here."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from certd.dns.options import Option, Schema, Settings
from certd.dns.providers import acme_dns, cloudflare, lexicon, program, responder, rfc2136, route53
from certd.dns.providers.api import Sender
from certd.dns.providers.responder import Delegation, Records
from certd.errors import ConfigurationError, Finding
from certd.model import Secret
from certd.ports import DnsProvider


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the rest of certd gives a provider.

    Attributes:
        secrets: Reads a reference (``file:``, ``env:``, ``credential:``); called at each use, so that a rotated
            credential is followed.
        sender: The way out to a vendor's API, made at its first use.
        records: The TXT values that the shared store owes, for the responder.
        delegation: The parent's delegation of a zone, for a responder without a configured NS set.
    """

    secrets: Callable[[str], Secret]
    sender: Callable[[], Sender]
    records: Records | None = None
    delegation: Delegation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderKind:
    """One kind of provider: its options, and how it is made of them.

    Attributes:
        anycast_grace: How long after every server that can be seen showed a value those that cannot are given, where
            the file says nothing: a vendor's one address is many machines, and the CA asks from several places.
    """

    schema: Schema
    build: Callable[[str, Settings, Surroundings], DnsProvider]
    anycast_grace: timedelta = timedelta(0)

    @property
    def options(self) -> tuple[Option, ...]:
        """Its options, for ``certd init`` and the documentation."""
        return self.schema.options

    def check(self, settings: Mapping[str, object], path: str) -> list[Finding]:
        """Every mistake in its table, without network.

        Args:
            settings: The table as the file has it (``provider`` and ``options`` included).
            path: Its key path, such as ``dns.corp``.
        """
        return self.schema.check(settings, path)


VENDORS_GRACE = timedelta(seconds=10)

PROVIDERS: Mapping[str, ProviderKind] = {
    "acme-dns": ProviderKind(
        schema=acme_dns.SCHEMA,
        build=lambda name, settings, around: acme_dns.build(name, settings, around.secrets, around.sender),
    ),
    "cloudflare": ProviderKind(
        schema=cloudflare.SCHEMA,
        build=lambda name, settings, around: cloudflare.build(name, settings, around.secrets, around.sender),
        anycast_grace=VENDORS_GRACE,
    ),
    "exec": ProviderKind(
        schema=program.SCHEMA,
        build=lambda name, settings, around: program.build(name, settings, around.secrets),
    ),
    "rfc2136": ProviderKind(
        schema=rfc2136.SCHEMA,
        build=lambda name, settings, around: rfc2136.build(name, settings, around.secrets),
    ),
    "responder": ProviderKind(
        schema=responder.SCHEMA,
        build=lambda name, settings, around: responder.build(
            name, settings, records=around.records, delegation=around.delegation
        ),
    ),
    "route53": ProviderKind(
        schema=route53.SCHEMA,
        build=lambda name, settings, around: route53.build(name, settings, around.sender),
        anycast_grace=VENDORS_GRACE,
    ),
}


def kind_of(provider: str) -> ProviderKind | None:
    """What ``provider = "..."`` names: a kind of ours, or ``lexicon:<vendor>``."""
    if not provider.startswith(lexicon.PREFIX):
        return PROVIDERS.get(provider)
    vendor = provider.removeprefix(lexicon.PREFIX)
    return ProviderKind(
        schema=lexicon.SCHEMA,
        build=lambda name, settings, around: lexicon.build(name, vendor, settings, around.secrets),
        anycast_grace=VENDORS_GRACE,
    )


def anycast_grace(provider: str) -> timedelta:
    """What servers that cannot be seen are given by default."""
    kind = kind_of(provider)
    return kind.anycast_grace if kind is not None else timedelta(0)


def check_provider(kind: str, settings: Mapping[str, object], path: str) -> list[Finding]:
    """Every mistake in a ``[dns.NAME]`` table, an unknown provider included."""
    known = kind_of(kind)
    if known is not None:
        vendor = kind.removeprefix(lexicon.PREFIX)
        return known.check(settings, path) + (lexicon.check_vendor(vendor, path) if vendor != kind else [])
    near = difflib.get_close_matches(kind, PROVIDERS, n=1)
    hint = f'did you mean "{near[0]}"?' if near else f"providers: {', '.join([*sorted(PROVIDERS), 'lexicon:<vendor>'])}"
    return [Finding(path=f"{path}.provider", message=f'"{kind}" is no provider', hint=hint)]


def build_provider(name: str, kind: str, settings: Mapping[str, object], around: Surroundings) -> DnsProvider:
    """The provider of a ``[dns.NAME]`` table.

    Raises:
        ConfigurationError: the table is wrong.
    """
    findings = check_provider(kind, settings, f"dns.{name}")
    if findings:
        raise ConfigurationError(tuple(findings))
    known = kind_of(kind)
    assert known is not None  # noqa: S101 (it was checked a line above)
    return known.build(name, known.schema.read(settings), around)
