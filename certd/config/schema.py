"""Tables and types of the file. A member that is not named here is a mistake."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from certd.config.domain_name import domain
from certd.config.types import duration, is_reference


def _as_texts(value: Any) -> Any:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise ValueError("must be a text or a list of texts")


def _as_duration(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError('must be a duration like "10m"')
    return duration(value)


def _as_command(value: Any) -> Any:
    if isinstance(value, list) and value and all(isinstance(item, str) and item for item in value):
        return tuple(value)
    raise ValueError('must be a list of texts, a program and its arguments, such as ["nginx", "-t"]')


def _as_check(value: Any) -> Any:
    return () if value == [] else _as_command(value)


def _as_reload(value: Any) -> Any:
    return value if isinstance(value, str) else _as_command(value)


def _as_numbers(value: Any) -> Any:
    if isinstance(value, list) and value and all(type(item) is int and 0 < item < 65536 for item in value):
        return tuple(value)
    raise ValueError("must be a list of ports, such as [80, 443]")


def _secret(value: str) -> str:
    if value and not is_reference(value):
        # The value itself is never repeated: it may be the secret.
        raise ValueError("must be a reference to a secret (file:, env: or credential:), never the secret itself")
    return value


Texts = Annotated[tuple[str, ...], BeforeValidator(_as_texts)]
Domains = Annotated[tuple[Annotated[str, AfterValidator(domain)], ...], BeforeValidator(_as_texts)]
Duration = Annotated[timedelta, BeforeValidator(_as_duration)]
Check = Annotated[tuple[str, ...], BeforeValidator(_as_check)]
Reload = Annotated[str | tuple[str, ...], BeforeValidator(_as_reload)]
Ports = Annotated[tuple[int, ...], BeforeValidator(_as_numbers)]
Reference = Annotated[str, AfterValidator(_secret)]
References = Annotated[tuple[Reference, ...], BeforeValidator(lambda value: () if value == "" else _as_texts(value))]


class Table(BaseModel):
    """A table without unknown members."""

    # What is validated is a file, which has all tables in it: none is compiled by itself before.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class CertdTable(Table):
    """``[certd]``."""

    state: str = "/var/lib/certd"
    """The state folder. `private/` (mode 0700) has the store and the keys, `public/` has what proxies read.
    `CERTD_STATE` overrides it.
    """
    store: str = "sqlite"
    """`sqlite`, or `postgresql://user@host/certd` for a store that nodes share (extra `postgres`)."""
    store_password: Reference = ""
    """The password of the shared store: a reference to a secret."""
    node: str = ""
    """The name of this node. Default: the host name. `env:NAME` takes it from the environment."""
    issue: bool = True
    """`false`: this node orders nothing and only deploys."""
    listen: str = "127.0.0.1:9180"
    """Where the status page, `/healthz`, `/readyz` and `/metrics` listen: `ADDRESS:PORT`, `unix:/run/certd/http.sock`,
    or empty for nowhere.
    """
    listen_password: Reference = ""
    """The password of the pages: a reference to a secret. Without it only this machine may read them."""
    metrics_password: Reference = ""
    """The password of `/metrics`: a reference to a secret. Without it everybody who reaches the address may read it."""
    seal: References = ()
    """The key that seals private keys in the store: a reference, or a list (new key first, then the old one). Default:
    certd makes a key at its first start.
    """
    admin_group: str | int = ""
    """The group whose members may ask the daemon for a renewal, besides root. Default: the group of the service."""


class NetworkTable(Table):
    """``[network]``."""

    https_proxy: str = ""
    """The HTTPS proxy for all outgoing requests. Empty: the usual environment variables count."""
    no_proxy: str = ""
    """Hosts that are asked without the proxy. Empty: the usual environment variables count."""
    ca_bundle: str = ""
    """A PEM file with the trust anchors for outgoing HTTPS. Empty: the system's."""
    resolvers: Texts = ()
    """IP addresses of DNS resolvers, with or without a port. Default: those of /etc/resolv.conf. certd always asks
    authoritative servers directly.
    """
    doh: str = ""
    """The URL of a DNS-over-HTTPS server. certd uses it where port 53 to the outside is blocked."""
    name_servers: dict[str, str] = Field(default_factory=dict)
    """Where the address of a name server is reached from here: `{ "192.0.2.53" = "10.0.0.53:53" }`."""
    public_resolvers: Texts = ("1.1.1.1", "8.8.8.8")
    """The public resolvers that `certd cutover` asks."""
    addresses: dict[str, str] = Field(default_factory=dict)
    """Where a public address is reached from here: `{ "203.0.113.7:443" = "10.0.0.7:443" }`."""


