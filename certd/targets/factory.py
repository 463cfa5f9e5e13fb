"""Proxies made from words: the way of ``reload``, and the target of a kind."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from certd.model.paths import OwnPath
from certd.targets.caddy import CaddyAdmin
from certd.targets.files_target import FilesTarget
from certd.targets.haproxy import DEADLINE as SOCKET_DEADLINE
from certd.targets.haproxy import HaproxySocket
from certd.targets.layout import Layout
from certd.targets.pointers import POINTERS
from certd.targets.presets import LOCAL_ENDPOINTS, PRESETS, Preset
from certd.targets.reload_syntax import parse_reload_words
from certd.targets.reloads import RELOAD_DEADLINE, Auto, Command, Hook, Http, Nothing, Reload, Signal, Unit
from certd.targets.touch_protocol import Stamp

if TYPE_CHECKING:
    from certd.system.egress import Egress

Pointers = Callable[[], Mapping[str, Path]]


def parse_reload(
    said: str | tuple[str, ...],
    *,
    preset: Preset,
    environment: Mapping[str, str],
    egress: Callable[[], Egress],
    pointers: Pointers = dict,
    stamp: str = "",
    deadline: timedelta = RELOAD_DEADLINE,
) -> Reload:
    """What ``reload`` means.

    Args:
        pointers: The proxy's pointers by the path under which it knows them.
        stamp: The file that a root helper watches, where one is installed.
        deadline: For each try.

    Raises:
        ValueError: with what would be right.
    """
    match parse_reload_words(said):
        case ("command", *argv):
            return Command(tuple(argv), environment, deadline)
        case ("auto",):
            return _auto(preset, pointers, stamp, deadline)
        case ("systemd", unit):
            return Unit(unit if "." in unit else f"{unit}.service", deadline)
        case ("signal", name, path):
            return Signal(signal.Signals[f"SIG{name}"], path)
        case ("touch", path):
            return Stamp(path, deadline)
        case ("hook", path):
            return Hook(path, environment, deadline)
        case ("http", method, url):
            return Http(method, url, egress, deadline)
        case ("haproxy", path):
            otherwise = Auto(tuple(_process(preset, stamp, deadline)))
            return HaproxySocket(path, pointers, otherwise, min(deadline, SOCKET_DEADLINE))
        case ("caddy", address, config):
            return CaddyAdmin(address, config, deadline)
        case _:
            return Nothing()


def _auto(preset: Preset, pointers: Pointers, stamp: str, deadline: timedelta) -> Reload:
    """The first one permitted of: the proxy's API, the root helper, systemd (as root, or by polkit), a signal."""
    if preset.watches:
        return Nothing()
    ways = _process(preset, stamp, deadline)
    if preset.api:
        api = parse_reload(
            preset.api,
            preset=preset,
            environment={},
            egress=_no_egress,
            pointers=pointers,
            stamp=stamp,
            deadline=deadline,
        )
        ways.insert(0, api)
    return Auto(tuple(ways))


def _process(preset: Preset, stamp: str, deadline: timedelta) -> list[Reload]:
    ways: list[Reload] = [Stamp(stamp, deadline)] if stamp else []
    if preset.unit:
        ways.append(Unit(preset.unit, deadline))
    if preset.pid_file:
        ways.append(Signal(signal.Signals[f"SIG{preset.signal}"], preset.pid_file))
    return ways


def _no_egress() -> Egress:
    raise AssertionError("the API of a preset is no address of the operator's")


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
    group: int | None,
    egress: Callable[[], Egress],
    deadline: timedelta = RELOAD_DEADLINE,
    importing: Reload | None = None,
) -> FilesTarget:
    """The target of a proxy's settings.

    Args:
        importing: How it is brought to a provider, in the place of a reload.
    """
    preset = PRESETS[kind]
    environment = {"CERTD_PROXY": name, "CERTD_PUBLIC": str(public)}
    layout, pointer = Layout(public=public, group=group, paths=path_map), POINTERS[kind]

    def pointers() -> dict[str, Path]:
        return {layout.as_seen(path): path for path in sorted(layout.pointers_of(name).glob(f"[!.]*{pointer.suffix}"))}

    return FilesTarget(
        name=name,
        endpoints=endpoints or LOCAL_ENDPOINTS,
        layout=layout,
        pointer=pointer,
        reloading=importing
        or parse_reload(
            reload,
            preset=preset,
            environment=environment,
            egress=egress,
            pointers=pointers,
            stamp=str(public.parent / "reload" / name),
            deadline=deadline,
        ),
        check_command=preset.check if check is None else check,
        paths=paths,
        deadline=deadline,
        settles=preset.settles,
    )
