"""lego's folder (``.lego``): ``certificates/<name>.{crt,key,json}`` and ``accounts/<host>/<mail>/``.

Written after lego 4, which a test runs, and after the source of lego 5, whose ``account.json`` names the directory
(``server``) and the account (``registration.accountURL``). The ``.crt`` holds the whole chain. Which DNS provider was
used stands only on the command line that ran lego.
"""

from __future__ import annotations

import json
from pathlib import Path
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

NOTE = (
    "lego was told its DNS provider on the command line; certd has some itself, and calls a program in lego's way by "
    'provider = "exec"'
)


def read_lego(folder: Path, _: ProxyNames) -> Tree:
    """Everything in it; nothing there tells a proxy. Raises CertdError when it is no such folder."""
    if not (folder / "certificates").is_dir():
        raise CertdError(f"{folder}: is no folder of lego's: there is no certificates/ in it")
    directories, accounts, problems = {}, [], []
    for path in sorted((folder / "accounts").rglob("account.json")):
        try:
            body = json.loads(text_of(path))
            # lego 5 keeps the key beside account.json; one in keys/ is of an account that lego 4 had.
            url = member(body, "registration", "accountURL")
            keys = sorted(path.parent.glob("*.key")) if url else sorted((path.parent / "keys").glob("*.key"))
            url = url or member(body, "registration", "uri")
            if not url or not keys:
                raise CertdError(f"{path}: has no key or was not registered")
            directory = directory_in(path, member(body, "server") or directory_of(url))
            directories[urlsplit(url).netloc] = directory
            accounts.append(
                ForeignAccount(
                    directory=directory, url=url, key=Secret(text_of(keys[0])), contact=member(body, "email")
                )
            )
        except DAMAGED as error:
            problems.append(problem(path, error))
    lineages = []
    for path in sorted((folder / "certificates").glob("*.crt")):
        if path.name.endswith(".issuer.crt"):
            continue
        try:
            domains, chain_pem, key, key_type = pair(path, path.with_suffix(".key"))
            said = json.loads(text_of(path.with_suffix(".json"))) if path.with_suffix(".json").exists() else {}
            host = urlsplit(member(said, "certStableUrl") or member(said, "certUrl")).netloc
            directory = directories.get(host, directory_of(f"https://{host}/"))
            lineages.append(
                ForeignLineage(
                    name=path.stem.replace("_.", "*.", 1) if path.stem.startswith("_.") else path.stem,
                    domains=domains,
                    chain_pem=chain_pem,
                    key=key,
                    key_type=key_type,
                    directory=directory_in(path, directory) if host else "",
                    notes=(NOTE,),
                )
            )
        except DAMAGED as error:
            problems.append(problem(path, error))
    return Tree(
        client="lego",
        folder=folder,
        lineages=tuple(lineages),
        accounts=tuple(accounts),
        problems=tuple(problems),
        switch_off="take lego out of cron or its timer (`lego renew`; since lego 5 `lego run`)",
    )


def directory_of(url: str) -> str:
    """The directory of the CA that gave an account this URL: Let's Encrypt's is at /directory; others are guessed so,
    and the configuration's own directory of the same host is taken before.
    """
    return f"https://{urlsplit(url).netloc}/directory"
