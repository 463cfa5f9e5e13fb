"""What certd knows of one kind of proxy. Each kind is one file of ``certd.targets.kinds`` that ends in its ``KIND``.

Everything that a part of certd must know of a kind stands here. What has no default must be said for every kind, so
that a kind that lacks it fails when it is imported, and not when it is published.
"""

from __future__ import annotations

import importlib
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from certd.targets.pointers import Pointer
from certd.targets.site import Site

if TYPE_CHECKING:
    from certd.targets.reloads import Reload

LOCAL_ENDPOINTS = ("127.0.0.1:443", "[::1]:443")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiMeans:
    """What certd gives the client of a proxy's API.

    Attributes:
        pointers: The proxy's pointers by the path under which the proxy knows them.
        fallback: What reloads the proxy where its API cannot.
        deadline: For each try.
    """

    pointers: Callable[[], Mapping[str, Path]]
    fallback: Reload
    deadline: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadApi:
    """A proxy's own API that takes new certificates; ``reload = "KIND:ADDRESS"`` names it.

    Attributes:
        address: Where the proxy of Debian's package has it.
        split: Takes an address apart; None where it has another form. Raises ValueError with what is wrong in it.
        build: Makes its client from these parts.
    """

    address: str
    split: Callable[[str], tuple[str, ...] | None]
    build: Callable[[tuple[str, ...], ApiMeans], Reload]


def built_by(module: str) -> Callable[[tuple[str, ...], ApiMeans], Reload]:
    """``build`` of a module that is imported when a target is made: the configuration is judged without it."""

    def build(parts: tuple[str, ...], means: ApiMeans) -> Reload:
        made: Reload = importlib.import_module(module).build(parts, means)
        return made

    return build


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteRules:
    """What a provider demands of certificates; ``config check`` and the planner obey it before an order is made.

    Attributes:
        module: The adapter, with ``build(RemoteMeans) -> Remote``.
        key_types: That it takes.
        least_left: What a certificate must have left when it is uploaded; going back to one with less is not tried.
        needs_zone: Its certificates belong to a zone.
        holds_one: It holds one certificate, so one link can be on it.
        may_reuse_key: A renewal may keep its key.
        own_side: What must be set at the provider, once, for ``certd proxy-config``.
    """

    module: str
    key_types: frozenset[str]
    own_side: tuple[str, ...]
    least_left: timedelta = timedelta(0)
    needs_zone: bool = False
    holds_one: bool = False
    may_reuse_key: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyKind:
    """One kind of proxy.

    Attributes:
        name: What ``proxy.NAME.kind`` says; the registry has it under the same name.
        programs: What its program is called, for ``certd init`` to look for; empty: init does not propose it.
        check: The command that judges its configuration; empty: it has none, or its judgement is worth nothing.
        pointer: The file that it reads to find a certificate.
        configuration: Writes its side of a link, for ``certd proxy-config``; None: certd cannot.
        unit: Its systemd unit in Debian.
        pid_file: Where its main process writes its id.
        signal: What makes the main process load its configuration.
        api: Its own API for new certificates.
        watches: It notices a pointer's change by itself.
        settles: How long it may take until clients see what it took.
        reads_as_user: It reads keys as a user of its own and not as root.
        needs_resolvers: Its configuration must name the resolvers that it looks the e-mail service up by.
        init_table: ``[proxy.NAME]`` as ``certd init`` writes it; empty: what every kind can do without, commented out.
        certbot_plugin: What certbot calls its installer for it.
        import_client: The client of ``certd import`` that this proxy is itself.
        includes_pointer: Its pointer is configuration that it includes: the root helper copies it.
        remote: It is a CDN that terminates TLS itself: certificates are uploaded to its API.
        is_reloaded_by_hooks: Hooks of other ACME clients reload it by its name, so the name in a hook tells the kind.

    Raises:
        ValueError: a part does not fit the others.
    """

    name: str
    programs: tuple[str, ...]
    check: tuple[str, ...]
    pointer: Pointer
    configuration: Callable[[Site], str] | None
    unit: str = ""
    pid_file: str = ""
    signal: str = "HUP"
    api: ReloadApi | None = None
    watches: bool = False
    settles: timedelta = timedelta(0)
    reads_as_user: bool = False
    needs_resolvers: bool = False
    init_table: str = ""
    certbot_plugin: str = ""
    import_client: str = ""
    includes_pointer: bool = False
    is_reloaded_by_hooks: bool = False
    remote: RemoteRules | None = None

    def __post_init__(self) -> None:
        wrong = {
            "unit": bool(self.unit) and "." not in self.unit,
            "pid_file": bool(self.pid_file) and not self.pid_file.startswith("/"),
            "signal": f"SIG{self.signal}" not in signal.Signals.__members__,
            "api": self.api is not None and self.api.split(self.api.address) is None,
        }
        if found := [part for part, is_wrong in wrong.items() if is_wrong]:
            raise ValueError(f"kind of proxy {self.name}: {', '.join(found)} does not fit")
