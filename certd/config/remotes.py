"""``[proxy.NAME.cloudflare]`` and its like: a CDN's rules, judged before anything is ordered."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from datetime import timedelta

from certd.config.files import Reading
from certd.config.schema import CdnTable, ProxyTable
from certd.config.settings import IssuerSettings, LinkSettings, ProxySettings
from certd.model.remote import RemoteSettings
from certd.system.endpoint import split_url, wrong_with_url
from certd.timefmt import span

KINDS = ("cloudflare", "fastly", "keycdn")
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

# The lives of profiles that are shorter than what a CDN may demand (letsencrypt.org/docs/profiles).
SHORT_PROFILES: Mapping[str, timedelta] = {"shortlived": timedelta(hours=160)}


def remote_of(reading: Reading, where: str, kind: str, table: ProxyTable) -> RemoteSettings | None:
    """The settings of a CDN; every mistake is noted."""
    for name in KINDS:
        if name != kind and getattr(table, name) is not None:
            reading.find(f"{where}.{name}", f'is for kind "{name}", not "{kind}"')
    rules = reading.vocabulary.remote_rules(kind)
    if rules is None:
        return None
    if "reload" in table.model_fields_set:
        reading.find(f"{where}.reload", "nothing is reloaded at a CDN: certd uploads", "leave it out")
    if not table.endpoints:
        reading.lacks(
            f"{where}.endpoints", "is missing: certd must see what the CDN serves", 'such as "link.example.com:443"'
        )
    said: CdnTable | None = getattr(table, kind)
    if said is None:
        reading.lacks(f"{where}.{kind}", "is missing", f'[{where}.{kind}] with token = "file:/etc/certd/{kind}"')
        return None
    here = f"{where}.{kind}"
    if not said.token:
        reading.lacks(f"{here}.token", "is missing", f'such as "file:/etc/certd/{kind}"')
    if rules.needs_zone and not said.zone:
        reading.lacks(f"{here}.zone", "is missing", "the zone's id, as the CDN's pages show it")
    elif said.zone and not rules.needs_zone:
        reading.find(f"{here}.zone", f"{kind} has no zones", "leave it out")
    elif said.zone and not said.zone.isalnum():
        reading.find(f"{here}.zone", f'"{said.zone}" is not the id of a zone', "letters and digits, not the domain")
    if said.api and (wrong := wrong_with_url(said.api)):
        reading.find(f"{here}.api", wrong)
    elif said.api and split_url(said.api).scheme != "https" and split_url(said.api).hostname not in LOOPBACK:
        # Private keys are sent there.
        reading.find(f"{here}.api", "must begin with https://")
    return RemoteSettings(
        zone=said.zone, token=said.token, api=said.api.rstrip("/"), certificates=dict(said.certificates)
    )


def judge_remotes(
    reading: Reading,
    proxies: Mapping[str, ProxySettings],
    links: Sequence[LinkSettings],
    issuers: Mapping[str, IssuerSettings],
) -> None:
    """Keys, profiles and numbers of links that the CDN would refuse once they are ordered."""
    for name, proxy in proxies.items():
        rules = reading.vocabulary.remote_rules(proxy.kind)
        if rules is None:
            continue
        here = sorted(link.name for link in links if name in link.proxies)
        if rules.holds_one and len(here) > 1:
            reading.find(
                f"proxy.{name}",
                f"{proxy.kind} holds one certificate, and {len(here)} links are on it ({', '.join(here[:3])} ...)",
                "one proxy and one zone for each link, or one link with all names",
            )
        for named in proxy.remote.certificates if proxy.remote else {}:
            if named not in here:
                near = difflib.get_close_matches(named, here, n=1)
                hint = f'did you mean "{near[0]}"?' if near else f"on it: {', '.join(here) or 'none'}"
                reading.find(f"proxy.{name}.{proxy.kind}.certificates.{named}", "no link of that name is on it", hint)
    for link in links:
        for name in link.proxies:
            kind = proxies[name].kind if name in proxies else ""
            rules = reading.vocabulary.remote_rules(kind)
            if rules is None:
                continue
            if link.spec.key_type not in rules.key_types:
                reading.find(
                    f'link "{link.name}".key',
                    f'"{link.spec.key_type}" is not taken by {kind} (proxy.{name})',
                    f"one of {', '.join(sorted(rules.key_types))}",
                )
            if link.spec.reuse_key and not rules.may_reuse_key:
                reading.find(
                    f'link "{link.name}".reuse_key', f"{kind} needs a new key each time (proxy.{name})", "false"
                )
            for issuer in link.spec.issuers:
                life = SHORT_PROFILES.get(issuers[issuer].profile) if issuer in issuers else None
                if life is not None and life <= rules.least_left:
                    reading.find(
                        f"issuer.{issuer}.profile",
                        f'"{issuers[issuer].profile}" lives {span(life)}, and {kind} takes nothing with less than '
                        f"{span(rules.least_left)} left (link {link.name}, proxy.{name})",
                        "a profile with a longer life for this link",
                    )
