"""acme.sh's folder (``~/.acme.sh``): ``<domain>[_ecc]/{<domain>.conf,<domain>.key,fullchain.cer}``, ``ca/<host>/...``.

Written after acme.sh 3.1: a ``.conf`` is a list of shell assignments, its hooks in base64 between two marks.
"""

from __future__ import annotations

import base64
import re
from pathlib import Path

from certd.errors import CertdError
from certd.foreign.key_pair import pair
from certd.foreign.model import (
    DAMAGED,
    DnsWay,
    ForeignAccount,
    ForeignLineage,
    ProxyNames,
    Tree,
    directory_in,
    problem,
    text_of,
)
from certd.model import Secret

ASSIGNMENT = re.compile(r"^([A-Za-z_][A-Za-z0-9_]*)='(.*)'$", re.MULTILINE)
ENCODED = re.compile(r"^__ACME_BASE64__START_(.*)__ACME_BASE64__END_$")


def read_acme_sh(folder: Path, proxies: ProxyNames) -> Tree:
    """Everything in it. Raises CertdError when it is no such folder."""
    confs = [path for path in sorted(folder.glob("*/*.conf")) if (path.parent / "fullchain.cer").exists()]
    if not confs and not (folder / "ca").is_dir():
        raise CertdError(f"{folder}: is no folder of acme.sh's: there is no certificate and no ca/ in it")
    lineages, accounts, problems = [], [], []
    for path in confs:
        try:
            lineages.append(_lineage(folder, path, proxies))
        except DAMAGED as error:
            problems.append(problem(path, error))
    for path in sorted((folder / "ca").rglob("account.key")):
        try:
            said = assignments(path.parent / "ca.conf")
            inside = path.parent.relative_to(folder / "ca")
            accounts.append(
                ForeignAccount(
                    directory=f"https://{inside}",
                    url=said.get("ACCOUNT_URL", ""),
                    key=Secret(text_of(path)),
                    contact=said.get("CA_EMAIL", ""),
                )
            )
        except DAMAGED as error:
            problems.append(problem(path, error))
    return Tree(
        client="acme.sh",
        folder=folder,
        lineages=tuple(lineages),
        accounts=tuple(accounts),
        problems=tuple(problems),
        switch_off="acme.sh --uninstall-cronjob",
    )


def assignments(path: Path) -> dict[str, str]:
    """The settings of a file; nothing in it is run. Raises CertdError."""
    said = {}
    for name, value in ASSIGNMENT.findall(text_of(path)):
        if encoded := ENCODED.match(value):
            try:
                value = base64.b64decode(encoded.group(1), validate=True).decode(errors="replace")
            except ValueError as error:
                raise CertdError(f"{path}: {name} is no base64") from error
        said[name] = value
    return said


def _lineage(folder: Path, path: Path, proxies: ProxyNames) -> ForeignLineage:
    said = assignments(path)
    domains, chain_pem, key, key_type = pair(path.parent / "fullchain.cer", path.with_suffix(".key"))
    way, notes = said.get("Le_Webroot", ""), []
    dns = None
    if way == "dns_cf":
        token = assignments(folder / "account.conf").get("SAVED_CF_Token", "") if _has_account(folder) else ""
        if token:
            dns = DnsWay(
                name="cloudflare",
                members={"provider": "cloudflare", "token": "file:cloudflare.token"},
                secrets={"cloudflare.token": Secret(token + "\n")},
            )
    elif way == "dns_aws":
        dns = DnsWay(name="route53", members={"provider": "route53"})
    if dns is None:
        notes.append(f"it proved its names by {way or 'nothing that it says'}")
    if command := said.get("Le_ReloadCmd", ""):
        notes.append(f"its reload command was a shell's: {command}")
    return ForeignLineage(
        name=path.stem,
        domains=domains,
        chain_pem=chain_pem,
        key=key,
        key_type=key_type,
        directory=directory_in(path, said.get("Le_API", "")),
        preferred_chain=said.get("Le_Preferred_Chain", ""),
        dns=dns,
        proxy=proxies.reloaded_by(command),
        notes=tuple(notes),
    )


def _has_account(folder: Path) -> bool:
    return (folder / "account.conf").exists()
