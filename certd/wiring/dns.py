"""The ways to publish TXT records, and look-ups at authoritative servers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from certd.config.settings import Settings
from certd.dns.addresses import host_and_port
from certd.dns.authoritative import ZoneFinder
from certd.dns.challenges import Dns01
from certd.dns.exchange import Deadline
from certd.dns.provider import ProviderContext
from certd.dns.registry import build_provider
from certd.dns.resolvers import Resolvers, doh_at
from certd.dns.responder.provider import Responder
from certd.model import Secret
from certd.ports import Clock, DnsProvider
from certd.probes.hsts import StrictParents
from certd.store.stores import Stores

if TYPE_CHECKING:
    from certd.system.egress import Egress

DELEGATION_SECONDS = 20.0


class Names:
    """The DNS as one configuration sees it.

    Args:
        before: That of the configuration before this one: responders whose table did not change go on.
    """

    def __init__(
        self,
        settings: Settings,
        stores: Stores,
        clock: Clock,
        egress: Callable[[], Egress],
        secret: Callable[[str], Secret],
        *,
        before: Names | None = None,
    ) -> None:
        self._settings = settings
        self._stores = stores
        self._clock = clock
        self._egress = egress
        self._secret = secret
        self._before = before

    @cached_property
    def authority(self) -> ZoneFinder:
        """Look-ups at authoritative servers."""
        return authority_for(self._settings)

    @cached_property
    def providers(self) -> dict[str, DnsProvider]:
        """The ways to publish, by name."""
        made: dict[str, DnsProvider] = {}
        for name, dns in self._settings.dns.items():
            kept = self._kept_responder(name)
            if kept is not None:
                made[name] = kept
                continue
            around = ProviderContext(
                secrets=self._secret,
                sender=self._egress,
                records=lambda name=name: self._stores.lineages.records(name),  # type: ignore[misc]
                delegation=lambda zone: self.authority.delegation(zone, Deadline(DELEGATION_SECONDS)),
            )
            made[name] = build_provider(name, dns.provider, dns.table, around)
        return made

    def _kept_responder(self, name: str) -> Responder | None:
        """A responder that listens goes on listening when its table did not change."""
        before = self._before
        if before is None or before._settings.dns.get(name) != self._settings.dns[name]:
            return None
        known = before.providers.get(name)
        return known if isinstance(known, Responder) else None

    def responders(self) -> list[Responder]:
        """The providers that must listen."""
        return [provider for provider in self.providers.values() if isinstance(provider, Responder)]

    @cached_property
    def challenges(self) -> Dns01:
        """The dns-01 solver."""
        own = [address for responder in self.responders() for address in responder.public]
        strict = StrictParents(self._egress)
        zones = {name: dns.cname_zones for name, dns in self._settings.dns.items()}
        return Dns01(
            self.providers,
            self.authority,
            self._clock,
            own_addresses=own,
            strict_parents=strict.of,
            cname_zones=zones,
        )


def authority_for(settings: Settings) -> ZoneFinder:
    """Look-ups at authoritative servers, by the resolvers of a configuration."""
    doh = doh_at(settings.doh) if settings.doh else None
    elsewhere = settings.name_servers

    def ports_of(address: str) -> tuple[str, int]:
        return host_and_port(elsewhere.get(address, address), 53)

    return ZoneFinder(Resolvers(settings.resolvers, doh=doh), ports_of=ports_of)
