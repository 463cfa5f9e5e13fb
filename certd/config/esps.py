"""``[esp.NAME]`` and what a link says of its clicks."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from certd.config.esp_presets import PRESETS
from certd.config.files import Reading
from certd.config.schema import EspTable
from certd.model import Esp
from certd.system.endpoint import split_endpoint, split_url, wrong_with_url

ASSOCIATIONS = ("apple", "android")
_STATUS = re.compile(r"[1-5](\d\d|xx)")


def esps_of(reading: Reading, tables: Mapping[str, EspTable]) -> dict[str, Esp]:
    """The presets, changed and joined by what the file says. A table of a preset's name changes that preset, one of
    another name starts from its ``kind``, or from nothing.
    """
    esps = dict(PRESETS)
    for name, table in tables.items():
        kind = table.kind or (name if name in PRESETS else "")
        if kind and kind not in {*PRESETS, "custom"}:
            near = difflib.get_close_matches(kind, PRESETS, n=1)
            hint = f'did you mean "{near[0]}"?' if near else f"one of {', '.join(PRESETS)}"
            reading.find(f"esp.{name}.kind", f'"{kind}" is no kind of e-mail service', hint)
        base = PRESETS.get(kind, Esp(name=name, upstream=""))
        esps[name] = _changed(reading, name, table, base)
    return esps


def _changed(reading: Reading, name: str, table: EspTable, base: Esp) -> Esp:
    upstream = (table.upstream or base.upstream).rstrip("/")
    wrong = wrong_with_url(upstream)
    parts = split_url("" if wrong else upstream)
    if not upstream:
        reading.lacks(f"esp.{name}.upstream", hint='such as "https://sendgrid.net"')
    elif wrong:
        reading.find(f"esp.{name}.upstream", wrong, 'such as "https://sendgrid.net"')
    elif parts.path or parts.query:
        reading.find(f"esp.{name}.upstream", "must be a host without a path", f'"{parts.scheme}://{parts.netloc}"')
    probe = table.probe or base.probe
    if not probe.startswith("/") or any(letter <= " " or letter > "~" for letter in probe):
        reading.find(f"esp.{name}.probe", "must be a path as it stands in a request", 'such as "/wf/click?upn="')
    expect = base.expect if table.expect is None else table.expect
    for index, each in enumerate(expect):
        if not _STATUS.fullmatch(each) and ":" not in each:
            reading.find(
                f"esp.{name}.expect[{index}]",
                f'"{each}" is neither a status nor a header',
                'such as "302", "4xx" or "server: msys-http"',
            )
    hosts = base.hosts if table.hosts is None else table.hosts
    if not hosts and parts.hostname and not _is_address(parts.hostname):
        hosts = (parts.hostname,)
    forwarded_host = base.forwarded_host if table.forwarded_host is None else table.forwarded_host
    return replace(
        base,
        name=name,
        upstream=upstream,
        probe=probe,
        expect=expect,
        hosts=hosts,
        forwarded_host=forwarded_host,
    )


def _is_address(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


# One for all links that say none.
NO_FILES: dict[str, str] = {}


def associations_of(reading: Reading, where: str, said: Callable[[str, Any], Any]) -> dict[str, str]:
    """``association_files`` of a link: absolute paths by platform."""
    files: dict[str, str] = said("association_files", NO_FILES)
    for platform, path in files.items():
        if platform not in ASSOCIATIONS:
            near = difflib.get_close_matches(platform, ASSOCIATIONS, n=1)
            reading.find(
                f"{where}.association_files.{platform}",
                "is no platform",
                f'did you mean "{near[0]}"?' if near else f"one of {', '.join(ASSOCIATIONS)}",
            )
        if not path.startswith("/") or any(letter in path for letter in "\"'\\\n;{}$ "):
            reading.find(
                f"{where}.association_files.{platform}",
                "must be an absolute path without blanks, quotes, braces, dollars or semicolons",
                'such as "/etc/certd/apple-app-site-association"',
            )
    return files


def addresses_of(reading: Reading, table: Mapping[str, str]) -> Mapping[str, str]:
    """``network.addresses``: where a public address answers from here."""
    for public, here in table.items():
        for text in (public, here):
            try:
                split_endpoint(text)
            except ValueError as error:
                reading.find(
                    f'network.addresses."{public}"', f"{text}: {error}", '{ "203.0.113.7:443" = "10.0.0.7:443" }'
                )
    return table
