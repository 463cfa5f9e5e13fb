"""Reading the file and everything that it includes; every mistake is found, not the first one."""

from __future__ import annotations

import difflib
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from certd.config.alarms import alarms_of_config
from certd.config.amazon import amazon_of, judge_amazon
from certd.config.esps import addresses_of, associations_of, esps_of
from certd.config.files import Choices, Reading, domains_in, matching_files, parse_file
from certd.config.issuers import issuers_of
from certd.config.paths import judge_sharing, own_paths
from certd.config.schema import CertdTable, DefaultsTable, DnsTable, LinksFile, LinkTable, MainFile, ProxyTable
from certd.config.settings import CLICK_EVERY, DnsSettings, IssuerSettings, LinkSettings, ProxySettings, Settings
from certd.errors import ConfigurationError
from certd.model import CertificateSpec, Esp, KeyType
from certd.system.network import Network

FRONTS = ("", "cdn", "lb")

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
        raise ConfigurationError(tuple(reading.findings))
    files: list[tuple[str, LinksFile]] = [("", main)]
    for pattern in main.include:
        for found in matching_files(reading, pattern):
            part = parse_file(reading, found, LinksFile, f"{found.name}: ")
            if part is not None:
                files.append((f"{found.name}: ", part))
    domains = [
        pair
        for pattern in main.links_from
        for found in matching_files(reading, pattern)
        for pair in domains_in(reading, found)
    ]
    settings = _assembled(reading, main, files, domains)
    if reading.findings:
        raise ConfigurationError(tuple(reading.findings))
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
        ((f'{prefix}link "{each.domain[0]}"', each) for prefix, part in files for each in part.link),
        ((where, LinkTable.model_construct(domain=(name,))) for where, name in domains),
    )
    links = []
    for where, each in wanted:
        link = _link(reading, where, each, main.defaults, main.certd.issue, issuers, dns, proxies, esps)
        if link is not None:
            links.append(link)
    _judge_together(reading, links)
    for name, proxy in proxies.items():
        # A kind that is not whole is refused here, and not when something is published for it.
        if proxy.kind in reading.vocabulary.kinds and (wrong := reading.vocabulary.check_kind(proxy.kind)):
            reading.find(f"proxy.{name}.kind", wrong, "if certd was upgraded while it runs, restart it")
    judge_sharing(reading, proxies, links)
    judge_amazon(reading, proxies, links, issuers)
    for name in {name for link in links for name in link.spec.issuers}:
        issuer = issuers[name]
        if main.certd.issue and not issuer.terms_agreed:
            reading.find(
                f"issuer.{name}.terms_agreed",
                "the CA's terms must be agreed to, once, by you",
                f"issuer.{name}.terms_agreed = true",
            )
    return Settings(
        path=reading.path,
        state=_state(reading, main.certd),
        node=_node(reading, main.certd.node),
        issue=main.certd.issue,
        listen=main.certd.listen,
        listen_password=main.certd.listen_password,
        store=_store(reading, main.certd),
        store_password=main.certd.store_password,
        seal=main.certd.seal,
        admin_group=str(main.certd.admin_group),
        network=Network(
            https_proxy=main.network.https_proxy, no_proxy=main.network.no_proxy, ca_bundle=main.network.ca_bundle
        ),
        resolvers=main.network.resolvers,
        doh=main.network.doh,
        name_servers=main.network.name_servers,
        public_resolvers=main.network.public_resolvers,
        addresses=addresses_of(reading, main.network.addresses),
        issuers=issuers,
        dns=dns,
        proxies=proxies,
        esps=esps,
        links=tuple(links),
        matched=reading.matched,
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
    parts = urlsplit(text)
    if text == "sqlite":
        return text
    if parts.scheme not in {"postgresql", "postgres"}:
        # Not repeated: a text that is neither may hold a password.
        reading.find("certd.store", "is no store", '"sqlite", or "postgresql://user@host/certd"')
    elif parts.password is not None:
        reading.find("certd.store", "must not hold the password", 'store_password = "file:/etc/certd/database"')
    elif not table.seal:
        hint = 'make one with: openssl rand -base64 32; then seal = "file:/etc/certd/seal", the same on every node'
        reading.find("certd.seal", "is needed where several nodes share a store", hint)
    return text


def _dns(reading: Reading, name: str, table: DnsTable) -> DnsSettings:
    options: dict[str, object] = {**(table.__pydantic_extra__ or {}), "options": table.options}
    reading.findings += reading.vocabulary.check_dns(table.provider, options, f"dns.{name}")
    return DnsSettings(
        name=name,
        provider=table.provider,
        propagation_timeout=table.propagation_timeout,
        table=options,
        anycast_grace=table.anycast_grace,
    )


def _proxy(reading: Reading, name: str, table: ProxyTable) -> ProxySettings:
    kinds = reading.vocabulary.kinds
    path = f"proxy.{name}"
    kind = table.kind or (name if name in kinds else "")
    if not kind:
        reading.find(f"{path}.kind", "is missing", f"one of {', '.join(kinds)}")
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
    )


