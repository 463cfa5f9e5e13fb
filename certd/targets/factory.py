"""Proxies made from words: what ``reload`` may say, and the target of a kind."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from certd.targets.layout import Layout
from certd.targets.pointers import POINTERS
from certd.targets.presets import LOCAL_ENDPOINTS, PRESETS, Preset
from certd.targets.proxy import FilesTarget
from certd.targets.reloads import Auto, Command, Http, Nothing, Reload, Signal, Stamp, Unit

if TYPE_CHECKING:
    from certd.system.egress import Egress

FORMS = 'auto, none, systemd:UNIT, signal:HUP:/run/nginx.pid, touch:/path, http:POST:URL, or a list ["a", "command"]'


def parse_reload(
    said: str | tuple[str, ...], *, preset: Preset, environment: Mapping[str, str], egress: Callable[[], Egress]
) -> Reload:
    """What ``reload`` means.

    Raises:
        ValueError: with what would be right.
    """
    if isinstance(said, tuple):
        return Command(said, environment)
    scheme, _, rest = said.partition(":")
    match scheme:
        case "auto" if not rest:
            return _auto(preset)
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
        case "http":
            method, _, url = rest.partition(":")
            if method.isalpha() and method.isupper() and urlsplit(url).scheme in {"http", "https"}:
                return Http(method, url, egress)
    raise ValueError(f'"{said}" is no way to reload; it may be {FORMS}')


def _auto(preset: Preset) -> Auto:
    ways: list[Reload] = []
    if preset.unit:
        ways.append(Unit(preset.unit))
    if preset.pid_file:
        ways.append(Signal(signal.Signals[f"SIG{preset.signal}"], preset.pid_file))
    return Auto(tuple(ways))


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
    endpoints: tuple[str, ...], paths: Mapping[str, str], path_map: Mapping[str, str], public: Path,
    group: int | None, egress: Callable[[], Egress],
) -> FilesTarget:  # fmt: skip
    """The target of a proxy's settings."""
    preset = PRESETS[kind]
    environment = {"CERTD_PROXY": name, "CERTD_PUBLIC": str(public)}
    return FilesTarget(
        name=name, endpoints=endpoints or LOCAL_ENDPOINTS,
        layout=Layout(public=public, group=group, paths=path_map), pointer=POINTERS[kind],
        reloading=parse_reload(reload, preset=preset, environment=environment, egress=egress),
        check_command=preset.check if check is None else check, paths=paths,
    )  # fmt: skip
