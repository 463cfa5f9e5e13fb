"""The way of a click, wired: what is looked at for each link, and by what."""

from __future__ import annotations

import ipaddress
import urllib.request
from collections.abc import Callable, Iterable, Mapping

from certd.clicks.look import ClickPath
from certd.clicks.model import ClickSettings
from certd.clicks.probe import Clicker
from certd.config.esp_presets import PRESETS as SERVICES
from certd.config.settings import LinkSettings, ProxySettings, Settings
from certd.dns.authoritative import ZoneFinder
from certd.dns.lookup import Pointings
from certd.dns.resolver_backoff import ResolverBackoff
from certd.model import Esp
from certd.ports import Clock
from certd.probes.endpoints import TlsProber, resolve_endpoint
from certd.probes.tls_context import Anchors
from certd.store.stores import Stores
from certd.system.network import Network
from certd.system.regular_file import open_regular
from certd.targets.kind import LOCAL_ENDPOINTS
from certd.wiring.root_store import RootStore


class ClickWiring:
    """What one configuration's clicks need."""

    def __init__(
        self, settings: Settings, stores: Stores | None, root_store: RootStore, authority: ZoneFinder, clock: Clock
    ) -> None:
        self._settings = settings
        self._stores = stores
        self._probers = {flag: TlsProber(clock, root_store.anchors, proxy_protocol=flag) for flag in (False, True)}
        self.names = Pointings(authority)
        self.clicks = Clicker(anchors_with_services(root_store.anchors, settings.network), via=via_of(settings))
        self.way = ClickPath(
            ResolverBackoff(self.names), self.clicks, self._probers.__getitem__, clock, resolve_endpoint
        )

    def settings_of(self, link: LinkSettings, proxies: Mapping[str, ProxySettings]) -> tuple[ClickSettings, ...]:
        """One for each host of a link; a wildcard has none of its own."""
        ours = self._ours(link)
        esp = self._settings.esps.get(link.esp)
        places: list[tuple[str, bool]] = []
        plain: dict[str, str] = {}
        for name in link.proxies:
            table = proxies[name]
            ends = table.endpoints or LOCAL_ENDPOINTS
            places += [(endpoint, table.proxy_protocol) for endpoint in ends]
            plain |= {endpoint: f"{endpoint.rpartition(':')[0]}:{table.listen[0]}" for endpoint in ends}
        return tuple(
            ClickSettings(
                link=link.name,
                host=domain,
                issuer=link.spec.issuers[0],
                esp=esp,
                services=services_for(esp),
                endpoints=tuple(dict.fromkeys(places)),
                target=link.target,
                front=link.front,
                ours=ours,
                elsewhere=self._settings.addresses,
                plain=plain,
            )
            for domain in link.spec.domains
            if not domain.startswith("*")
        )

    def _ours(self, link: LinkSettings) -> frozenset[str]:
        if self._stores is None:
            return frozenset()
        node = self._stores.node
        found = {copy.fingerprint for copy in node.copies(link.name)}
        for proxy in link.proxies:
            (deployment,) = node.proxy_facts(proxy, [(link.name, link.spec.domains)]).deployments
            if deployment.pointed is not None:
                found.add(deployment.pointed.fingerprint)
        return frozenset(found)


def services_for(esp: Esp | None) -> tuple[Esp, ...]:
    """The e-mail services that a link may still point at: its own first, then every one that is known."""
    known: Iterable[Esp] = SERVICES.values()
    return (*((esp,) if esp else ()), *(each for each in known if esp is None or each.name != esp.name))


def anchors_with_services(anchors: Callable[[str], Anchors], network: Network) -> Callable[[str], Anchors]:
    """The empty name stands for the e-mail services: the network's own bundle, else the system's."""

    def found(issuer: str) -> Anchors:
        if issuer or not network.ca_bundle:
            return anchors(issuer)
        with open_regular(network.ca_bundle) as file:
            return Anchors(pem=file.read().decode("ascii", errors="replace"))

    return found


def via_of(settings: Settings) -> Callable[[str], str]:
    """The HTTP proxy for an address. Private addresses, and those of the operator's own proxies, are asked directly, as
    what ``no_proxy`` names is.
    """
    network = settings.network
    said = network.https_proxy or urllib.request.getproxies().get("https", "")
    without = network.no_proxy or urllib.request.getproxies().get("no", "")
    inside = {split_host(place) for place in settings.addresses.values()}
    inside |= {split_host(place) for proxy in settings.proxies.values() for place in proxy.endpoints}

    def via(host: str) -> str:
        is_near = ipaddress.ip_address(host).is_private or host in inside
        return "" if is_near or not said or _is_excepted(host, without) else said

    return via


def _is_excepted(address: str, no_proxy: str) -> bool:
    """By address or network; names are not known here any more."""
    for each in filter(None, map(str.strip, no_proxy.split(","))):
        try:
            if each == "*" or ipaddress.ip_address(address) in ipaddress.ip_network(each, strict=False):
                return True
        except ValueError:
            continue
    return False


def split_host(place: str) -> str:
    """``10.0.0.1:8443`` -> ``10.0.0.1``."""
    return place.rpartition(":")[0].strip("[]") or place
