"""Proxies made from words: what ``reload`` may say, and the target of a kind."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from certd.model.paths import OwnPath
from certd.targets.caddy import CaddyAdmin
from certd.targets.haproxy import HaproxySocket
from certd.targets.layout import Layout
from certd.targets.pointers import POINTERS
from certd.targets.presets import LOCAL_ENDPOINTS, PRESETS, Preset
from certd.targets.proxy import FilesTarget
from certd.targets.reloads import Auto, Command, Hook, Http, Nothing, Reload, Signal, Unit
from certd.targets.stamps import Stamp

if TYPE_CHECKING:
    from certd.system.egress import Egress

FORMS = (
    "auto, none, systemd:UNIT, signal:HUP:/run/nginx.pid, touch:/path, hook:/path, http:POST:URL, "
    "haproxy:/run/haproxy/admin.sock, "
    'caddy:localhost:2019:/etc/caddy/Caddyfile, or a list ["a", "command"]'
)

Pointers = Callable[[], Mapping[str, Path]]


def parse_reload(
    said: str | tuple[str, ...], *, preset: Preset, environment: Mapping[str, str], egress: Callable[[], Egress],
    pointers: Pointers = dict, stamp: str = "",
) -> Reload:  # fmt: skip
    """What ``reload`` means.

    Args:
        pointers: The proxy's pointers by the path under which it knows them.
        stamp: The file that a root helper watches, where one is installed.

    Raises:
        ValueError: with what would be right.
    """
    if isinstance(said, tuple):
        return Command(said, environment)
    scheme, _, rest = said.partition(":")
    match scheme:
        case "auto" if not rest:
            return _auto(preset, pointers, stamp)
        case "none" if not rest:
            return Nothing()
        case "systemd" if rest:
            return Unit(rest if "." in rest else f"{rest}.service")
        case "signal":
            name, _, path = rest.partition(":")
            if f"SIG{name}" in signal.Signals.__members__ and path.startswith("/"):
                return Signal(signal.Signals[f"SIG{name}"], path)
        case "touch" if rest.startswith("/"):
            return Stamp(rest)
        case "hook" if rest.startswith("/"):
            return Hook(rest, environment)
        case "http":
            method, _, url = rest.partition(":")
            if method.isalpha() and method.isupper() and urlsplit(url).scheme in {"http", "https"}:
                return Http(method, url, egress)
        case "haproxy" if rest.startswith("/"):
            return HaproxySocket(rest, pointers, Auto(tuple(_process(preset, stamp))))
        case "caddy":
            address, _, config = rest.rpartition(":")
            if config.startswith("/") and _is_admin_address(address):
                return CaddyAdmin(address, config)
    raise ValueError(f'"{said}" is no way to reload; it may be {FORMS}')


def _is_admin_address(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return text.startswith("unix//") or (bool(host) and port.isdigit())


def _auto(preset: Preset, pointers: Pointers, stamp: str) -> Reload:
    """The first one permitted of: the proxy's API, the root helper, systemd (as root, or by polkit), a signal."""
    if preset.watches:
        return Nothing()
    ways = _process(preset, stamp)
    if preset.api:
        ways.insert(0, parse_reload(preset.api, preset=preset, environment={}, egress=_no_egress, pointers=pointers))
    return Auto(tuple(ways))


def _process(preset: Preset, stamp: str) -> list[Reload]:
    ways: list[Reload] = [Stamp(stamp)] if stamp else []
    if preset.unit:
        ways.append(Unit(preset.unit))
    if preset.pid_file:
        ways.append(Signal(signal.Signals[f"SIG{preset.signal}"], preset.pid_file))
    return ways


def wrong_with_reload(said: str | tuple[str, ...]) -> str:
    """For the configuration: what is wrong, in words; empty when nothing is."""
    try:
        parse_reload(said, preset=Preset(), environment={}, egress=_no_egress)
    except ValueError as error:
        return str(error)
    return ""


def _no_egress() -> Egress:
    raise AssertionError("judging words sends nothing")


def make_target(
    *, name: str, kind: str, reload: str | tuple[str, ...], check: tuple[str, ...] | None,
    endpoints: tuple[str, ...], paths: Mapping[str, OwnPath], path_map: Mapping[str, str], public: Path,
    group: int | None, egress: Callable[[], Egress],
) -> FilesTarget:  # fmt: skip
    """The target of a proxy's settings."""
    preset = PRESETS[kind]
    environment = {"CERTD_PROXY": name, "CERTD_PUBLIC": str(public)}
    layout, pointer = Layout(public=public, group=group, paths=path_map), POINTERS[kind]

    def pointers() -> dict[str, Path]:
        return {layout.as_seen(path): path for path in sorted(layout.pointers_of(name).glob(f"[!.]*{pointer.suffix}"))}

    return FilesTarget(
        name=name, endpoints=endpoints or LOCAL_ENDPOINTS, layout=layout, pointer=pointer,
        reloading=parse_reload(
            reload, preset=preset, environment=environment, egress=egress, pointers=pointers,
            stamp=str(public.parent / "reload" / name),
        ),
        check_command=preset.check if check is None else check, paths=paths,
    )  # fmt: skip
