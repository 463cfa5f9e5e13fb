"""Another client's settings in certd's words: a commented configuration, and the secrets that it names."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import tomlkit

from certd.errors import CertdError, GateRefused
from certd.foreign.model import DnsWay, ForeignLineage, Tree
from certd.model import Secret
from certd.pki.chain import load_chain

DEFAULT_KEY = "ecdsa-p256"

NO_DNS = """\
# How the TXT record of the challenge is published; certd proves names by DNS alone. Fill in one of them, for example:
# [dns.corp]
# provider = "rfc2136"
# server = "192.0.2.53"
# tsig = "file:tsig.key"
# Or let certd answer itself (provider = "responder"): `certd init --dns responder` shows the records to set.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """What to write.

    Attributes:
        secrets: File names relative to the configuration, and what belongs in them.
        links: The lineages that became links, in the file's order.
        losses: What is not taken over, each in a sentence of its own.
    """

    text: str
    secrets: Mapping[str, Secret]
    links: tuple[ForeignLineage, ...]
    losses: tuple[str, ...] = ()


def translate(tree: Tree, issuers: Mapping[str, str], skip: Iterable[str] = (), *, whole: bool) -> Translation:
    """A configuration for what lies in a tree.

    Args:
        issuers: Directory URLs by the names that are known here.
        skip: Domains that have a link already.
        whole: A file of its own; else links and what they use, to be put into the file that is there.
    """
    lineages, notes = choose_lineages(tree, set(skip))
    names = {lineage.directory: issuer_name(lineage.directory, issuers) for lineage in lineages}
    ways, way_of = dns_ways(lineages)
    lines = [comment(f"Translated from {tree.client}'s folder {tree.folder}, which was read and not changed.")]
    lines += [comment(note) for note in notes]
    lines.append("")
    for directory, name in dict.fromkeys(names.items()):
        known = directory.lower() == issuers.get(name, "").lower()
        if whole or not known:
            lines += issuer_table(tree, lineages, directory, name, known=known)
    for way in ways:
        lines.append(f"[dns.{way.name}]")
        lines += [f"{member} = {toml(value)}" for member, value in way.members.items()]
        lines.append("")
    if any(way_of[lineage.name] is None for lineage in lineages):
        lines += [NO_DNS]
    lines += proxy_tables(lineages)
    for lineage in lineages:
        lines += link_table(lineage, names[lineage.directory], way_of[lineage.name], several=len(ways) > 1)
    secrets = {name: secret for way in ways for name, secret in way.secrets.items()}
    text = "\n".join(lines).rstrip() + "\n"
    _judge(text, lineages)
    losses = [*notes, *(f"{lineage.name}: {note}" for lineage in lineages for note in lineage.notes)]
    return Translation(text=text, secrets=secrets, links=tuple(lineages), losses=tuple(losses))


def _judge(text: str, lineages: Sequence[ForeignLineage]) -> None:
    """Parsed back before anybody writes it: it holds these links, and no table that nobody meant.

    Raises:
        CertdError: it would not be read as it is meant.
    """
    try:
        body = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CertdError(f"the translation would be no TOML: {error}", hint="nothing was written") from error
    links = body.get("link", [])
    domains = [{link["domain"]} if isinstance(link["domain"], str) else {*link["domain"]} for link in links]
    if domains != [{*lineage.domains} for lineage in lineages] or not body.keys() <= {"issuer", "dns", "proxy", "link"}:
        raise CertdError("the translation would not be read as it is meant", hint="nothing was written")


def choose_lineages(tree: Tree, skip: set[str]) -> tuple[list[ForeignLineage], list[str]]:
    """One lineage for each name: one that is good for clients before one that has ended, then the one with more names,
    then the one that ends last; why the others are left out.
    """
    now = datetime.now(UTC)
    taken: dict[str, str] = dict.fromkeys(skip, "")
    notes = []
    found = []
    for lineage in sorted(
        tree.lineages, key=lambda each: (ends_at(each) <= now, -len(each.domains), -ends_at(each).timestamp())
    ):
        if common := [domain for domain in lineage.domains if domain in taken]:
            if not set(lineage.domains) <= skip:
                notes.append(_why_left_out(lineage, common, taken, now))
            continue
        taken |= dict.fromkeys(lineage.domains, lineage.name)
        found.append(lineage)
    return sorted(found, key=lambda each: each.name), notes


def _why_left_out(lineage: ForeignLineage, common: Sequence[str], taken: Mapping[str, str], now: datetime) -> str:
    other = next((taken[domain] for domain in common if taken[domain]), "")
    whose = other or "a link of the configuration"
    ended = f"it ended at {ends_at(lineage):%Y-%m-%d %H:%MZ}, and " if ends_at(lineage) <= now else ""
    words = f"{lineage.name} is left out: {ended}{', '.join(common)} {'is' if len(common) == 1 else 'are'} in {whose}"
    lost = [domain for domain in lineage.domains if domain not in taken]
    return f"{words}. No link has {', '.join(lost)} now; add it by hand if clients use it" if lost else words


def ends_at(lineage: ForeignLineage) -> datetime:
    """When its certificate ends."""
    try:
        return load_chain(lineage.chain_pem)[0].not_valid_after_utc
    except GateRefused:
        return datetime.fromtimestamp(0, UTC)


def issuer_name(directory: str, issuers: Mapping[str, str]) -> str:
    """The name of an issuer with this directory, or one made of its host."""
    # Caddy 2.6 keeps no capitals of a path.
    known = next((name for name, url in issuers.items() if url.lower() == directory.lower()), "")
    host = urlsplit(directory).hostname or "letsencrypt"
    return known or ("letsencrypt" if not directory else re.sub("[^a-z0-9]+", "-", host).strip("-") or "ca")


def issuer_table(
    tree: Tree, lineages: Sequence[ForeignLineage], directory: str, name: str, *, known: bool
) -> list[str]:
    """``[issuer.NAME]``."""
    account = next((one for one in tree.accounts if one.directory == directory and one.url), None)
    chains = {one.preferred_chain for one in lineages if one.directory == directory and one.preferred_chain}
    lines = [f"[issuer.{name}]"]
    if account is not None:
        lines.append(f"terms_agreed = true {comment(f'agreed to with {tree.client}: {account.url}')}")
    else:
        lines.append("terms_agreed = false # true once you have agreed to the CA's terms of service")
    if not known and directory:
        lines.append(f"directory = {toml(directory)}")
    lines += [f"preferred_chain = {toml(chain)}" for chain in sorted(chains)[:1]]
    profiles = sorted({one.profile for one in lineages if one.directory == directory and one.profile})
    if len(profiles) == 1:
        lines.append(f"profile = {toml(profiles[0])}")
    elif profiles:
        lines.append(comment(f"profile = one of {', '.join(profiles)}: they had different ones"))
    return [*lines, ""]


def dns_ways(lineages: Sequence[ForeignLineage]) -> tuple[list[DnsWay], dict[str, str | None]]:
    """Each different way once, under a name of its own; and which one a lineage uses."""
    ways: list[DnsWay] = []
    used: dict[str, str | None] = {}
    for lineage in lineages:
        way = lineage.dns
        if way is None:
            used[lineage.name] = None
            continue
        same = next((one for one in ways if one.members == way.members and one.secrets == way.secrets), None)
        if same is None:
            count = sum(one.name.rstrip("0123456789") == way.name for one in ways)
            same = way if not count else rename_dns_ways(way, count + 1)
            ways.append(same)
        used[lineage.name] = same.name
    return ways, used


def rename_dns_ways(way: DnsWay, number: int) -> DnsWay:
    """A second one of the same kind: its secrets lie in files of their own."""
    files = {name: f"{number}-{name}" for name in way.secrets}
    members: dict[str, str | list[str]] = {}
    for member, value in way.members.items():
        file = value.removeprefix("file:") if isinstance(value, str) else ""
        members[member] = f"file:{files[file]}" if file in files else value
    return DnsWay(
        name=f"{way.name}{number}",
        members=members,
        secrets={files[name]: secret for name, secret in way.secrets.items()},
    )


def proxy_tables(lineages: Sequence[ForeignLineage]) -> list[str]:
    """``[proxy.KIND]`` where a hook told how it is reloaded."""
    lines = []
    for kind in sorted({proxy_of(lineage) for lineage in lineages}):
        reloads = [lineage.reload for lineage in lineages if proxy_of(lineage) == kind and lineage.reload]
        if not reloads:
            continue
        lines += [f"[proxy.{kind}]"]
        if all(reload == reloads[0] for reload in reloads):
            lines += [f"reload = {toml(reloads[0])}", ""]
        else:
            lines += [comment(f"reload = {toml(reload)}") for reload in reloads] + [""]
    return lines


def proxy_of(lineage: ForeignLineage) -> str:
    """nginx where nothing says otherwise."""
    return lineage.proxy or "nginx"


def link_table(lineage: ForeignLineage, issuer: str, way: str | None, *, several: bool) -> list[str]:
    """``[[link]]``."""
    lines = [comment(note) for note in lineage.notes] + ["[[link]]"]
    domains = sorted(lineage.domains, key=lambda name: (name != lineage.name, lineage.domains.index(name)))
    lines.append(f"domain = {toml(domains[0] if len(domains) == 1 else domains)}")
    name = domains[0].replace("*", "_wildcard")
    wanted = lineage.name.replace("*", "_wildcard")
    if name != wanted and all(letter.isalnum() or letter in "._-" for letter in wanted):
        lines.append(f"name = {toml(wanted)}")
    if issuer != "letsencrypt":
        lines.append(f"issuer = {toml(issuer)}")
    if way is not None and several:
        lines.append(f"dns = {toml(way)}")
    guessed = "" if lineage.proxy else " # a guess: nothing says which proxy it is for"
    lines.append(f"proxy = {toml(proxy_of(lineage))}{guessed}")
    if lineage.key_type and lineage.key_type != DEFAULT_KEY:
        lines.append(f"key = {toml(lineage.key_type)}")
    if lineage.reuse_key:
        lines.append("reuse_key = true")
    return [*lines, '# esp = "sendgrid" # where clicks go', ""]


def toml(value: str | Sequence[str]) -> str:
    """A TOML string or list. JSON's escapes are no TOML's: it has no surrogates, and no bare delete."""
    parts = _whole(value) if isinstance(value, str) else [_whole(each) for each in value]
    return tomlkit.item(parts).as_string()


def comment(text: str) -> str:
    """One line of a comment, whatever the text holds: nothing from outside begins a line of its own."""
    words = " ".join(_whole(text).split())
    return "# " + "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in words)


def _whole(text: str) -> str:
    """Without halves of characters, as which Python reads the octets of a file's name that are no UTF-8."""
    return text.encode(errors="replace").decode()