class EabTable(Table):
    """External account binding."""

    kid: str
    """The key identifier that the CA gave you."""
    hmac: Reference
    """The HMAC key that the CA gave you: a reference to a secret."""


class IssuerTable(Table):
    """``[issuer.NAME]``."""

    terms_agreed: bool = False
    """`true`: you have read the CA's terms of service and agree to them. Needed once for each issuer."""
    directory: str = ""
    """The URL of the ACME directory. Needed for an issuer that is not built in."""
    allowed_hosts: Texts = ()
    """More hosts of the CA. Its answers may lead certd to these and to the directory's host, and to no other."""
    ca_file: str = ""
    """The trust anchor of the ACME server itself: a PEM file, for a private CA."""
    roots: str = ""
    """The trust anchors of the certificates that it issues: a PEM file. Empty: the system's."""
    eab: EabTable | None = None
    """The external account binding, where the CA asks for one."""
    profile: str = ""
    """The certificate profile, for example `tlsserver` or `shortlived`. Empty: the CA chooses."""
    preferred_chain: str = ""
    """Prefer the chain that has this certificate: its common name, or its SHA-256 fingerprint."""
    contact: Texts = ()
    """Mail addresses that the CA may write to."""
    staging: str | None = None
    """The issuer on which certd tries again after a failure. Default: the staging directory of a built-in issuer."""
    orders_in_3_hours: int | None = None
    """How many new orders this CA allows in three hours. certd stays below it. 0: no limit."""
    weekly_per_domain: int | None = None
    """How many certificates a week this CA allows for one registered domain. certd stays below it. 0: no limit."""


class DnsTable(BaseModel):
    """``[dns.NAME]``: what is not named here is the provider's."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, defer_build=True)

    provider: str
    """How certd publishes TXT records. The provider's own options stand beside it."""
    propagation_timeout: Duration = timedelta(minutes=10)
    """How long a published value may take to appear on every authoritative server."""
    anycast_grace: Duration | None = None
    """How long certd waits after that for servers that it cannot see. `10s` for vendors' APIs."""
    cname_zones: Domains = ()
    """The zones that the CNAME of a validation name may lead to. Empty: each zone in which the provider can publish."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The provider's options, as a table of their own."""


