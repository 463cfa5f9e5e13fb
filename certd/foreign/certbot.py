"""certbot's folder (``/etc/letsencrypt``): ``renewal/*.conf``, ``live/``, ``accounts/``.

Written after certbot 2.1 and 5.6: a renewal configuration is ConfigObj's dialect of INI with a section
``[renewalparams]``; an account is ``accounts/<directory URL without scheme>/<id>/{private_key,regr}.json``.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path

from certd.errors import CertdError
from certd.foreign.key_pair import pair, pem_of_jwk
from certd.foreign.model import (
    DAMAGED,
    SUCCESSORS,
    DnsWay,
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

SWITCH_OFF = "systemctl disable --now certbot.timer   (or take its line out of cron)"

# What a shell would do something with: such a hook is a shell's program, and certd has none.
SHELL = re.compile(r"[|&;<>()$`*?\[\]#~{}!\n]")


def read_certbot(folder: Path, proxies: ProxyNames) -> Tree:
    """Everything in it. Raises CertdError when it is no such folder."""
    if not (folder / "renewal").is_dir():
        raise CertdError(f"{folder}: is no folder of certbot's: there is no renewal/ in it")
    lineages, problems, servers = [], [], {}
    for path in sorted((folder / "renewal").glob("*.conf")):
        try:
            said, files = renewal_parameters(text_of(path))
            servers[said.get("account", "")] = said.get("server", "")
            lineages.append(_lineage(folder, path.stem, said, files, proxies))
        except DAMAGED as error:
            problems.append(f"{path.stem}: {problem(path, error)}")
    accounts = []
    for path in sorted((folder / "accounts").rglob("private_key.json")):
        try:
            accounts.append(_account(folder, path, servers))
        except DAMAGED as error:
            problems.append(f"account {path.parent.name}: {problem(path, error)}")
    return Tree(
        client="certbot",
        folder=folder,
        lineages=tuple(lineages),
        accounts=tuple(accounts),
        problems=tuple(problems),
        switch_off=SWITCH_OFF,
    )


def renewal_parameters(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """The members of ``[renewalparams]``, and those above it: where the files lie."""
    section = ""
    said: dict[str, str] = {}
    files: dict[str, str] = {}
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("[") and line.endswith("]"):
            section = line.strip("[] ")
        elif section in {"", "renewalparams"} and "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            value = value.strip()
            if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
                value = value[1:-1]
            (said if section else files)[name.strip()] = value
    return said, files


def _lineage(
    folder: Path, name: str, said: dict[str, str], files: dict[str, str], proxies: ProxyNames
) -> ForeignLineage:
    live = folder / "live" / name
    # Where certbot was told another place; a copy of a folder still names the original's.
    chain, private = (Path(files.get(each, "")) for each in ("fullchain", "privkey"))
    if not (chain.is_absolute() and chain.is_file() and private.is_absolute() and private.is_file()):
        chain, private = live / "fullchain.pem", live / "privkey.pem"
    domains, chain_pem, key, key_type = pair(chain, private)
    notes: list[str] = []
    if said.get("server", "").rstrip("/") in SUCCESSORS:
        notes.append(f"its CA address {said['server']} has ended; certd uses the address that took its place")
    _say_hooks(folder, said, notes)
    dns = _dns(said, notes)
    reload = _hook(folder, said, notes)
    plugins = {said.get("installer"), said.get("authenticator")}
    proxy = next((kind for plugin, kind in proxies.by_certbot_plugin.items() if plugin in plugins), "")
    proxy = proxy or proxies.reloaded_by(f"{said.get('renew_hook', '')} {said.get('post_hook', '')}")
    return ForeignLineage(
        name=name,
        domains=domains,
        chain_pem=chain_pem,
        key=key,
        key_type=key_type,
        directory=directory_in(folder / "renewal" / f"{name}.conf", said.get("server", "")),
        reuse_key=said.get("reuse_key", "").lower() == "true",
        preferred_chain=said.get("preferred_chain", ""),
        profile=_profile(said, notes),
        dns=dns,
        proxy=proxy,
        reload=reload,
        notes=tuple(notes),
    )


def _profile(said: dict[str, str], notes: list[str]) -> str:
    """certbot 4 and later."""
    if required := said.get("required_profile", ""):
        notes.append(
            f"it required the profile {required}; certd asks for it, and renews without it rather than let the "
            "certificate lapse"
        )
    return required or said.get("preferred_profile", "")


def _say_hooks(folder: Path, said: dict[str, str], notes: list[str]) -> None:
    """certd stops nothing and starts nothing around an order: it proves names by DNS alone."""
    for when in ("pre", "post"):
        scripts = [
            each.name for each in sorted((folder / "renewal-hooks" / when).glob("*")) if os.access(each, os.X_OK)
        ]
        if found := [*filter(None, [said.get(f"{when}_hook", "")]), *scripts]:
            notes.append(
                f"its {when}-hook is not taken over: {', '.join(found)}; certd runs nothing "
                f"{'before' if when == 'pre' else 'after'} an order but the reload of the proxy"
            )


def _dns(said: dict[str, str], notes: list[str]) -> DnsWay | None:
    plugin = said.get("authenticator", "")
    if plugin == "dns-route53":
        return DnsWay(name="route53", members={"provider": "route53"})
    if plugin == "manual" and said.get("manual_auth_hook"):
        auth = _words(said["manual_auth_hook"])
        cleanup = _words(said.get("manual_cleanup_hook", "")) or ["/bin/true"]
        if auth and auth[0].startswith("/") and cleanup[0].startswith("/"):
            members: dict[str, str | list[str]] = {
                "provider": "exec",
                "style": "certbot",
                "auth": auth,
                "cleanup": cleanup,
            }
            return DnsWay(name="hooks", members=members)
        notes.append(f"its hooks are a shell's: {said['manual_auth_hook']}; certd calls programs by their whole path")
        return None
    vendor = plugin.removeprefix("dns-")
    if vendor == plugin:
        notes.append(f"it proved its names by {plugin or 'nothing that it says'}; certd proves them by DNS alone")
        return None
    path = said.get(f"dns_{vendor}_credentials", "")
    try:
        credentials = _credentials(text_of(Path(path))) if path else {}
    except CertdError as error:
        notes.append(str(error))
        credentials = {}
    if vendor == "rfc2136" and {"dns_rfc2136_server", "dns_rfc2136_name", "dns_rfc2136_secret"} <= set(credentials):
        return _rfc2136(credentials)
    if vendor == "cloudflare" and "dns_cloudflare_api_token" in credentials:
        token = Secret(credentials["dns_cloudflare_api_token"] + "\n")
        return DnsWay(
            name="cloudflare",
            members={"provider": "cloudflare", "token": "file:cloudflare.token"},
            secrets={"cloudflare.token": token},
        )
    notes.append(
        f'it used {plugin} with {path or "no file"}; in certd that is provider = "lexicon:{vendor}" or another'
    )
    return None


def _rfc2136(credentials: dict[str, str]) -> DnsWay:
    server, port = credentials["dns_rfc2136_server"], credentials.get("dns_rfc2136_port", "53")
    algorithm = credentials.get("dns_rfc2136_algorithm", "HMAC-MD5").lower()
    clause = (
        f'key "{credentials["dns_rfc2136_name"].rstrip(".")}" {{\n    algorithm {algorithm};\n'
        f'    secret "{credentials["dns_rfc2136_secret"]}";\n}};\n'
    )
    address = server if port == "53" else f"[{server}]:{port}" if ":" in server else f"{server}:{port}"
    return DnsWay(
        name="corp",
        members={"provider": "rfc2136", "server": address, "tsig": "file:tsig.key"},
        secrets={"tsig.key": Secret(clause)},
    )


def _hook(folder: Path, said: dict[str, str], notes: list[str]) -> str | list[str]:
    scripts = [path for path in sorted((folder / "renewal-hooks" / "deploy").glob("*")) if os.access(path, os.X_OK)]
    command = said.get("renew_hook", "")
    if command:
        words = _words(command)
        if words and Path(words[0]).is_absolute():
            if len(words) > 1:
                notes.append(
                    f"its deploy hook has arguments: {command}; certd runs it once for all links of the proxy, without "
                    "RENEWED_LINEAGE and RENEWED_DOMAINS"
                )
            return f"hook:{words[0]}" if len(words) == 1 else words
        notes.append(f"its deploy hook is a shell's: {command}")
    if len(scripts) == 1:
        return f"hook:{scripts[0]}"
    if scripts:
        notes.append(f"it ran {len(scripts)} deploy hooks: {', '.join(path.name for path in scripts)}; certd runs one")
    return ""


def _words(command: str) -> list[str]:
    """The words of a command; empty where only a shell understands it."""
    if SHELL.search(command):
        return []
    try:
        return shlex.split(command)
    except ValueError:
        return []


def _credentials(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}


def _account(folder: Path, path: Path, servers: dict[str, str]) -> ForeignAccount:
    inside = path.parent.parent.relative_to(folder / "accounts")
    registration = json.loads(text_of(path.parent / "regr.json"))
    return ForeignAccount(
        directory=servers.get(path.parent.name, "") or f"https://{inside}",
        url=member(registration, "uri"),
        key=pem_of_jwk(text_of(path), path),
    )