def _link(
    reading: Reading,
    where: str,
    table: LinkTable,
    defaults: DefaultsTable,
    issues: bool,
    issuers: Mapping[str, IssuerSettings],
    dns: Mapping[str, DnsSettings],
    proxies: dict[str, ProxySettings],
    esps: Mapping[str, Esp],
) -> LinkSettings | None:
    def said(member: str, otherwise: Any) -> Any:
        value = getattr(table, member, None)
        value = getattr(defaults, member) if value is None else value
        return otherwise if value is None else value

    def known(member: str, word: str, words: Iterable[str]) -> bool:
        choices = sorted(words)
        if word in choices:
            return True
        if (member, word) in reading.broken:
            return False
        near = difflib.get_close_matches(word, choices, n=1)
        hint = f'did you mean "{near[0]}"?' if near else f"known here: {', '.join(choices) or 'none'}"
        reading.find(f"{where}.{member}", f'"{word}" is not defined', hint)
        return False

    if not table.domain:
        reading.find(f"{where}.domain", "is empty")
        return None
    wanted = tuple(said("issuer", ("letsencrypt",)))
    good = not [name for name in wanted if not known("issuer", name, issuers)]
    provider = said("dns", next(iter(dns)) if len(dns) == 1 else "")
    if provider:
        good = known("dns", provider, dns) and good
    elif any(table_name == "dns" for table_name, _ in reading.broken):
        good = False
    elif issues:
        hint = "dns = NAME of a [dns.NAME] table" if dns else "add a [dns.NAME] table"
        reading.find(f"{where}.dns", "the link has no DNS entry, so nothing proves its domain to the CA", hint)
        good = False
    only = tuple(proxies) if len(proxies) == 1 else ()
    names = tuple(said("proxy", only))
    kinds = reading.vocabulary.kinds
    if not names:
        reading.find(f"{where}.proxy", "is missing", f"one of {', '.join(sorted({*proxies, *kinds}))}")
        good = False
    for name in names:
        if name in kinds and name not in proxies:
            proxies[name] = ProxySettings(name=name, kind=name)
        good = known("proxy", name, {*proxies, *kinds}) and good
    key = said("key", KeyType.ECDSA_P256.value)
    good = known("key", key, [kind.value for kind in KeyType]) and good
    esp = said("esp", "none")
    good = known("esp", esp, [*esps, "none"]) and good
    front = said("front", "")
    good = known("front", front, FRONTS) and good
    if not good:
        return None
    spec = CertificateSpec(
        link=table.name or table.domain[0].replace("*", "_wildcard"),
        domains=tuple(dict.fromkeys(table.domain)),
        issuers=wanted,
        dns=provider,
        key_type=KeyType(key),
        reuse_key=said("reuse_key", False),
        labels=said("labels", NO_LABELS),
    )
    return LinkSettings(
        spec=spec,
        proxies=names,
        esp=esp,
        front=front,
        association_files=associations_of(reading, where, said),
        target=said("target", ()),
        click_every=said("click_every", CLICK_EVERY),
    )


def _judge_together(reading: Reading, links: Sequence[LinkSettings]) -> None:
    names: set[str] = set()
    domains: dict[str, str] = {}
    for link in links:
        if link.name in names:
            reading.find(f'link "{link.name}"', "there are two links of this name", "give one of them another name")
        names.add(link.name)
        if not all(letter.isalnum() or letter in "._-" for letter in link.name) or link.name.startswith("."):
            reading.find(f'link "{link.name}".name', "may hold letters, digits, dots, hyphens and underscores only")
        for one in link.spec.domains:
            if one in domains and domains[one] != link.name:
                reading.find(f'link "{link.name}".domain', f"{one} is also in link {domains[one]}")
            domains[one] = link.name
