"""Proxies made from words: the way of ``reload``, and the target of a kind."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from certd.model.address import Address
from certd.model.paths import OwnPath
from certd.targets.files_target import FilesTarget
from certd.targets.kind import LOCAL_ENDPOINTS, ApiMeans, ProxyKind
from certd.targets.layout import FindGroup, Layout
from certd.targets.registry import KINDS
from certd.targets.reload_syntax import parse_reload_words
from certd.targets.reloads import RELOAD_DEADLINE, Auto, Command, Hook, Http, Nothing, Reload, Signal, Unit
from certd.targets.root_copies import root_copies_of
from certd.targets.touch_protocol import Stamp

if TYPE_CHECKING:
    from certd.system.egress import Egress

Pointers = Callable[[], Mapping[str, Path]]


def parse_reload(
    said: str | tuple[str, ...],
    *,
    kind: ProxyKind,
    environment: Mapping[str, str],
    egress: Callable[[], Egress],
    pointers: Pointers = dict,
    stamp: str = "",
    deadline: timedelta = RELOAD_DEADLINE,
    helper_first: bool = False,
) -> Reload:
    """What ``reload`` means.

    Args:
        pointers: The proxy's pointers by the path under which it knows them.
        stamp: The file that a root helper watches, where one is installed.
        deadline: For each try.
        helper_first: The helper copies what the proxy includes: without it any other way would load what is old.

    Raises:
        ValueError: with what would be right.
    """
    match parse_reload_words(said):
        case ("command", *argv):
            return Command(tuple(argv), environment, deadline)
        case ("auto",):
            return _auto(kind, pointers, stamp, deadline, helper_first)
        case ("systemd", unit):
            return Unit(unit if "." in unit else f"{unit}.service", deadline)
        case ("signal", name, path):
            return Signal(signal.Signals[f"SIG{name}"], path)
        case ("touch", path):
            return Stamp(path, deadline)
        case ("hook", path):
            return Hook(path, environment, deadline)
        case ("http", method, url):
            return Http(method, Address(url), egress, deadline)
        case ("none",):
            return Nothing()
        case (name, *parts):
            return _api(name, tuple(parts), kind, pointers, stamp, deadline)
        case _:
            raise AssertionError("a way to reload has a name")


def _auto(kind: ProxyKind, pointers: Pointers, stamp: str, deadline: timedelta, helper_first: bool) -> Reload:
    """The first one permitted of: the proxy's API, the root helper, systemd (as root, or by polkit), a signal. Where
    the helper copies the pointers, it comes before the API.
    """
    if kind.watches:
        return Nothing()
    ways = _process(kind, stamp, deadline)
    if kind.api is not None and (parts := kind.api.split(kind.api.address)):
        ways.insert(1 if helper_first else 0, _api(kind.name, parts, kind, pointers, stamp, deadline))
    return Auto(tuple(ways))


def _api(
    name: str, parts: tuple[str, ...], kind: ProxyKind, pointers: Pointers, stamp: str, deadline: timedelta
) -> Reload:
    """The client of the API of the kind of this name; where the API cannot, the proxy of ``kind`` is reloaded."""
    api = KINDS[name].api
    if api is None:
        raise AssertionError(f"{name} has no API, so no way to reload begins with its name")
    fallback = Auto(tuple(_process(kind, stamp, deadline)))
    return api.build(parts, ApiMeans(pointers=pointers, fallback=fallback, deadline=deadline))


def _process(kind: ProxyKind, stamp: str, deadline: timedelta) -> list[Reload]:
    ways: list[Reload] = [Stamp(stamp, deadline)] if stamp else []
    if kind.unit:
        ways.append(Unit(kind.unit, deadline))
    if kind.pid_file:
        ways.append(Signal(signal.Signals[f"SIG{kind.signal}"], kind.pid_file))
    return ways


def make_target(
    *,
    name: str,
    kind: str,
    reload: str | tuple[str, ...],
    check: tuple[str, ...] | None,
    endpoints: tuple[str, ...],
    paths: Mapping[str, OwnPath],
    path_map: Mapping[str, str],
    public: Path,
    find_group: FindGroup,
    egress: Callable[[], Egress],
    deadline: timedelta = RELOAD_DEADLINE,
) -> FilesTarget:
    """The target of a proxy that reads files; a provider's keeps its generations in one (``ApiTarget``)."""
    known = KINDS[kind]
    environment = {"CERTD_PROXY": name, "CERTD_PUBLIC": str(public)}
    layout, pointer = Layout(public=public, find_group=find_group, paths=path_map), known.pointer

    def pointers() -> dict[str, Path]:
        return {layout.as_seen(path): path for path in sorted(layout.pointers_of(name).glob(f"[!.]*{pointer.suffix}"))}

    stamp = public.parent / "reload" / name
    copies = root_copies_of(public.parent, name)
    # Only what this helper is asked by keeps the copies up to date; a proxy that sees other paths gets none.
    is_copied = known.includes_pointer and reload in {"auto", f"touch:{stamp}"} and not path_map and copies.is_dir()
    return FilesTarget(
        name=name,
        endpoints=endpoints or LOCAL_ENDPOINTS,
        layout=layout,
        pointer=pointer,
        reloading=parse_reload(
            reload,
            kind=known,
            environment=environment,
            egress=egress,
            pointers=pointers,
            stamp=str(stamp),
            deadline=deadline,
            helper_first=is_copied,
        ),
        check_command=known.check if check is None else check,
        paths=paths,
        deadline=deadline,
        root_copies=copies if is_copied else None,
    )
