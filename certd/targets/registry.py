"""The kinds of proxies by name. A new one is one file under ``kinds``, with its ``KIND``, and one line here."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping

from certd.targets.kind import ProxyKind

# In the order in which they are listed and proposed.
MODULES: Mapping[str, str] = {
    "nginx": "nginx",
    "nginx-variable": "nginx_variable",
    "haproxy": "haproxy",
    "caddy": "caddy",
    "apache": "apache",
    "traefik": "traefik",
    "envoy": "envoy",
    "hitch": "hitch",
    "h2o": "h2o",
    "files": "files",
    "acm": "acm",
    "cloudflare": "cloudflare",
    "fastly": "fastly",
    "keycdn": "keycdn",
}


class _Kinds(Mapping[str, ProxyKind]):
    """Imported when they are asked for: a configuration that is only judged needs those that it names."""

    def __getitem__(self, name: str) -> ProxyKind:
        kind: ProxyKind = importlib.import_module(f"certd.targets.kinds.{MODULES[name]}").KIND
        if kind.name != name:
            raise ValueError(f"the registry has the kind of proxy {kind.name} under the name {name}")
        return kind

    def __contains__(self, name: object) -> bool:
        return name in MODULES

    def __iter__(self) -> Iterator[str]:
        return iter(MODULES)

    def __len__(self) -> int:
        return len(MODULES)


KINDS: Mapping[str, ProxyKind] = _Kinds()


def usable_kinds() -> tuple[ProxyKind, ...]:
    """Every kind of the registry that can be used; half a kind counts only where somebody names it."""
    return tuple(KINDS[name] for name in KINDS if not wrong_with_kind(name))


def wrong_with_kind(name: str) -> str:
    """What keeps a kind of the registry from being used, in words; empty when nothing does."""
    try:
        _ = KINDS[name]
    except (ImportError, SyntaxError, AttributeError, TypeError, ValueError) as error:
        return f'"{name}" cannot be used: {error}'
    return ""
