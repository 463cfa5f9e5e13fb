"""The contract of a kind of proxy: what each part of certd asks of its ``KIND``. A new kind gets one row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from certd.cli.foreign import CLIENTS, proxy_names
from certd.config.choices import known_choices
from certd.config.loader import load
from certd.errors import TargetError, UsageError
from certd.pki.chain import read_certificate
from certd.targets.factory import make_target
from certd.targets.kind import ProxyKind
from certd.targets.layout import no_group
from certd.targets.pointers import generation_in
from certd.targets.registry import KINDS
from certd.targets.reload_syntax import parse_reload_words, reload_mistake
from certd.targets.reloads import Auto
from certd.targets.root_helper import commands_of
from certd.targets.site import Site
from tests.lab.certificates import NOW, make_ca, make_leaf

LINK = "link.example.com"
ROOT = make_ca("root")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is true of one kind.

    Attributes:
        pointer: The file that it reads, and a line of it; FOLDER stands for the generation's.
        reads: What its side of a link names: the ``pointer``, its ``folder``; empty: certd does not write that side.
        ways: The ways that ``reload = "auto"`` tries; empty: it notices by itself, or is loaded in another way.
        helper: The command by which the root helper checks it, then the unit that is reloaded.
        own_user: It reads keys as a user of its own, so that they need a group.
        resolvers: Its side of a link names resolvers, the system's where nobody says others.
        told_by: How folders of other clients tell it: certbot's ``plugin``, its own ``client``, a ``hook``.
    """

    pointer: tuple[str, str]
    reads: str
    ways: tuple[str, ...] = ()
    helper: tuple[str, str] | None = None
    own_user: bool = False
    resolvers: bool = False
    told_by: tuple[str, ...] = ()


ROWS: Mapping[str, Row] = {
    "nginx": Row(
        pointer=(f"{LINK}.conf", 'ssl_certificate_key "FOLDER/privkey.pem";'),
        reads="pointer",
        ways=("Stamp", "Unit", "Signal"),
        helper=("nginx", "nginx.service"),
        resolvers=True,
        told_by=("plugin", "hook"),
    ),
    "nginx-variable": Row(pointer=(f"{LINK}.path", "FOLDER"), reads="folder", own_user=True, resolvers=True),
    "haproxy": Row(
        pointer=(f"{LINK}.pem", "-----BEGIN PRIVATE KEY-----"),
        reads="folder",
        ways=("HaproxySocket", "Stamp", "Unit", "Signal"),
        helper=("haproxy", "haproxy.service"),
        told_by=("hook",),
    ),
    "caddy": Row(
        pointer=(f"{LINK}.conf", 'tls "FOLDER/fullchain.pem" "FOLDER/privkey.pem"'),
        reads="pointer",
        ways=("CaddyAdmin", "Stamp", "Unit"),
        helper=("", "caddy.service"),
        own_user=True,
        told_by=("client", "hook"),
    ),
    "apache": Row(
        pointer=(f"{LINK}.conf", 'SSLCertificateFile "FOLDER/fullchain.pem"'),
        reads="pointer",
        ways=("Stamp", "Unit", "Signal"),
        helper=("apache2ctl", "apache2.service"),
        told_by=("plugin", "hook"),
    ),
    "traefik": Row(pointer=(f"{LINK}.yml", '      keyFile: "FOLDER/privkey.pem"'), reads="folder", own_user=True),
    "envoy": Row(
        pointer=(f"{LINK}.yaml", '      private_key: { filename: "FOLDER/privkey.pem" }'),
        reads="pointer",
        own_user=True,
    ),
    "hitch": Row(
        pointer=(f"{LINK}.pem", "-----BEGIN PRIVATE KEY-----"),
        reads="pointer",
        ways=("Stamp", "Unit"),
        helper=("hitch", "hitch.service"),
        told_by=("hook",),
    ),
    "h2o": Row(
        pointer=(f"{LINK}.yaml", 'key-file: "FOLDER/privkey.pem"'),
        reads="pointer",
        ways=("Stamp", "Unit", "Signal"),
        helper=("h2o", "h2o.service"),
        told_by=("hook",),
    ),
    "files": Row(pointer=(f"{LINK}.path", "FOLDER"), reads="", ways=("Stamp",)),
    "acm": Row(pointer=(f"{LINK}.path", "FOLDER"), reads="", ways=("Stamp",)),
    **{
        cdn: Row(pointer=(f"{LINK}.path", "FOLDER"), reads="", ways=("Stamp",))
        for cdn in ("cloudflare", "fastly", "keycdn")
    },
}

# What the configuration of a provider must say.
TABLES: Mapping[str, str] = {
    "acm": 'acm = { region = "eu-central-1" }',
    "cloudflare": 'cloudflare = { zone = "abc", token = "env:TOKEN" }',
    "fastly": 'fastly = { token = "env:TOKEN" }',
    "keycdn": 'keycdn = { zone = "1", token = "env:TOKEN" }',
}


def test_every_kind_has_a_row() -> None:
    """And no row stands for a kind that certd does not know."""
    assert list(ROWS) == list(KINDS)


@pytest.fixture(params=list(ROWS))
def kind(request: pytest.FixtureRequest) -> ProxyKind:
    """Each in turn."""
    return KINDS[request.param]


def test_a_name_is_one_kind(kind: ProxyKind) -> None:
    """A kind, its module and the registry agree."""
    assert KINDS[kind.name] is kind


