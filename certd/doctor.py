"""The doctor, wired: a link of the configuration with everything that is known of it, or a bare host."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from certd.app import App
from certd.config.services import PRESETS
from certd.config.settings import IssuerSettings, LinkSettings, Settings
from certd.diagnosis.patient import Chart, Patient, Place
from certd.dns.authority import Authority
from certd.dns.examining import Examiner
from certd.dns.resolvers import Resolvers
from certd.errors import CertdError
from certd.model import Certificate, ClickFacts, ClickWish, Esp
from certd.ports import Clock
from certd.standing import deployments_of
from certd.system.network import Network
from certd.targets.proxy import FilesTarget
from certd.trusts import Trusts
from certd.wiring.clicks import ClickWiring, services_for
from certd.wiring.names import authority_for

# What CAA records call a CA, by the host of its directory (the CAs' own documentation).
IDENTITIES: Mapping[str, tuple[str, ...]] = {
    "letsencrypt.org": ("letsencrypt.org",),
    "pki.goog": ("pki.goog",),
    "zerossl.com": ("sectigo.com",),
}
GIVEN = "given"


def patients_of(
    app: App | None, settings: Settings, link: LinkSettings, clock: Clock, *, blind: str = "", owner: str = "",
    sample: str = "",
) -> list[Patient]:  # fmt: skip
    """One for each host of a link.

    Args:
        app: Over the stores; None where they cannot be read, or certd never ran.
        blind: Why they cannot be read.
    """
    trusts = app.trusts if app is not None else Trusts(settings.issuers)
    authority = app.dns_authority if app is not None else authority_for(settings)
    wiring = app.clicks if app is not None else ClickWiring(settings, None, trusts, authority, clock)
    proxies = app.proxies if app is not None else settings.proxies
    chart = _chart(app, settings, link, trusts, blind)
    known = {facts.host: facts for facts in app.stores.clicks.of(link.name)} if app is not None else {}
    return [
        Patient(
            wish, wiring.way, wiring.names, Examiner(authority), clock.now, owner=owner, sample=sample,
            chart=_with_clicks(chart, known.get(wish.host)),
        )
        for wish in wiring.wishes(link, proxies)
    ]  # fmt: skip


def _with_clicks(chart: Chart, clicks: ClickFacts | None) -> Chart:
    return replace(chart, clicks=clicks)


def _chart(app: App | None, settings: Settings, link: LinkSettings, trusts: Trusts, blind: str) -> Chart:
    issuer = settings.issuers[link.spec.issuers[0]]
    host = urlsplit(issuer.directory).hostname or ""
    identities = next((found for name, found in IDENTITIES.items() if host.endswith(name)), ())
    provider = settings.dns.get(link.spec.dns)
    zones = provider.table.get("zones", ()) if provider is not None else ()
    alerts = settings.alerts
    has_alarms = bool(alerts.webhook or alerts.smtp or alerts.command)
    places: list[Place] = []
    facts = None
    if app is not None and not blind:
        try:
            facts = app.stores.lineages.facts(link.name)
            now = datetime.now(UTC)
            for name, deployment in deployments_of(app, link):
                target = app.targets[name]
                places.append(
                    Place(name=name, kind=app.proxies[name].kind, target=target, deployment=deployment,
                          on_disk=_on_disk(target, link.name, now))
                )  # fmt: skip
        except CertdError as error:
            blind = f"cannot read the state: {error}"
    return Chart(
        blind=blind, facts=facts, places=tuple(places), trust=trusts.trust(issuer.name), identities=identities,
        own_zones=tuple(str(zone) for zone in zones) if isinstance(zones, list | tuple) else (),
        has_alarms=has_alarms,
        is_cdn=link.front == "cdn", associations=link.association_files, user=user_name(),
    )  # fmt: skip


def _on_disk(target: FilesTarget, link: str, now: datetime) -> Certificate | None:
    try:
        pointed = target.pointed(link)
        return target.layout.read(link, pointed.name, now) if pointed is not None else None
    except CertdError:
        return None


def user_name() -> str:
    """Who runs this."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user {os.geteuid()}"


def bare_patient(
    host: str, esp: Esp | None, clock: Clock, *, resolvers: tuple[str, ...] = (), addresses: Mapping[str, str],
    ca_file: str = "", owner: str = "", sample: str = "",
) -> Patient:  # fmt: skip
    """A host without any configuration.

    Args:
        addresses: Where public addresses answer from here.
        ca_file: Trust anchors beside the system's.
    """
    issuers = {GIVEN: IssuerSettings(name=GIVEN, directory="", roots=ca_file)} if ca_file else {}
    settings = bare_settings(issuers, resolvers, addresses, Network(ca_bundle=""))
    authority = Authority(Resolvers(resolvers))
    wiring = ClickWiring(settings, None, Trusts(issuers), authority, clock)
    wish = ClickWish(
        link=host, host=host, issuer=GIVEN if ca_file else "", esp=esp, services=services_for(esp),
        elsewhere=dict(addresses),
    )  # fmt: skip
    return Patient(wish, wiring.way, wiring.names, Examiner(authority), clock.now, owner=owner, sample=sample)


def bare_settings(
    issuers: Mapping[str, IssuerSettings], resolvers: tuple[str, ...], addresses: Mapping[str, str], network: Network
) -> Settings:
    """What stands in for a configuration where there is none."""
    return Settings(
        path=Path("/nonexistent/certd.toml"), state=Path("/nonexistent"), node="", issue=False, listen="",
        listen_password="", store="", store_password="", seal=(), network=network, resolvers=resolvers, doh="",
        name_servers={}, public_resolvers=(),
        addresses=addresses, issuers=issuers, dns={}, proxies={}, esps=PRESETS, links=(),
    )  # fmt: skip
