"""``paths`` of ``[proxy.NAME]``: where copies of a certificate go, and whose they are."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from certd.config.files import Reading
from certd.config.schema import PathTable
from certd.config.settings import LinkSettings, ProxySettings
from certd.model.paths import OwnPath

PATHS = ("cert", "chain", "fullchain", "key", "combined")

# What holds the private key is nobody's business but its owner's and group's.
HOLDS_KEY = ("key", "combined")


def own_paths(reading: Reading, tables: Mapping[str, PathTable], where: str) -> dict[str, OwnPath]:
    """The paths; every mistake is noted."""
    for member, table in tables.items():
        if member not in PATHS:
            near = difflib.get_close_matches(member, PATHS, n=1)
            reading.find(
                f"{where}.{member}",
                "is no file of a certificate",
                f'did you mean "{near[0]}"?' if near else f"one of {', '.join(PATHS)}",
            )
        if not table.path.startswith("/"):
            reading.find(f"{where}.{member}", "must be an absolute path", 'such as "/etc/ssl/{link}.pem"')
        if member in HOLDS_KEY and table.mode & 0o007:
            reading.find(f"{where}.{member}.mode", "would let everybody read the private key", '"0640" or "0600"')
    return {
        member: OwnPath(path=table.path, owner=str(table.owner), group=str(table.group), mode=table.mode)
        for member, table in tables.items()
    }


def judge_sharing(reading: Reading, proxies: Mapping[str, ProxySettings], links: Sequence[LinkSettings]) -> None:
    """Two links must not be copied to one place."""
    for name, proxy in proxies.items():
        several = [link.name for link in links if name in link.proxies]
        for member, own in proxy.paths.items():
            if len(several) > 1 and "{link}" not in own.path:
                reading.find(
                    f"proxy.{name}.paths.{member}",
                    f"is one place for {len(several)} links",
                    'put the name into it: "/etc/ssl/{link}.pem", or give each a proxy table',
                )
