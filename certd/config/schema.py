"""Tables and types of the file. A member that is not named here is a mistake."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from certd.config.types import domain, duration, is_reference


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
    store: str = "sqlite"
    store_password: Reference = ""
    node: str = ""
    issue: bool = True
    listen: str = "127.0.0.1:9180"
    listen_password: Reference = ""
    seal: References = ()
    admin_group: str | int = ""


class NetworkTable(Table):
    """``[network]``."""

    https_proxy: str = ""
    no_proxy: str = ""
    ca_bundle: str = ""
    resolvers: Texts = ()
    doh: str = ""
    name_servers: dict[str, str] = Field(default_factory=dict)
    public_resolvers: Texts = ("1.1.1.1", "8.8.8.8")
    addresses: dict[str, str] = Field(default_factory=dict)


class EabTable(Table):
    """External account binding."""

    kid: str
    hmac: Reference


class IssuerTable(Table):
    """``[issuer.NAME]``."""

    terms_agreed: bool = False
    directory: str = ""
    ca_file: str = ""
    roots: str = ""
    eab: EabTable | None = None
    profile: str = ""
    preferred_chain: str = ""
    contact: Texts = ()
    staging: str | None = None
    orders_in_3_hours: int | None = None
    weekly_per_domain: int | None = None


class DnsTable(BaseModel):
    """``[dns.NAME]``: what is not named here is the provider's."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, defer_build=True)

    provider: str
    propagation_timeout: Duration = timedelta(minutes=10)
    anycast_grace: Duration | None = None
    options: dict[str, Any] = Field(default_factory=dict)


def _as_mode(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(r"0?[0-7]{3}", value):
        return int(value, 8)
    raise ValueError('must be permissions as a text, such as "0640"')


Mode = Annotated[int, BeforeValidator(_as_mode)]


class PathTable(Table):
    """One of ``paths`` of ``[proxy.NAME]``; a text alone is its ``path``."""

    path: str
    owner: str | int = ""
    group: str | int = ""
    mode: Mode = 0o640


def _as_path(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


OwnPathTable = Annotated[PathTable, BeforeValidator(_as_path)]


class AcmTable(Table):
    """``[proxy.NAME.acm]``."""

    region: str
    use: str = "regional"
    profile: str = ""
    arns: dict[str, str] = Field(default_factory=dict)
    api: str = ""


class ProxyTable(Table):
    """``[proxy.NAME]``."""

    kind: str = ""
    reload: Reload = Field(default="auto", repr=False)
    check: Check | None = None
    deadline: Duration = timedelta(seconds=60)
    endpoints: Texts = ()
    listen: Ports = (80, 443)
    proxy_protocol: bool = False
    group: str | int = ""
    map: dict[str, str] = Field(default_factory=dict)
    paths: dict[str, OwnPathTable] = Field(default_factory=dict)
    acm: AcmTable | None = None


class AlarmsTable(Table):
    """``[alarms]``."""

    webhook: str = Field(default="", repr=False)
    smtp: str = ""
    smtp_password: Reference = ""
    mail_from: str = ""
    mail_to: Texts = ()
    command: Texts = ()
    apprise: Texts = Field(default=(), repr=False)
    ping: str = Field(default="", repr=False)


class EspTable(Table):
    """``[esp.NAME]``."""

    kind: str = ""
    upstream: str = ""
    probe: str = ""
    expect: Texts | None = None
    hosts: Texts | None = None


class DefaultsTable(Table):
    """``[defaults]``, and what a link may override; None: not said."""

    issuer: Texts | None = None
    dns: str | None = None
    proxy: Texts | None = None
    key: str | None = None
    reuse_key: bool | None = None
    esp: str | None = None
    front: str | None = None
    labels: dict[str, str] | None = None
    association_files: dict[str, str] | None = None
    target: Texts | None = None
    click_every: Duration | None = None


class LinkTable(DefaultsTable):
    """``[[link]]``. A link without a domain is a mistake, which is found when the rest of it is judged."""

    domain: Domains = ()
    name: str = ""


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
    links_from: Texts = ()
    certd: CertdTable = Field(default_factory=CertdTable)
    network: NetworkTable = Field(default_factory=NetworkTable)
    defaults: DefaultsTable = Field(default_factory=DefaultsTable)
    alarms: AlarmsTable = Field(default_factory=AlarmsTable)
