"""Reading the file and everything that it includes; every mistake is found, not the first one."""

from __future__ import annotations

import difflib
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from certd.config.alarms import alarms_of_config
from certd.config.amazon import amazon_of, judge_amazon
from certd.config.esps import addresses_of, associations_of, esps_of
from certd.config.files import Choices, Reading, domains_in, matching_files, parse_file
from certd.config.issuers import issuers_of
from certd.config.network import judge_network, name_servers_of
from certd.config.paths import judge_sharing, own_paths
from certd.config.remotes import judge_remotes, remote_of
from certd.config.schema import (
    CertdTable,
    DefaultsTable,
    DnsTable,
    LinksFile,
    LinkTable,
    MainFile,
    ProxyTable,
)
from certd.config.settings import CLICK_EVERY, DnsSettings, IssuerSettings, LinkSettings, ProxySettings, Settings
from certd.config.types import wrong_with_target
from certd.errors import ConfigurationError
from certd.model import DNS_01, DNS_PERSIST_01, CertificateSpec, Esp, KeyType
from certd.system.endpoint import has_port, split_endpoint, split_url
from certd.system.network import Network

FRONTS = ("", "cdn", "lb")
CHALLENGES = ("auto", DNS_01, DNS_PERSIST_01)

# One for all links that say none.
NO_LABELS: dict[str, str] = {}


