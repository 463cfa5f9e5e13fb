"""Caddy's storage (``/var/lib/caddy/.local/share/caddy``): ``certificates/<CA>/<name>/`` and ``acme/<CA>/users/``.

Written after Caddy 2.6 and CertMagic 0.25: beside each pair lies a ``.json`` with the CA's directory, or, as Caddy 2.6
leaves it, only the certificate's own URL at that CA.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from certd.errors import CertdError
from certd.foreign.key_pair import pair
from certd.foreign.model import (
    DAMAGED,
    ForeignAccount,
    ForeignLineage,
    ProxyNames,
    Tree,
    directory_in,
    member,
    problem,
    text_of,
)
from certd.model import Secret

# What Caddy calls its own authority.
INTERNAL = "local"

NOTE = "Caddy's DNS provider stands in the Caddyfile; give its credentials to one of certd's"


def read_caddy(folder: Path, proxies: ProxyNames) -> Tree:
    """Everything in it. Raises CertdError when it is no such folder."""
    if not (folder / "certificates").is_dir():
        raise CertdError(f"{folder}: is no storage of Caddy's: there is no certificates/ in it")
    lineages, accounts, problems, directories = [], [], [], {}
    for path in sorted((folder / "certificates").glob("*/*/*.crt")):
        if path.parent.parent.name == INTERNAL:
            problems.append(
                f"{path.stem}: is not taken over: Caddy signs it itself (`tls internal`), and no browser trusts it; "
                "add a link for it to have a public CA sign it"
            )
            continue
        try:
            domains, chain_pem, key, key_type = pair(path, path.with_suffix(".key"))
            authority = path.parent.parent.name
            directory = directory_in(path, directory_of(authority, json.loads(text_of(path.with_suffix(".json")))))
            directories[authority] = directory
            lineages.append(
                ForeignLineage(
                    name=path.stem.replace("wildcard_", "*", 1),
                    domains=domains,
                    chain_pem=chain_pem,
                    key=key,
                    key_type=key_type,
                    directory=directory,
                    proxy=proxies.by_client.get("caddy", ""),
                    notes=(NOTE,),
                )
            )
        except DAMAGED as error:
            problems.append(problem(path, error))
    for path in sorted((folder / "acme").glob("*/users/*/*.key")):
        try:
            body = json.loads(text_of(path.with_suffix(".json")))
            authority = path.parent.parent.parent.name
            directory = directories.get(authority, "")
            url = member(body, "location")
            if directory and url:
                accounts.append(ForeignAccount(directory=directory, url=url, key=Secret(text_of(path))))
        except DAMAGED as error:
            problems.append(problem(path, error))
    return Tree(
        client="Caddy",
        folder=folder,
        lineages=tuple(lineages),
        accounts=tuple(accounts),
        problems=tuple(problems),
        switch_off="put certd's snippet into the site (`certd proxy-config`): then Caddy orders nothing for it",
    )


def directory_of(authority: str, said: dict[str, Any]) -> str:
    """The CA's directory. Where it is not said it is read from the name of the CA's folder: host, port and path in
    small letters, with hyphens for colons and slashes; the configuration's own directory of that host goes before.
    """
    if directory := member(said, "issuer_data", "ca"):
        return directory
    url = urlsplit(member(said, "issuer_data", "url"))
    host = url.netloc.lower()
    path = authority.removeprefix(host.replace(":", "-"))
    return f"{url.scheme}://{host}{path.replace('-', '/')}" if host and path != authority else ""
