"""The wiring: builds the adapters of a configuration and hands them to the use cases. It alone knows everybody.

How the adapters of one area are made stands in ``certd.wiring``; what is costly to import is imported when it is first
asked for.
"""

from __future__ import annotations

import contextlib
import importlib
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import certd
from certd.adoption import Adoption
from certd.alarms import AlarmRoutes
from certd.clicks.model import ClickSettings
from certd.clicks.wiring import ClickWiring
from certd.config.settings import LinkSettings, ProxySettings, Settings
from certd.config.types import secret
from certd.deployment.rollout import Rollout
from certd.dns.authoritative import ZoneFinder
from certd.dns.challenges import Dns01
from certd.dns.public_suffix import registered_domain
from certd.dns.responder.provider import Responder
from certd.engine import PATIENCE, DeployEngine, IssueEngine
from certd.errors import RowDamaged, StoreError
from certd.issuance import Crypto, Issuance
from certd.issuance.leases import Leftovers
from certd.model import Certificate, CertificateSpec, DesiredProxy, Observation, Secret, Served
from certd.pki.chain import is_preferred, read_certificate, repaired_generation, whole
from certd.pki.chain_fault import fault_of, has_issuer
from certd.pki.gate import judge
from certd.pki.keys import csr_der, key_type_of, make_key
from certd.planning.already_served import served_well
from certd.ports import CertificateAuthority, Clock, DnsProvider, Journal, ProxyTarget
from certd.probes.endpoints import TlsProber
from certd.read_model import ReadModel
from certd.store.provider_ids import Remotes
from certd.store.stores import Stores
from certd.system.clock import boottime
from certd.system.lean_requests import import_requests
from certd.targets.layout import Layout
from certd.targets.registry import KINDS
from certd.wiring.alarm_channels import reveal, routes_of
from certd.wiring.best_copy import best_copy
from certd.wiring.dns import Names
from certd.wiring.issuers import Issuers
from certd.wiring.root_store import RootStore
from certd.wiring.targets import target_of

if TYPE_CHECKING:
    from certd.system.egress import Egress

USER_AGENT = f"certd/{certd.__version__}"

# Copies made in one transaction; as many certificates are in memory together.
AT_ONCE = 100