def load(path: Path, vocabulary: Choices, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read and judge a configuration, without network.

    Raises:
        ConfigurationError: with every mistake.
    """
    reading = Reading(path, vocabulary, environment)
    main = parse_file(reading, path, MainFile, "")
    if main is None:
        raise ConfigurationError(reading.mistakes())
    files: list[tuple[str, LinksFile]] = [("", main)]
    reading.linked[str(path)] = len(main.link)
    for index, pattern in enumerate(main.include):
        for found in matching_files(reading, f"include[{index}]", pattern):
            part = parse_file(reading, found, LinksFile, f"{found.name}: ")
            if part is not None:
                files.append((f"{found.name}: ", part))
                reading.linked[str(found)] = len(part.link)
    domains = [
        pair
        for index, pattern in enumerate(main.links_from)
        for found in matching_files(reading, f"links_from[{index}]", pattern)
        for pair in domains_in(reading, found)
    ]
    settings = _assembled(reading, main, files, domains)
    if reading.findings:
        raise ConfigurationError(reading.mistakes())
    return settings


def _assembled(
    reading: Reading, main: MainFile, files: Sequence[tuple[str, LinksFile]], domains: Sequence[tuple[str, str]]
) -> Settings:
    issuers = issuers_of(reading, _merged(reading, files, "issuer"))
    dns = {name: _dns(reading, name, table) for name, table in _merged(reading, files, "dns").items()}
    proxies = {name: _proxy(reading, name, table) for name, table in _merged(reading, files, "proxy").items()}
    esps = esps_of(reading, _merged(reading, files, "esp"))
    # One after the other: ten thousand tables at once are eight MiB that stay in holes between what is made of them.
    wanted = chain(
        ((f"{prefix}link[{index}]", each) for prefix, part in files for index, each in enumerate(part.link)),
        ((where, LinkTable.model_construct(domain=(name,))) for where, name in domains),
    )
    links = [
        _link(reading, place, each, main.defaults, main.certd.issue, issuers, dns, proxies, esps)
        for place, each in wanted
    ]
    _judge_together(reading, links)
    for name, proxy in proxies.items():
        # A kind that is not whole is refused here, and not when something is published for it.
        if proxy.kind in reading.vocabulary.kinds and (wrong := reading.vocabulary.check_kind(proxy.kind)):
            reading.find(f"proxy.{name}.kind", wrong, "if certd was upgraded while it runs, restart it")
    judge_sharing(reading, proxies, links)
    judge_amazon(reading, proxies, links, issuers)
    judge_remotes(reading, proxies, links, issuers)
    for name in dict.fromkeys(name for link in links for name in link.spec.issuers):
        if main.certd.issue and not issuers[name].terms_agreed:
            reading.lacks(
                f"issuer.{name}.terms_agreed",
                "the CA's terms must be agreed to, once, by you",
                f"issuer.{name}.terms_agreed = true",
            )
    judge_network(reading, main.network)
    if wrong := _wrong_with_listen(main.certd.listen):
        reading.find("certd.listen", wrong, 'such as "127.0.0.1:9180", "unix:/run/certd/web.sock", or "" for none')
    return Settings(
        path=reading.path,
        state=_state(reading, main.certd),
        node=_node(reading, main.certd.node),
        issue=main.certd.issue,
        listen=main.certd.listen,
        listen_password=main.certd.listen_password,
        metrics_password=main.certd.metrics_password,
        store=_store(reading, main.certd),
        store_password=main.certd.store_password,
        seal=main.certd.seal,
        admin_group=str(main.certd.admin_group),
        network=Network(
            https_proxy=main.network.https_proxy, no_proxy=main.network.no_proxy, ca_bundle=main.network.ca_bundle
        ),
        resolvers=main.network.resolvers,
        doh=main.network.doh,
        name_servers=name_servers_of(reading, main.network.name_servers),
        public_resolvers=main.network.public_resolvers,
        addresses=addresses_of(reading, main.network.addresses),
        issuers=issuers,
        dns=dns,
        proxies=proxies,
        esps=esps,
        links=tuple(links),
        matched=reading.matched,
        linked=reading.linked,
        alarms=alarms_of_config(reading, main.alarms),
    )


def _merged(reading: Reading, files: Iterable[tuple[str, LinksFile]], table: str) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for prefix, part in files:
        for name, value in getattr(part, table).items():
            if name in merged:
                reading.find(f"{prefix}{table}.{name}", "is defined twice")
            merged[name] = value
    return merged


def _state(reading: Reading, table: CertdTable) -> Path:
    said = "state" in table.model_fields_set
    return Path(table.state if said else reading.environment.get("CERTD_STATE") or table.state)


def _node(reading: Reading, text: str) -> str:
    if text.startswith("env:"):
        name = text.removeprefix("env:")
        if not reading.environment.get(name):
            reading.find("certd.node", f"there is no environment variable {name}")
        return reading.environment.get(name, "")
    return text or socket.gethostname()


def _store(reading: Reading, table: CertdTable) -> str:
    text = table.store
    if text == "sqlite":
        return text
    try:
        # Its port is libpq's to judge: there may be several hosts.
        parts = split_url(text)
    except ValueError:
        parts = split_url("")
    if parts.scheme not in {"postgresql", "postgres"}:
        # Not repeated: a text that is neither may hold a password.
        reading.find("certd.store", "is no store", '"sqlite", or "postgresql://user@host/certd"')
    elif parts.password is not None or "password" in parse_qs(parts.query):
        reading.find("certd.store", "must not hold the password", 'store_password = "file:/etc/certd/database"')
    elif not table.seal:
        hint = 'make one with: openssl rand -base64 32; then seal = "file:/etc/certd/seal", the same on every node'
        reading.lacks("certd.seal", "is needed where several nodes share a store", hint)
    return text


def _wrong_with_listen(text: str) -> str:
    """What is wrong with where the status page listens, in words; empty when nothing is."""
    if text.startswith("unix:"):
        return "" if text.startswith("unix:/") else "must be a socket with an absolute path"
    if not text:
        return ""
    try:
        split_endpoint(text)
    except ValueError as error:
        return str(error)
    return "" if has_port(text) else "has no port"


def _dns(reading: Reading, name: str, table: DnsTable) -> DnsSettings:
    options: dict[str, object] = {**(table.__pydantic_extra__ or {}), "options": table.options}
    for finding in reading.vocabulary.check_dns(table.provider, options, f"dns.{name}"):
        note = reading.lacks if finding.message == "is missing" else reading.find
        note(finding.path, finding.message, finding.hint)
    return DnsSettings(
        name=name,
        provider=table.provider,
        propagation_timeout=table.propagation_timeout,
        table=options,
        anycast_grace=table.anycast_grace,
        cname_zones=table.cname_zones,
    )


def _proxy(reading: Reading, name: str, table: ProxyTable) -> ProxySettings:
    kinds = reading.vocabulary.kinds
    path = f"proxy.{name}"
    kind = table.kind or (name if name in kinds else "")
    if not kind:
        reading.lacks(f"{path}.kind", hint=f"one of {', '.join(kinds)}")
    elif kind not in kinds:
        near = difflib.get_close_matches(kind, kinds, n=1)
        reading.find(
            f"{path}.kind",
            f'"{kind}" is no kind of proxy',
            f'did you mean "{near[0]}"?' if near else f"one of {', '.join(kinds)}",
        )
    if wrong := reading.vocabulary.check_reload(table.reload):
        reading.find(f"{path}.reload", wrong)
    for index, endpoint in enumerate(table.endpoints):
        if wrong := reading.vocabulary.check_endpoint(endpoint):
            reading.find(f"{path}.endpoints[{index}]", wrong, 'such as "127.0.0.1:443" or "[::1]:443"')
    paths = own_paths(reading, table.paths, f"{path}.paths")
    for ours, theirs in table.map.items():
        if not (ours.startswith("/") and theirs.startswith("/")):
            reading.find(f"{path}.map", "must map absolute paths", '{ "/var/lib/certd" = "/certs" }')
    return ProxySettings(
        name=name,
        kind=kind,
        reload=table.reload,
        check=table.check,
        deadline=table.deadline,
        endpoints=table.endpoints,
        listen=table.listen,
        proxy_protocol=table.proxy_protocol,
        group=str(table.group),
        map=table.map,
        paths=paths,
        acm=amazon_of(reading, path, kind, table),
        remote=remote_of(reading, path, kind, table),
    )


def _link(
    reading: Reading,
    place: str,
    table: LinkTable,
    defaults: DefaultsTable,
    issues: bool,
    issuers: Mapping[str, IssuerSettings],
    dns: Mapping[str, DnsSettings],
    proxies: dict[str, ProxySettings],
    esps: Mapping[str, Esp],
) -> LinkSettings:
    """One link, judged whole: what is wrong in it is left out, so that everything else is judged with it.

    Args:
        place: Its key path, or file and line.
    """
    prefix = place[: place.rindex("link[")] if place.endswith("]") else ""
    name = table.name or (table.domain[0] if table.domain else "")
    # A file of domains names its lines.
    where = f'{prefix}link "{table.domain[0]}"' if place.endswith("]") and table.domain else place
    before = len(reading.findings)

    def said(member: str, otherwise: Any) -> Any:
        value = getattr(table, member, None)
        value = getattr(defaults, member) if value is None else value
        return otherwise if value is None else value

    def path_of(member: str) -> str:
        is_default = getattr(table, member, None) is None and getattr(defaults, member) is not None
        return f"defaults.{member}" if is_default else f"{where}.{member}"

    def known(member: str, word: str, words: Iterable[str]) -> bool:
        choices = sorted(words)
        if word in choices:
            return True
        if not reading.is_broken(member, word):
            near = difflib.get_close_matches(word, choices, n=1)
            hint = f'did you mean "{near[0]}"?' if near else f"known here: {', '.join(choices) or 'none'}"
            reading.find(path_of(member), f'"{word}" is not defined', hint)
        return False

    if not table.domain:
        reading.lacks(f"{where}.domain", "is empty" if "domain" in table.model_fields_set else "is missing")
    wanted = tuple(said("issuer", ("letsencrypt",)))
    if not wanted:
        reading.lacks(path_of("issuer"), "is empty", f"one of {', '.join(sorted(issuers))}")
    wanted = tuple(each for each in wanted if known("issuer", each, issuers))
    challenge = said("challenge", "auto")
    known("challenge", challenge, CHALLENGES)
    provider = said("dns", next(iter(dns)) if len(dns) == 1 and challenge != DNS_PERSIST_01 else "")
    if provider:
        known("dns", provider, dns)
    elif (
        challenge != DNS_PERSIST_01
        and issues
        and not reading.is_incomplete
        and not any(kind == "dns" for kind, _ in reading.broken)
    ):
        hint = "dns = NAME of a [dns.NAME] table" if dns else "add a [dns.NAME] table"
        reading.lacks(f"{where}.dns", "the link has no DNS entry, so nothing proves its domain to the CA", hint)
    only = tuple(proxies) if len(proxies) == 1 else ()
    names = tuple(said("proxy", only))
    kinds = reading.vocabulary.kinds
    if not names and not any(kind == "proxy" for kind, _ in reading.broken):
        reading.lacks(f"{where}.proxy", hint=f"one of {', '.join(sorted({*proxies, *kinds}))}")
    for each in names:
        if each in kinds and each not in proxies and not reading.is_broken("proxy", each):
            proxies[each] = ProxySettings(name=each, kind=each)
    names = tuple(each for each in names if known("proxy", each, {*proxies, *kinds}) and each in proxies)
    esp = said("esp", "none")
    known("esp", esp, [*esps, "none"])
    for each in said("target", ()):
        if wrong := wrong_with_target(each):
            reading.find(path_of("target"), wrong, 'such as "proxy.example.com" or "203.0.113.7"')
    front = said("front", "")
    known("front", front, FRONTS)
    spec = CertificateSpec(
        link=name.replace("*", "_wildcard") if not table.name else name,
        domains=tuple(dict.fromkeys(table.domain)),
        issuers=wanted,
        dns=provider,
        key_type=_key_type(reading, path_of("key"), said("key", KeyType.ECDSA_P256.value)),
        reuse_key=said("reuse_key", False),
        labels=said("labels", NO_LABELS),
        challenge=challenge,
    )
    link = LinkSettings(
        spec=spec,
        proxies=names,
        esp=esp,
        front=front,
        association_files=associations_of(reading, where, said),
        target=said("target", ()),
        click_every=said("click_every", CLICK_EVERY),
    )
    if len(reading.findings) > before and where != place:
        reading.links[where] = place
    return link


def _key_type(reading: Reading, path: str, text: str) -> KeyType:
    try:
        return KeyType(text)
    except ValueError:
        supported = ", ".join(KeyType)
        # Only a slip of the fingers is near: rsa-1024 does not mean rsa-2048.
        near = difflib.get_close_matches(text, list(KeyType), n=1, cutoff=0.9)
        hint = f'did you mean "{near[0]}"? Supported: {supported}' if near else f"supported: {supported}"
        reading.find(path, f'"{text}" is not supported', hint)
        return KeyType.ECDSA_P256


def _judge_together(reading: Reading, links: Sequence[LinkSettings]) -> None:
    names: set[str] = set()
    domains: dict[str, str] = {}
    for link in links:
        if not link.name:
            continue
        if link.name in names:
            reading.find(f'link "{link.name}"', "there are two links of this name", "give one of them another name")
        names.add(link.name)
        if not all(letter.isalnum() or letter in "._-" for letter in link.name) or link.name.startswith("."):
            reading.find(f'link "{link.name}".name', "may hold letters, digits, dots, hyphens and underscores only")
        for one in link.spec.domains:
            if one in domains and domains[one] != link.name:
                reading.find(f'link "{link.name}".domain', f"{one} is also in link {domains[one]}")
            domains[one] = link.name
