"""The providers by name. A new one is one file under ``providers``, with its ``KIND``, and one line here."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from types import ModuleType
from typing import TYPE_CHECKING

from certd.dns.provider import ProviderContext, ProviderKind
from certd.errors import ConfigurationError, Finding

if TYPE_CHECKING:
    from certd.ports import DnsProvider

# In the order in which `certd init` lists them.
MODULES: Mapping[str, str] = {
    "responder": "responder",
    "rfc2136": "rfc2136",
    "cloudflare": "cloudflare",
    "route53": "route53",
    "acme-dns": "acme_dns",
    "exec": "program",
}

LEXICON = "lexicon:"


class _Kinds(Mapping[str, ProviderKind]):
    """Imported when they are asked for, which is when a configuration that names one is judged: an XML parser for one
    vendor's answers is nothing that every certd should carry.
    """

    def __getitem__(self, provider: str) -> ProviderKind:
        kind: ProviderKind = _module(MODULES[provider]).KIND
        return kind

    def __iter__(self) -> Iterator[str]:
        return iter(MODULES)

    def __len__(self) -> int:
        return len(MODULES)


PROVIDERS: Mapping[str, ProviderKind] = _Kinds()


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"certd.dns.providers.{name}")


def kind_of(provider: str) -> ProviderKind | None:
    """What ``provider = "..."`` names: a kind of ours, or ``lexicon:<vendor>``."""
    if not provider.startswith(LEXICON):
        return PROVIDERS.get(provider)
    vendor = provider.removeprefix(LEXICON)
    if not (vendor.isascii() and vendor.isidentifier()):
        # It becomes the name of a module, and a key of the file that `certd init` writes.
        return None
    kind: ProviderKind = _module("lexicon").kind(vendor)
    return kind


def wrong_with_provider(provider: str) -> str:
    """What keeps a provider of the registry from being used, in words; empty when nothing does."""
    try:
        kind_of(provider)
    except (ImportError, SyntaxError, AttributeError, TypeError, ValueError) as error:
        return f'"{provider}" cannot be used: {error}'
    return ""


def anycast_grace(provider: str) -> timedelta:
    """What servers that cannot be seen are given by default."""
    kind = kind_of(provider)
    return kind.anycast_grace if kind is not None else timedelta(0)


def check_provider(kind: str, settings: Mapping[str, object], path: str) -> list[Finding]:
    """Every mistake in a ``[dns.NAME]`` table, an unknown provider included."""
    if wrong := wrong_with_provider(kind):
        hint = "if certd was upgraded while it runs, restart it"
        return [Finding(path=f"{path}.provider", message=wrong, hint=hint)]
    known = kind_of(kind)
    if known is not None:
        vendor = kind.removeprefix(LEXICON)
        return known.check(settings, path) + (_module("lexicon").check_vendor(vendor, path) if vendor != kind else [])
    near = difflib.get_close_matches(kind, PROVIDERS, n=1)
    hint = f'did you mean "{near[0]}"?' if near else f"providers: {', '.join([*sorted(PROVIDERS), 'lexicon:<vendor>'])}"
    return [Finding(path=f"{path}.provider", message=f'"{kind}" is no provider', hint=hint)]


def build_provider(name: str, kind: str, settings: Mapping[str, object], around: ProviderContext) -> DnsProvider:
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