def test_it_is_pointed_at_a_generation(kind: ProxyKind, tmp_path: Path) -> None:
    """The pointer names the generation, says what the proxy reads, and is the one file that certd finds again."""
    row = ROWS[kind.name]
    target = make_target(
        name="edge",
        kind=kind.name,
        reload="auto",
        check=None,
        endpoints=(),
        paths={},
        path_map={},
        public=tmp_path,
        find_group=no_group,
        egress=NotImplemented,
    )
    leaf = make_leaf(ROOT, LINK)
    generation = target.install(
        read_certificate(leaf.pem + ROOT.pem, leaf.key, link=LINK, issuer="test", issued_at=NOW)
    )
    target.point(LINK, generation)
    name, line = row.pointer
    path = tmp_path / "proxies" / "edge" / name
    text = path.read_text()
    assert line.replace("FOLDER", f"{tmp_path}/certs/{LINK}/{generation.name}") in text.splitlines()
    assert generation_in(text) == generation.name
    pointed = target.pointed(LINK)
    assert pointed is not None
    assert (pointed.name, pointed.placeholder) == (generation.name, False)
    assert target.pointer_path(LINK) == str(path)
    target.forget(LINK)
    assert target.pointed(LINK) is None


def test_its_side_of_a_link(kind: ProxyKind) -> None:
    """It reads certd's pointer or folder, forwards to the e-mail service, and refuses a link that has none."""
    row = ROWS[kind.name]
    assert (kind.configuration is None) == (row.reads == "")
    if kind.configuration is None:
        return
    site = Site(
        link=LINK,
        domains=(LINK,),
        pointer="/p/edge/the-pointer",
        folder="/p/edge",
        upstream="https://sendgrid.net",
        listen=(80, 443),
    )
    written = kind.configuration(site)
    assert {"pointer": site.pointer, "folder": site.folder}[row.reads] in written
    assert LINK in written
    assert "sendgrid.net" in written
    for wrong in ({"upstream": ""}, {"listen": (443,)}):
        with pytest.raises(UsageError):
            kind.configuration(Site(**{**{name: getattr(site, name) for name in site.__slots__}, **wrong}))


def test_how_it_is_reloaded(kind: ProxyKind, tmp_path: Path) -> None:
    """``auto`` tries the ways that its row has, a root helper's stamp among them."""
    target = make_target(
        name="edge",
        kind=kind.name,
        reload="auto",
        check=None,
        endpoints=(),
        paths={},
        path_map={},
        public=tmp_path / "public",
        find_group=no_group,
        egress=NotImplemented,
    )
    ways = target.reloading.ways if isinstance(target.reloading, Auto) else ()
    assert tuple(type(way).__name__ for way in ways) == ROWS[kind.name].ways
    assert target.check_command == kind.check
    assert target.settles == timedelta(0)
    assert kind.remote is None or kind.remote.settles > timedelta(0)


def test_its_api_is_a_way_to_reload(kind: ProxyKind) -> None:
    """By its name; a kind without an API is refused as a way, with those that there are."""
    if kind.api is None:
        assert "haproxy:/run/haproxy/admin.sock, caddy:" in reload_mistake(f"{kind.name}:/run/socket")
        return
    said = f"{kind.name}:{kind.api.address}"
    assert parse_reload_words(said) == (kind.name, *(kind.api.split(kind.api.address) or ()))
    assert "no way to reload" in reload_mistake(f"{kind.name}:nowhere")


def test_its_root_helper(kind: ProxyKind) -> None:
    """It checks, then reloads the unit; a kind without a unit is refused in words."""
    wanted = ROWS[kind.name].helper
    if wanted is None:
        with pytest.raises(TargetError, match=f"not known how {kind.name} is reloaded"):
            commands_of(kind.name)
        return
    program, unit = wanted
    *checks, reload = commands_of(kind.name)
    assert [argv[0] for argv in checks] == ([program] if program else [])
    assert reload[-1] == unit


def test_what_it_needs(kind: ProxyKind) -> None:
    """`certd check` asks for a group for its user, `certd proxy-config` tells it resolvers."""
    assert (kind.reads_as_user, kind.needs_resolvers) == (ROWS[kind.name].own_user, ROWS[kind.name].resolvers)


def test_how_other_clients_tell_it(kind: ProxyKind) -> None:
    """`certd import` finds it by certbot's installer, by the client that it is itself, by its name in a hook."""
    names = proxy_names()
    assert kind.import_client in {"", *CLIENTS}
    told = {
        "plugin": names.by_certbot_plugin.get(kind.name) == kind.name,
        "client": names.by_client.get(kind.name) == kind.name,
        "hook": names.reloaded_by(f"systemctl reload {kind.name}") == kind.name,
    }
    assert tuple(way for way, is_told in told.items() if is_told) == ROWS[kind.name].told_by


def test_a_configuration_may_name_it(kind: ProxyKind, tmp_path: Path) -> None:
    """Of a proxy of another name, too."""
    path = tmp_path / "certd.toml"
    path.write_text(f"""
[certd]
issue = false
[proxy.edge]
kind = "{kind.name}"
{'endpoints = ["edge.example.com:443"]' if kind.name in TABLES else ""}
{TABLES.get(kind.name, "")}
[[link]]
domain = "{LINK}"
proxy = "edge"
""")
    assert load(path, known_choices(), {"HOSTNAME": "host"}).proxies["edge"].kind == kind.name