def _as_mode(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(r"0?[0-7]{3}", value):
        return int(value, 8)
    raise ValueError('must be permissions as a text, such as "0640"')


Mode = Annotated[int, BeforeValidator(_as_mode)]


class PathTable(Table):
    """One of ``paths`` of ``[proxy.NAME]``; a text alone is its ``path``."""

    path: str
    """Where the copy is written. `{link}` stands for the name of the link."""
    owner: str | int = ""
    """The owner of the copy: a name or a number."""
    group: str | int = ""
    """The group of the copy: a name or a number."""
    mode: Mode = 0o640
    """The permissions of the copy."""


def _as_path(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


OwnPathTable = Annotated[PathTable, BeforeValidator(_as_path)]


class AcmTable(Table):
    """``[proxy.NAME.acm]``."""

    region: str
    """The AWS region of the certificate. `cloudfront` and `edge` take `us-east-1` only."""
    use: str = "regional"
    """`regional` (an API of this region), `edge` (an edge-optimised API) or `cloudfront`."""
    profile: str = ""
    """A profile of ~/.aws. Empty: AWS's usual chain of credentials."""
    arns: dict[str, str] = Field(default_factory=dict)
    """By link: the ARN of a certificate that exists already, or `new` for a new one."""
    api: str = ""
    """The base URL of the API, where it is not Amazon's own."""


class CdnTable(Table):
    """``[proxy.NAME.cloudflare]``, ``[proxy.NAME.fastly]``, ``[proxy.NAME.keycdn]``."""

    zone: str = ""
    """The zone at Cloudflare (32 hexadecimal digits) or KeyCDN (a number)."""
    token: Reference = ""
    """The API token or key: a reference to a secret."""
    api: str = ""
    """The base URL of the API, where it is not the CDN's own."""
    certificates: dict[str, str] = Field(default_factory=dict)
    """By link: the CDN's name of a certificate that certd may replace, or `new` for another one."""


class ProxyTable(Table):
    """``[proxy.NAME]``."""

    kind: str = ""
    """The kind of proxy. Needed where the table has another name than its kind."""
    reload: Reload = Field(default="auto", repr=False)
    """How the proxy is asked to load new certificates. See [proxies](proxies.md#how-certd-asks-a-proxy-to-load)."""
    check: Check | None = None
    """The command that judges the proxy's configuration, as a list. `[]`: none. Default: that of the kind."""
    deadline: Duration = timedelta(seconds=60)
    """The time limit for the check, and for the reload."""
    endpoints: Texts = ()
    """Where clients reach the proxy. certd makes its handshakes there. An address where nothing has ever listened is
    skipped.
    """
    listen: Ports = (80, 443)
    """The ports that `certd proxy-config` writes."""
    proxy_protocol: bool = False
    """`true`: the endpoints expect the PROXY protocol."""
    group: str | int = ""
    """The group that may read what is published. Default: `certd-read`, where that group exists."""
    map: dict[str, str] = Field(default_factory=dict)
    """Where the proxy sees certd's folder, for example in its container: `{ "/var/lib/certd" = "/certs" }`."""
    paths: dict[str, OwnPathTable] = Field(default_factory=dict)
    """Copies for a configuration that has its own paths: `fullchain`, `cert`, `chain`, `key`, `combined`, each a path
    or a table.
    """
    cloudflare: CdnTable | None = None
    """The settings of Cloudflare. See [CDNs](cdns.md#cloudflare-fastly-keycdn)."""
    fastly: CdnTable | None = None
    """The settings of Fastly. See [CDNs](cdns.md#cloudflare-fastly-keycdn)."""
    keycdn: CdnTable | None = None
    """The settings of KeyCDN. See [CDNs](cdns.md#cloudflare-fastly-keycdn)."""
    acm: AcmTable | None = None
    """The settings of Amazon's certificate store. See [CloudFront and API
    Gateway](cdns.md#amazon-cloudfront-and-api-gateway).
    """


class ChannelsTable(Table):
    """Who is told: a part of ``[alarms]``, and of each route."""

    webhook: str = Field(default="", repr=False)
    """A URL that gets each alarm by POST as JSON, or a reference to it. Its member `text` is what chat services show.
    """
    smtp: str = ""
    """The mail server: `smtp://user@mail.example.com:587` or `smtps://...`."""
    smtp_plaintext: bool = False
    """`true`: mails may go to another host without TLS, where the server offers no STARTTLS. Never a password."""
    smtp_password: Reference = ""
    """The password of the mail server: a reference to a secret."""
    mail_from: str = ""
    """The sender of the mails."""
    mail_to: Texts = ()
    """The receivers of the mails."""
    command: Texts = ()
    """A program that is run for each alarm: JSON on standard input, `CERTD_*` in its environment."""
    apprise: Texts = Field(default=(), repr=False)
    """Addresses of other services, or references to them (extra `apprise`)."""


class RouteTable(ChannelsTable):
    """``[[alarms.route]]``."""

    match: dict[str, str] = Field(default_factory=dict)
    """The labels that a link must have, all of them."""


class AlarmsTable(ChannelsTable):
    """``[alarms]``."""

    ping: str = Field(default="", repr=False)
    """A URL that certd asks after each look: the dead man's switch of a monitoring service."""
    route: list[RouteTable] = Field(default_factory=list)
    """Channels of their own for links with these labels: `[[alarms.route]]` with `match` and the keys above. The first
    route that matches counts. Everything else goes to the channels above.
    """


class EspTable(Table):
    """``[esp.NAME]``."""

    kind: str = ""
    """The preset to start from."""
    upstream: str = ""
    """The address of the e-mail service that clicks are forwarded to."""
    probe: str = ""
    """A path that shows whether the service knows the host, and that counts no click."""
    expect: Texts | None = None
    """What the service answers to the probe: `302`, `4xx`, `server: msys-http`. Empty: its own direct answer."""
    forwarded_host: bool | None = None
    """`true`: the service wants the link's own name in `X-Forwarded-Host`, too."""
    hosts: Texts | None = None
    """The service's own names. A link whose DNS leads there does not lead to the proxy yet."""


class DefaultsTable(Table):
    """``[defaults]``, and what a link may override; None: not said."""

    issuer: Texts | None = None
    """The issuer, or a list: the first is preferred, the others are fallbacks."""
    dns: str | None = None
    """The DNS table to use. May be left out where there is one only."""
    challenge: str | None = None
    """`dns-01`, `dns-persist-01` or `auto` (the default). See [one record for good](dns.md#one-record-for-good)."""
    proxy: Texts | None = None
    """The proxies that serve the link. May be left out where there is one only."""
    key: str | None = None
    """The key type: `ecdsa-p256`, `ecdsa-p384`, `rsa-2048`, `rsa-3072` or `rsa-4096`."""
    reuse_key: bool | None = None
    """`true`: a renewal keeps the private key."""
    esp: str | None = None
    """The e-mail service: a preset, the name of an [esp.NAME] table, or `none`."""
    front: str | None = None
    """`cdn` or `lb`: somebody else ends TLS at the public name. See [behind a
    CDN](cdns.md#a-cdn-or-load-balancer-with-a-certificate-of-its-own).
    """
    labels: dict[str, str] | None = None
    """Labels such as `{ brand = "x" }`. Alarms, metrics, JSON and the page show them."""
    association_files: dict[str, str] | None = None
    """Files for app links that the proxy serves: `{ apple = "/etc/certd/aasa", android = "/etc/certd/assetlinks.json"
    }`.
    """
    target: Texts | None = None
    """What the link's DNS must lead to: names or addresses. Empty: the addresses of the endpoints."""
    click_every: Duration | None = None
    """How often certd follows a click."""


class LinkTable(DefaultsTable):
    """``[[link]]``. A link without a domain is a mistake, which is found when the rest of it is judged."""

    domain: Domains = ()
    """The name of the link, or a list for one certificate with several names. A wildcard is allowed."""
    name: str = ""
    """How commands and metrics call the link. Default: the first domain."""


class LinksFile(Table):
    """A file that ``include`` names: links, and what they use."""

    issuer: dict[str, IssuerTable] = Field(default_factory=dict)
    dns: dict[str, DnsTable] = Field(default_factory=dict)
    proxy: dict[str, ProxyTable] = Field(default_factory=dict)
    esp: dict[str, EspTable] = Field(default_factory=dict)
    link: list[LinkTable] = Field(default_factory=list)


class MainFile(LinksFile):
    """``certd.toml``."""

    include: Texts = ()
    """More files with links, for example `["links.d/*.toml"]`."""
    links_from: Texts = ()
    """Files with one domain a line. They get the settings of [defaults]."""
    certd: CertdTable = Field(default_factory=CertdTable)
    network: NetworkTable = Field(default_factory=NetworkTable)
    defaults: DefaultsTable = Field(default_factory=DefaultsTable)
    alarms: AlarmsTable = Field(default_factory=AlarmsTable)
