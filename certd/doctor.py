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
from certd.clicks.model import ClickFacts, ClickSettings
from certd.clicks.wiring import ClickWiring, services_for
from certd.config.esp_presets import PRESETS
from certd.config.settings import IssuerSettings, LinkSettings, Settings
from certd.diagnosis.dns_facts import Examiner
from certd.diagnosis.subject import Chart, Place, Subject
from certd.dns.authoritative import ZoneFinder
from certd.dns.resolvers import Resolvers
from certd.errors import CertdError
from certd.model import Esp
from certd.ports import Clock
from certd.status.assess import deployments_of
from certd.store.write_check import write_obstacle
from certd.system.network import Network
from certd.wiring.dns import authority_for
from certd.wiring.root_store import RootStore

# What CAA records call a CA, by the host of its directory (the CAs' own documentation).
IDENTITIES: Mapping[str, tuple[str, ...]] = {
    "letsencrypt.org": ("letsencrypt.org",),
    "pki.goog": ("pki.goog",),
    "zerossl.com": ("sectigo.com",),
}
GIVEN = "given"


def subjects_of(
    app: App | None,
    settings: Settings,
    link: LinkSettings,
    clock: Clock,
    *,
    blind: str = "",
    owner: str = "",
    sample: str = "",
) -> list[Subject]:
    """One for each host of a link.

    Args:
        app: Over the stores; None where they cannot be read, or certd never ran.
        blind: Why they cannot be read.
    """
    root_store = app.root_store if app is not None else RootStore(settings.issuers)
    authority = app.zone_finder if app is not None else authority_for(settings)
    wiring = app.clicks if app is not None else ClickWiring(settings, None, root_store, authority, clock)
    proxies = app.proxies if app is not None else settings.proxies
    chart = _chart(app, settings, link, root_store, blind)
    known = {facts.host: facts for facts in app.stores.clicks.of(link.name)} if app is not None else {}
    return [
        Subject(
            desired,
            wiring.way,
            wiring.names,
            Examiner(authority),
            clock.now,
            owner=owner,
            sample=sample,
            chart=_with_clicks(chart, known.get(desired.host)),
        )
        for desired in wiring.settings_of(link, proxies)
    ]


def _with_clicks(chart: Chart, clicks: ClickFacts | None) -> Chart:
    return replace(chart, clicks=clicks)


def _chart(app: App | None, settings: Settings, link: LinkSettings, root_store: RootStore, blind: str) -> Chart:
    issuer = settings.issuers[link.spec.issuers[0]]
    host = urlsplit(issuer.directory).hostname or ""
    identities = next((found for name, found in IDENTITIES.items() if host.endswith(name)), ())
    provider = settings.dns.get(link.spec.dns)
    zones = provider.table.get("zones", ()) if provider is not None else ()
    alarms = settings.alarms
    has_alarms = bool(alarms.webhook or alarms.smtp or alarms.command or alarms.apprise)
    places: list[Place] = []
    facts, account = None, ""
    if app is not None and not blind:
        try:
            facts = app.stores.lineages.facts(link.name)
            registered = app.stores.accounts.get(issuer.directory)
            account = registered.url if registered is not None else ""
            now = datetime.now(UTC)
            for name, deployment in deployments_of(app, link):
                target = app.targets[name]
                places.append(
                    Place(
                        name=name,
                        kind=app.proxies[name].kind,
                        target=target,
                        deployment=deployment,
                        on_disk=target.on_disk(link.name, now),
                    )
                )
        except CertdError as error:
            blind = f"cannot read the state: {error}"
    obstacles = []
    for name, database in app.stores.databases().items() if app is not None else ():
        if obstacle := write_obstacle(database):
            obstacles.append(f"{name} cannot be written: its file {obstacle}")
    return Chart(
        store_obstacles=tuple(obstacles),
        blind=blind,
        facts=facts,
        places=tuple(places),
        trust=root_store.trust(issuer.name),
        identities=identities,
        challenge=link.spec.challenge,
        account=account,
        domains=link.spec.domains,
        own_zones=tuple(str(zone) for zone in zones) if isinstance(zones, list | tuple) else (),
        has_alarms=has_alarms,
        is_cdn=link.front == "cdn",
        associations=link.association_files,
        user=user_name(),
    )


def user_name() -> str:
    """Who runs this."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user {os.geteuid()}"


def bare_subject(
    host: str,
    esp: Esp | None,
    clock: Clock,
    *,
    resolvers: tuple[str, ...] = (),
    addresses: Mapping[str, str],
    ca_file: str = "",
    owner: str = "",
    sample: str = "",
) -> Subject:
    """A host without any configuration.

    Args:
        addresses: Where public addresses answer from here.
        ca_file: Trust anchors beside the system's.
    """
    issuers = {GIVEN: IssuerSettings(name=GIVEN, directory="", roots=ca_file)} if ca_file else {}
    settings = bare_settings(issuers, resolvers, addresses, Network(ca_bundle=""))
    authority = ZoneFinder(Resolvers(resolvers))
    wiring = ClickWiring(settings, None, RootStore(issuers), authority, clock)
    desired = ClickSettings(
        link=host,
        host=host,
        issuer=GIVEN if ca_file else "",
        esp=esp,
        services=services_for(esp),
        elsewhere=dict(addresses),
    )
    return Subject(desired, wiring.way, wiring.names, Examiner(authority), clock.now, owner=owner, sample=sample)


def bare_settings(
    issuers: Mapping[str, IssuerSettings], resolvers: tuple[str, ...], addresses: Mapping[str, str], network: Network
) -> Settings:
    """What stands in for a configuration where there is none."""
    return Settings(
        path=Path("/nonexistent/certd.toml"),
        state=Path("/nonexistent"),
        node="",
        issue=False,
        listen="",
        listen_password="",
        metrics_password="",
        store="",
        store_password="",
        seal=(),
        network=network,
        resolvers=resolvers,
        doh="",
        name_servers={},
        public_resolvers=(),
        addresses=addresses,
        issuers=issuers,
        dns={},
        proxies={},
        esps=PRESETS,
        links=(),
    )
