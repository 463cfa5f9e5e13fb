"""What a provider is to the rest of certd: its options, how it is made of them, and what it is given."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from certd.dns.options import Option, Schema, Settings
from certd.errors import Finding
from certd.model import Secret

if TYPE_CHECKING:
    from certd.dns.providers.api import Sender
    from certd.dns.responder.provider import Delegation, Records
    from certd.ports import DnsProvider

# For a vendor's one address, behind which many machines answer.
VENDORS_GRACE = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderContext:
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
class DnsAnswers:
    """What the operator told ``certd init``.

    Attributes:
        names: The names that are to be proved, each once, without ``*.``.
        address: This machine's public address.
        zone: The zone that certd answers for, where it answers itself.
        server: The provider's server; empty: nobody named one.
    """

    names: tuple[str, ...]
    address: str
    zone: str
    server: str = ""


def _no_record(_: DnsAnswers) -> tuple[str, ...]:
    return ("No record is set by hand: what certd is given must be allowed to add and remove TXT records.",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerQuestion:
    """The provider's server, which ``certd init`` asks for.

    Attributes:
        words: The question.
        judge: Says what is wrong with an answer, in words; empty when nothing is.
    """

    words: str
    judge: Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretQuestion:
    """The provider's secret, which ``certd init`` asks for and writes beside the configuration.

    Attributes:
        words: What it is, and its form.
        file: The file that the table refers to.
        judge: Says what is wrong with a secret without showing any of it; empty when nothing is.
    """

    words: str
    file: str
    judge: Callable[[str], str] = lambda _: ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InitTable:
    """What ``certd init`` writes and says of a provider.

    Attributes:
        write: The whole ``[dns.NAME]`` table, with a comment for what only the operator knows. Its values pass the
            check of the configuration; whoever they are sent to refuses them.
        records: The records that the operator sets by hand, in paragraphs.
        serves_zone: certd answers for a zone itself: init asks for this machine's public address, and prints the
            request to whoever runs the DNS.
        needs_records: Somebody has to set records before the first certificate.
        server: Where the provider has a server of the operator's.
        secret: Where the provider needs a secret.
    """

    write: Callable[[DnsAnswers], str]
    records: Callable[[DnsAnswers], tuple[str, ...]] = _no_record
    serves_zone: bool = False
    needs_records: bool = False
    server: ServerQuestion | None = None
    secret: SecretQuestion | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderKind:
    """One kind of provider: its options, how it is made of them, and how ``certd init`` begins with it.

    Attributes:
        anycast_grace: How long after every server that can be seen showed a value those that cannot are given, where
            the file says nothing: a vendor's one address is many machines, and the CA asks from several places.
    """

    schema: Schema
    build: Callable[[str, Settings, ProviderContext], DnsProvider]
    init: InitTable
    anycast_grace: timedelta = timedelta(0)

    @property
    def options(self) -> tuple[Option, ...]:
        """Its options, for the documentation."""
        return self.schema.options

    def check(self, settings: Mapping[str, object], path: str) -> list[Finding]:
        """Every mistake in its table, without network.

        Args:
            settings: The table as the file has it (``provider`` and ``options`` included).
            path: Its key path, such as ``dns.corp``.
        """
        return self.schema.check(settings, path)


def built_by(module: str) -> Callable[[str, Settings, ProviderContext], DnsProvider]:
    """``build`` of a module that is imported when a provider is made: its table is judged without it."""

    def build(name: str, settings: Settings, around: ProviderContext) -> DnsProvider:
        made: DnsProvider = importlib.import_module(module).build(name, settings, around)
        return made

    return build
