"""What certd knows of one kind of proxy. Each kind is one file of ``certd.targets.kinds`` that ends in its ``KIND``.

Everything that a part of certd must know of a kind stands here. What has no default must be said for every kind, so
that a kind that lacks it fails when it is imported, and not when it is published.
"""

from __future__ import annotations

import importlib
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from certd.model import Secret
from certd.targets.pointers import Pointer
from certd.targets.site import Site

if TYPE_CHECKING:
    from certd.system.egress import Egress
    from certd.targets.reloads import Reload
    from certd.targets.remote import Remote, RemoteMemory

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
class RemoteMeans:
    """What certd gives the client of a provider.

    Attributes:
        proxy: Its name in the configuration.
        settings: The kind's own table, ``[proxy.NAME.KIND]``, judged already.
        deadline: For each request.
        kind: The name of the kind, for hints.
        secret: What a reference of the configuration means now. Raises CertdError.
    """

    proxy: str
    settings: Any
    egress: Callable[[], Egress]
    deadline: timedelta
    kind: str = ""
    secret: Callable[[str], Secret] = Secret

    def setting(self, key: str) -> str:
        """A key of its table, as an operator writes it."""
        return f"proxy.{self.proxy}.{self.kind}.{key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteRules:
    """What certd knows of a provider that terminates TLS itself: it uploads there instead of asking for a reload.

    Attributes:
        module: Has ``connect(means) -> Remote`` and ``own_side(means, link, domains, memory) -> str``, the text of
            ``certd proxy-config``; imported when a target is made.
        settles: How long it may take until clients see what it took.
        key_types: That it takes; empty: its own table of the configuration is judged elsewhere.
        least_left: What a certificate must have left when it is uploaded; going back to one with less is not tried.
        needs_zone: Its certificates belong to a zone.
        holds_one: It holds one certificate, so one link can be on it.
        may_reuse_key: A renewal may keep its key.
    """

    module: str
    settles: timedelta
    key_types: frozenset[str] = frozenset()
    least_left: timedelta = timedelta(0)
    needs_zone: bool = False
    holds_one: bool = False
    may_reuse_key: bool = True

    def connect(self, means: RemoteMeans) -> Remote:
        """A client for one batch: what it reads once it may keep for the links of that batch."""
        made: Remote = importlib.import_module(self.module).connect(means)
        return made

    def own_side(self, means: RemoteMeans, link: str, domains: Sequence[str], memory: RemoteMemory) -> str:
        """What the operator sets at the provider, once. Raises CertdError."""
        return str(importlib.import_module(self.module).own_side(means, link, domains, memory))


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
        remote: What certd knows of it where it is a provider; None for a proxy that reads files of this node.
        reads_as_user: It reads keys as a user of its own and not as root.
        needs_resolvers: Its configuration must name the resolvers that it looks the e-mail service up by.
        init_table: ``[proxy.NAME]`` as ``certd init`` writes it; empty: what every kind can do without, commented out.
        certbot_plugin: What certbot calls its installer for it.
        import_client: The client of ``certd import`` that this proxy is itself.
        includes_pointer: Its pointer is configuration that it includes: the root helper copies it.
        site_folder: Where Debian's package includes every ``*.conf``; empty: it has no such folder.
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
    remote: RemoteRules | None = None
    reads_as_user: bool = False
    needs_resolvers: bool = False
    init_table: str = ""
    certbot_plugin: str = ""
    import_client: str = ""
    includes_pointer: bool = False
    is_reloaded_by_hooks: bool = False
    site_folder: str = ""

    @property
    def needs_helper(self) -> bool:
        """Whether only root can reload it: a kind that watches its files, or that certd never reloads, needs nobody."""
        return bool(self.unit) and not self.watches

    def __post_init__(self) -> None:
        wrong = {
            "unit": bool(self.unit) and "." not in self.unit,
            "pid_file": bool(self.pid_file) and not self.pid_file.startswith("/"),
            "signal": f"SIG{self.signal}" not in signal.Signals.__members__,
            "api": self.api is not None and self.api.split(self.api.address) is None,
        }
        if found := [part for part, is_wrong in wrong.items() if is_wrong]:
            raise ValueError(f"kind of proxy {self.name}: {', '.join(found)} does not fit")