class App(ReadModel):
    """Everything that one configuration needs, made when it is first asked for.

    Args:
        before: The application of the configuration before this one: responders whose table did not change go on.
    """

    def __init__(
        self, settings: Settings, stores: Stores, clock: Clock, journal: Journal, *, before: App | None = None
    ) -> None:
        super().__init__(settings, stores, clock)
        self.journal = journal
        self.root_store = RootStore(settings.issuers)
        self.authorities = Issuers(settings, stores, self._egress, self.secret)
        self.names: Names = Names(
            settings, stores, clock, lambda: self.egress, self.secret, before=before.names if before else None
        )
        self.leftovers: Leftovers = before.leftovers if before else Leftovers()
        self._probers: dict[str, TlsProber] = {}
        self.patience: Callable[[], timedelta] = before.patience if before else lambda: PATIENCE
        # By proxy; with the orphans by which it was found, for workers ask at once.
        self._links: tuple[tuple[str, ...], dict[str, Mapping[str, tuple[str, ...]]]] = ((), {})
        self._seen_served: dict[str, str] = {}
        self._syncing, self._next_to_sync = threading.Lock(), threading.Lock()
        self._is_over, self._may_lack = False, False
        self._since = clock.now()

    # ------------------------------------------------------------------------------------ issuing

    @cached_property
    def egress(self) -> Egress:
        """For reload requests and whatever else has no trust anchors of its own."""
        return self._egress()

    @cached_property
    def alarm_routes(self) -> AlarmRoutes:
        """Who is told when something is wrong."""
        return routes_of(self.settings, lambda: self.egress, self.secret)

    @cached_property
    def clicks(self) -> ClickWiring:
        """The way of a click."""
        return ClickWiring(self.settings, self.stores, self.root_store, self.zone_finder, self.clock)

    def click_settings(self, link: LinkSettings) -> tuple[ClickSettings, ...]:
        """What is looked at for a link's clicks, one for each of its hosts."""
        return self.clicks.settings_of(link, self.proxies)

    def secret_or_text(self, text: str) -> str:
        """What a reference stands for, or the text itself."""
        return reveal(text, self.secret)

    def _egress(self, ca_file: str = "") -> Egress:
        """The HTTP client is imported when it is first needed."""
        import_requests()
        egress = importlib.import_module("certd.system.egress")
        made: Egress = egress.Egress(self.settings.network, user_agent=USER_AGENT, ca_file=ca_file)
        return made

    def authority(self, issuer: str) -> CertificateAuthority:
        """The CA of this name. Raises CertdError where the configuration has none."""
        return self.authorities.get(issuer)

    def secret(self, reference: str) -> Secret:
        """What a reference of the configuration means now."""
        return secret(reference, folder=self.settings.path.parent)

    @property
    def zone_finder(self) -> ZoneFinder:
        """Look-ups at authoritative servers."""
        return self.names.authority

    @property
    def providers(self) -> dict[str, DnsProvider]:
        """The ways to publish, by name."""
        return self.names.providers

    def responders(self) -> list[Responder]:
        """The providers that must listen."""
        return self.names.responders()

    @property
    def challenges(self) -> Dns01:
        """The dns-01 solver."""
        return self.names.challenges

    @cached_property
    def issuance(self) -> Issuance:
        """The use case of one order."""
        crypto = Crypto(
            make_key=make_key,
            key_type_of=key_type_of,
            csr=csr_der,
            read=lambda chain, key, link, issuer, at: read_certificate(
                chain, key, link=link, issuer=issuer, issued_at=at
            ),
            judge=self.gate,
            is_preferred=is_preferred,
            has_issuer=has_issuer,
            fault_of=self.chain_fault,
            with_chain=lambda certificate, chain: replace(
                certificate, chain_pem=whole(chain), generation=repaired_generation(certificate, chain)
            ),
        )
        return Issuance(
            self.authority, lambda provider: self.challenges, crypto, self.clock, random.SystemRandom(), self.journal
        )

    def gate(self, certificate: Certificate, domains: Sequence[str], now: datetime) -> None:
        """The pair gate. Raises GateRefused."""
        judge(certificate, domains=domains, now=now, trust=self.root_store.trust(certificate.issuer))

    def chain_fault(self, chain_pem: str, issuer: str, now: datetime) -> str:
        """What clients stumble over in a chain, or will before its leaf ends; empty for a clean one."""
        fault = fault_of(chain_pem, self.root_store.trust(issuer), now)
        return fault.words if fault is not None else ""

    def best_copy(self, link: str, domains: Sequence[str]) -> Certificate | None:
        """The newest certificate of this node's for a link that passes the gate. A link that has none may have had
        another name until now: what is here of links that stand in no file serves clients well.
        """
        now = self.clock.now()
        if found := best_copy(self.stores.node, self.gate, link, domains, now):
            return found
        for other in self.stores.node.naming(domains):
            is_stranger = all(each.name != other for each in self.settings.links)
            if is_stranger and (found := best_copy(self.stores.node, self.gate, other, domains, now)):
                return replace(found, link=link)
        return None

    @cached_property
    def issue_engine(self) -> IssueEngine:
        """The one loop, for lineages."""
        return IssueEngine(
            self.stores.lineages,
            self.issuance,
            self.desired,
            self.clock,
            self.journal,
            lambda link: self._sync_soon(),
            patience=lambda: self.patience(),
            repaired=lambda link: self._adopt(link),
            registered=registered_domain,
            served=self.served,
            elapsed=boottime,
            leftovers=self.leftovers,
            since=self._since,
        )

    @cached_property
    def adoption(self) -> Adoption:
        """What lies on the disk and is good."""
        return Adoption(self.stores.lineages, self.layout.generations, self.gate, self.clock, self.journal)

    def _adopt(self, link: str) -> None:
        known = self.settings.link(link)
        if known is not None:
            self.adoption.adopt(known.spec)

    # ------------------------------------------------------------------------------------ deploying

    @cached_property
    def targets(self) -> dict[str, ProxyTarget]:
        """The proxies of this node; those that still have an orphan's pointer included."""
        return {
            name: target_of(proxy, self.settings.public, lambda: self.egress, lambda: self.remotes, self.secret)
            for name, proxy in self.proxies.items()
        }

    @property
    def remotes(self) -> Remotes:
        """What certificates are called at providers."""
        return Remotes(self.stores.node.database)

    @cached_property
    def proxies(self) -> dict[str, ProxySettings]:
        """Their settings. A preset that only an orphan uses any more stands in no file."""
        before = {proxy for proxy in self.stores.node.proxies() if proxy in KINDS}
        return {name: ProxySettings(name=name, kind=name) for name in before} | dict(self.settings.proxies)

    @cached_property
    def layout(self) -> Layout:
        """The public folder, for what concerns no proxy."""
        return Layout(self.settings.public)

    def rollout(self, proxy: str) -> Rollout:
        """The use case of one proxy."""
        if proxy not in self._probers:
            flag = self.proxies[proxy].proxy_protocol
            self._probers[proxy] = TlsProber(self.clock, self.root_store.anchors, proxy_protocol=flag)
        return Rollout(self.targets[proxy], self._probers[proxy], self.clock, self.journal, self.copy_of, self.gate)

    def copy_of(self, link: str, generation: str) -> Certificate | None:
        """This node's copy; one that cannot be opened is made anew where the shared store has it."""
        try:
            return self.stores.node.certificate(link, generation)
        except RowDamaged:
            with contextlib.suppress(StoreError):
                current = self.stores.lineages.facts(link).current
                if current is not None and current.generation == generation:
                    self.stores.node.renew(current)
                    return current
            raise

    def served(self, spec: CertificateSpec) -> Served | None:
        """What every endpoint of a link on this node shows for every name, where all of it is good."""
        link = self.settings.link(spec.link)
        observations: list[Observation] = []
        for proxy in link.proxies if link is not None else ():
            rollout = self.rollout(proxy)
            for domain in spec.domains:
                observations += rollout.prober.look(
                    rollout.target.endpoints, domain.replace("*", "certd-looks"), issuer=spec.issuers[0]
                )
        found = served_well(observations)
        if found is not None and self._seen_served.get(spec.link) != found.fingerprint:
            self._seen_served[spec.link] = found.fingerprint
            self.journal.say(
                "served already",
                link=spec.link,
                address=found.at,
                fingerprint=found.fingerprint[:12],
                reason="its key is not here; it counts as an order of its week",
            )
        return found

    def links_on(self, proxy: str) -> Mapping[str, tuple[str, ...]]:
        """The links of a proxy with their names, orphans that it still has included: they are watched until they are
        forgotten. The same object until something changes.
        """
        # While the shared store is away its last answer counts: deploying needs only this node's own store
        # (design.md, Store away).
        orphans, known = self._links
        with contextlib.suppress(StoreError):
            now = self.stores.specs.orphans()
            if now != orphans:
                orphans, known = self._links = now, {}
        if proxy not in known:
            links = {link.name: link.spec.domains for link in self.settings.links_of(proxy)}
            known[proxy] = self.stores.node.deployed(proxy, orphans) | links
        return known[proxy]

    def desired_proxy(self, proxy: str) -> DesiredProxy | None:
        """What is wanted of a proxy; None when the configuration does not have it."""
        if proxy not in self.targets:
            return None
        return DesiredProxy(proxy=proxy, links=tuple(self.links_on(proxy)))

    @cached_property
    def deploy_engine(self) -> DeployEngine:
        """The one loop, for proxies."""
        return DeployEngine(self.stores.node, self.rollout, self.desired_proxy, self.links_on, self.clock, self.journal)

    def sync(self) -> None:
        """Copy what the shared store has and this node deploys, and make its proxies due."""
        with self._syncing:
            self._copy_new()

    def _sync_soon(self) -> None:
        """The same after something was issued. Whoever waits for his turn already copies for all who come meanwhile."""
        if not self._next_to_sync.acquire(blocking=False):
            return
        with self._syncing:
            self._next_to_sync.release()
            self._copy_new()

    def take_over(self, before: App) -> None:
        """From here on this one alone copies. Workers go on with the one before: what they copied did not include, as
        it knows of no such link, is looked for once more; nothing is found twice by its number.
        """
        with before._syncing:
            before._is_over = True
        self._may_lack = True

    def _copy_new(self) -> None:
        if self._is_over:
            return
        if self._may_lack:
            self.sync_new()
            self._may_lack = False
        node = self.stores.node
        here = {link.name: link for link in self.settings.links}
        self._follow_back()
        while found := list(self.stores.lineages.certificates_since(node.sequence())):
            current = [
                certificate
                for _, certificate in found
                if certificate is not None
                and certificate.link in here
                and self.stores.lineages.is_current(certificate.link, certificate.fingerprint)
            ]
            self._copy(current, found[-1][0], here)

    def _follow_back(self) -> None:
        """Where the shared store was put back from an older copy, or is another one, its numbers are below those that
        this node has seen: what it gives out next would be passed over until they have caught up.
        """
        seen = self.stores.node.sequence()
        last = self.stores.bulk_reader.last_sequence()
        if last >= seen:
            return
        self.journal.warn("the shared store is older than it was", reason="what is newer on the disk is adopted")
        self.adoption.adopt_newer(link.spec for link in self.settings.links)
        self.sync_new()
        self.stores.node.go_back_to(last)

    def sync_new(self) -> None:
        """Copy the current certificates of links that came to this node, or came back to it, after they were issued."""
        here = {link.name: link for link in self.settings.links}
        new = self.stores.bulk_reader.uncopied([*here])
        for start in range(0, len(new), AT_ONCE):
            found = [self._current(name) for name in new[start : start + AT_ONCE]]
            self._copy([current for current in found if current is not None], 0, here)

    def _current(self, link: str) -> Certificate | None:
        """None where a row cannot be read: whoever takes the lineage repairs it."""
        with contextlib.suppress(RowDamaged):
            return self.stores.lineages.facts(link).current
        return None

    def _copy(self, certificates: Sequence[Certificate], sequence: int, here: Mapping[str, LinkSettings]) -> None:
        """Copy those, and make their proxies due, each once; in one transaction."""
        if not certificates and not sequence:
            return
        proxies = sorted({proxy for one in certificates for proxy in here[one.link].proxies})
        self.stores.node.copy_all(certificates, sequence, proxies)

    def close(self) -> None:
        """Shut idle connections; the stores are somebody else's."""
        self.authorities.close()
