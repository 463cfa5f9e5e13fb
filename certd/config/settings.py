"""What a configuration says, complete and judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from certd.config.domain_name import as_domain
from certd.model import CertificateSpec, Esp, Limit
from certd.model.acm import AmazonSettings
from certd.model.address import NO_ADDRESS, Address
from certd.model.paths import OwnPath
from certd.model.remote import RemoteSettings
from certd.system.network import Network

# How often the way of a click is looked at.
CLICK_EVERY = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerSettings:
    """One CA.

    Attributes:
        allowed_hosts: Hosts beside that of the directory where the CA's resources may be.
        staging: The issuer that proves what this one has refused; empty where there is none.
        limits: What it allows in which time.
    """

    name: str
    directory: str
    allowed_hosts: tuple[str, ...] = ()
    terms_agreed: bool = False
    ca_file: str = ""
    roots: str = ""
    eab_kid: str = ""
    eab_hmac: str = ""
    profile: str = ""
    preferred_chain: str = ""
    contact: tuple[str, ...] = ()
    pause_after_failed_validation: timedelta = timedelta(0)
    weekly_same_names: int = 0
    roots_are_public: bool = True
    needs_binding: bool = False
    staging: str = ""
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsSettings:
    """One way to publish TXT records; ``table`` is the provider's to judge.

    Attributes:
        cname_zones: Where a CNAME of a validation name may lead; empty: wherever the provider can publish.
    """

    name: str
    provider: str
    propagation_timeout: timedelta
    table: Mapping[str, object]
    anycast_grace: timedelta | None = None
    cname_zones: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySettings:
    """One proxy of this node."""

    name: str
    kind: str
    # May hold the address of a webhook.
    reload: str | tuple[str, ...] = field(default="auto", repr=False)
    check: tuple[str, ...] | None = None
    deadline: timedelta = timedelta(seconds=60)
    endpoints: tuple[str, ...] = ()
    listen: tuple[int, ...] = (80, 443)
    proxy_protocol: bool = False
    group: str = ""
    map: Mapping[str, str] = field(default_factory=dict)
    paths: Mapping[str, OwnPath] = field(default_factory=dict)
    acm: AmazonSettings | None = None
    remote: RemoteSettings | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings:
    """One link: what is wanted of the CA, where it is deployed, and where clicks go.

    Attributes:
        association_files: ``apple`` and ``android``: files that the proxy serves itself, for app links.
        target: Names or addresses that DNS must lead to; empty: whatever shows our certificate.
        click_every: How often a click is tried; zero: never.
    """

    spec: CertificateSpec
    proxies: tuple[str, ...]
    esp: str = "none"
    front: str = ""
    association_files: Mapping[str, str] = field(default_factory=dict)
    target: tuple[str, ...] = ()
    click_every: timedelta = CLICK_EVERY

    @property
    def name(self) -> str:
        """How commands, files and metrics call it."""
        return self.spec.link


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSettings:
    """Who is told when something is wrong. ``webhook`` and ``apprise`` are URLs or references to them."""

    webhook: Address = NO_ADDRESS
    smtp: str = ""
    smtp_plaintext: bool = False
    smtp_password: str = ""
    mail_from: str = ""
    mail_to: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    apprise: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSettings(ChannelSettings):
    """Who is told of links with these labels."""

    match: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmSettings(ChannelSettings):
    """Who is told where no route says otherwise. ``ping`` is a URL or a reference to one."""

    ping: Address = NO_ADDRESS
    routes: tuple[RouteSettings, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole configuration.

    Attributes:
        folder: Where the file lies; relative paths in it start there.
        matched: How many files each glob of ``include`` and ``links_from`` matched.
        linked: How many links each of these files has.
    """

    path: Path
    state: Path
    node: str
    issue: bool
    listen: str
    listen_password: str
    metrics_password: str
    store: str = field(repr=False)
    store_password: str
    seal: tuple[str, ...]
    network: Network
    resolvers: tuple[str, ...]
    doh: str = field(repr=False)
    name_servers: Mapping[str, str]
    public_resolvers: tuple[str, ...]
    addresses: Mapping[str, str]
    issuers: Mapping[str, IssuerSettings]
    dns: Mapping[str, DnsSettings]
    proxies: Mapping[str, ProxySettings]
    esps: Mapping[str, Esp]
    links: tuple[LinkSettings, ...]
    matched: Mapping[str, int] = field(default_factory=dict)
    linked: Mapping[str, int] = field(default_factory=dict)
    admin_group: str = ""
    alarms: AlarmSettings = field(default_factory=AlarmSettings)

    @property
    def private(self) -> Path:
        """``<state>/private``."""
        return self.state / "private"

    @property
    def public(self) -> Path:
        """``<state>/public``."""
        return self.state / "public"

    def link(self, name: str) -> LinkSettings | None:
        """The link of this name, or that covers this domain first, written as the configuration file may write it: in
        capitals or in its own script.
        """
        exact = next((link for link in self.links if link.name == name), None)
        if exact is not None:
            return exact
        plain = as_domain(name)
        return next((link for link in self.links if plain == link.name or plain in link.spec.domains), None)

    def links_of(self, proxy: str) -> tuple[LinkSettings, ...]:
        """The links that a proxy serves."""
        return tuple(link for link in self.links if proxy in link.proxies)
