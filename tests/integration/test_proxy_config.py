"""What ``certd proxy-config`` writes, on the real proxies before the first certificate: a click's way, byte for byte,
to an e-mail service that speaks TLS.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from certd.targets.kinds import apache
from certd.targets.site import Site
from tests.lab.bind import Bind
from tests.lab.certd import certd
from tests.lab.certificates import Issuer, make_ca, make_leaf
from tests.lab.esp import LANDING, Esp
from tests.lab.fronts import Apache, Caddy, Envoy, Front, Haproxy, Traefik
from tests.lab.nginx import Nginx
from tests.lab.ports import free_port

DOMAIN = "link.example.test"
Wait = Callable[..., None]

CONFIG = """
[certd]
state = "{state}"
issue = false
listen = ""

[network]
resolvers = ["127.0.0.1:{dns}"]
ca_bundle = "{roots}"

{proxy}
[esp.custom]
upstream = "{upstream}"
{esp}
[[link]]
domain = "{domain}"
proxy = "edge"
esp = "custom"
{association}
"""

NASTY = (
    "/ls/click?upn=a%2Bb~~c%2F%2f&x=%41",
    "/f/a/Hc%2Fv1//nw~~/A%41%3D+b%20c/?target=http%3A%2F%2Fshop.example.test%2F",
    "//double//slashes/../dots/./%2e%2E/?q=%00%ff&&=;",
    "/wf/click?upn=" + "x" * 12_000,
    "/plus+and%20space?a+b=c%2Bd",
    "/?",
    "/a;b=c/@d:e,f!$&'()*",
)
# Apache forwards what it has resolved: a path with dot segments is the same resource (RFC 3986 section 5.2.4).
DOTS = NASTY[2]


def context_of(ca: Issuer, folder: Path, *names: str) -> ssl.SSLContext:
    """A server's context with a certificate for these names."""
    leaf = make_leaf(ca, *names)
    path = folder / f"{names[0]}.pem"
    path.write_text(leaf.pem + leaf.key.reveal())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@dataclass
class Stage:
    """A proxy with what certd wrote for it, and the e-mail service behind it."""

    folder: Path
    kind: str
    association: str = ""
    esp_lines: str = ""
    name: str = "localhost"
    plain: int = field(default_factory=free_port)
    tls: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        ca = make_ca("Service Root")
        self.folder.mkdir(exist_ok=True)
        (self.folder / "roots.pem").write_text(ca.pem)
        self.esp = Esp(DOMAIN, context=context_of(ca, self.folder, self.name))
        self.dns = Bind(
            self.folder / "dns", {"localhost": "@ 1 IN NS ns1.localhost.\n@ 1 IN A 127.0.0.1\nns1 A 127.0.0.1"}
        )
        fronts: dict[str, type[Front]] = {
            "haproxy": Haproxy,
            "caddy": Caddy,
            "apache": Apache,
            "traefik": Traefik,
            "envoy": Envoy,
        }
        self.front: Front | Nginx = (
            fronts[self.kind](self.folder / "edge", self.plain, self.tls)
            if self.kind in fronts
            else Nginx(self.folder / "edge")
        )

    def start(self) -> None:
        """Everything, in order."""
        self.esp.start()
        self.dns.start()
        self.front.prepare()
        config = self.folder / "certd.toml"
        listen = f"listen = [{self.plain}, {self.tls}]\n"
        table = self.front.table() if isinstance(self.front, Front) else f'[proxy.edge]\nkind = "{self.kind}"\n{listen}'
        config.write_text(
            CONFIG.format(
                state=self.folder / "state",
                dns=self.dns.port,
                roots=self.folder / "roots.pem",
                proxy=table,
                upstream=self.esp.url,
                domain=DOMAIN,
                association=self.association,
                esp=self.esp_lines,
            )
        )
        self.text = certd(config, "proxy-config", DOMAIN).stdout
        self.front.site(DOMAIN, self.text)
        self.front.start()

    def stop(self) -> None:
        """Everything."""
        self.front.stop()
        self.dns.stop()
        self.esp.stop()

    def get(self, path: str, *, method: str = "GET", more: str = "", body: str = "", by_tls: bool = True) -> bytes:
        """A click."""
        return asked(self.tls if by_tls else self.plain, path, method=method, more=more, body=body, by_tls=by_tls)


def asked(port: int, path: str, *, method: str = "GET", more: str = "", body: str = "", by_tls: bool = True) -> bytes:
    """One request as it is, and all of the answer; the certificate is not judged."""
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    head = f"{method} {path} HTTP/1.1\r\nHost: {DOMAIN}\r\n{more}{length}Connection: close\r\n\r\n"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        way = context.wrap_socket(connection, server_hostname=DOMAIN) if by_tls else connection
        with way:
            way.sendall((head + body).encode())
            answer = bytearray()
            while chunk := way.recv(65536):
                answer += chunk
            return bytes(answer)


COMPONENTS = {
    "nginx": "nginx",
    "nginx-variable": "nginx",
    "haproxy": "haproxy",
    "caddy": "caddy",
    "apache": "apache2",
    "traefik": "traefik",
    "envoy": "envoy",
}
KINDS = [pytest.param(kind, marks=pytest.mark.lab("bind", component)) for kind, component in COMPONENTS.items()]


@pytest.fixture
def stage(request: pytest.FixtureRequest, short_path: Path) -> Iterator[Stage]:
    kind, more = request.param if isinstance(request.param, tuple) else (request.param, {})
    made = Stage(short_path, kind, **more)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        print(made.front.output() if isinstance(made.front, Front) else made.front.errors())


WANTING = [
    pytest.param((kind, {"esp_lines": "forwarded_host = true"}), id=kind, marks=pytest.mark.lab("bind", component))
    for kind, component in COMPONENTS.items()
]


@pytest.mark.parametrize("stage", WANTING, indirect=True)
def test_the_links_own_name_in_a_second_header(stage: Stage) -> None:
    """A service that asks for ``X-Forwarded-Host`` gets it; what a client says stands before it at most (Apache)."""
    answer = stage.get("/ls/click?upn=x", more="X-Forwarded-Host: evil.example\r\n")
    assert answer.startswith(b"HTTP/1.1 302"), answer[:300]
    seen = stage.esp.seen[-1]
    assert seen.host == DOMAIN
    said = {name.lower(): value for name, value in seen.headers.items()}
    assert said["x-forwarded-host"].split(", ")[-1] == DOMAIN


@pytest.mark.parametrize("stage", KINDS, indirect=True)
def test_every_octet_of_a_click_passes(stage: Stage) -> None:
    """Paths, methods, bodies, long requests and long answers, by https and by http alike; http is never redirected."""
    for by_tls in (True, False):
        for path in NASTY:
            if path == DOTS and stage.kind == "apache":
                continue
            answer = stage.get(path, by_tls=by_tls)
            assert answer.startswith(b"HTTP/1.1 302"), (path, answer[:300])
            wanted = path
            if stage.kind == "traefik" and "?" in path:
                # Go takes no ";" in a query; what `certd proxy-config` says of it keeps its meaning.
                wanted = path.partition("?")[0] + "?" + path.partition("?")[2].replace(";", "%3B")
            assert stage.esp.seen[-1].path == wanted
            assert stage.esp.seen[-1].host == DOMAIN
            # The redirect is the e-mail service's own, untouched.
            assert f"{LANDING}?from={wanted}".encode() in answer
        assert stage.get("/open", method="HEAD", by_tls=by_tls).startswith(b"HTTP/1.1 302")
        assert stage.esp.seen[-1].method == "HEAD"
        body = "List-Unsubscribe=One-Click&x=%2F+~~"
        assert stage.get("/wf/unsub", method="POST", body=body, by_tls=by_tls).startswith(b"HTTP/1.1 302")
        assert (stage.esp.seen[-1].method, stage.esp.seen[-1].body) == ("POST", body.encode())
        cookie = f"Cookie: c={'y' * 6000}\r\nUser-Agent: Reader/1\r\n"
        assert stage.get("/big", more=cookie, by_tls=by_tls).startswith(b"HTTP/1.1 302")
        headers = {name.lower(): value for name, value in stage.esp.seen[-1].headers.items()}
        assert headers["user-agent"] == "Reader/1"
        # Envoy puts an address of the machine itself in the place of loopback.
        assert headers["x-forwarded-for"] == "127.0.0.1" or stage.kind == "envoy"
        assert headers["x-forwarded-proto"] == ("https" if by_tls else "http")
        # Nothing is kept: the second of two equal clicks reaches the e-mail service, too.
        before = stage.esp.clicks
        stage.esp.headers = {"Cache-Control": "public, max-age=86400"}
        for _ in range(2):
            stage.get("/ls/click?upn=same", by_tls=by_tls)
        stage.esp.headers = {}
        assert stage.esp.clicks == before + 2


CAREFUL = [param for param in KINDS if param.values[0] != "apache"]


@pytest.mark.parametrize("stage", CAREFUL, indirect=True)
def test_the_service_is_asked_for_by_its_own_name(stage: Stage) -> None:
    """SNI towards the e-mail service is its name, never the link's."""
    assert stage.get("/x").startswith(b"HTTP/1.1 302")
    assert set(stage.esp.asked_for) == {"localhost"}


STRANGERS = [
    pytest.param((param.values[0], {"name": "stranger.example.test"}), marks=param.marks, id=str(param.values[0]))
    for param in CAREFUL
]


@pytest.mark.parametrize("stage", STRANGERS, indirect=True)
def test_a_stranger_in_the_services_place_gets_no_click(stage: Stage) -> None:
    """An upstream with a certificate for another name is not forwarded to."""
    assert stage.get("/x").split(b" ", 2)[1] in {b"502", b"503", b"500"}
    assert not stage.esp.seen


FILES = 'association_files = { apple = "{folder}/aasa.json", android = "{folder}/links.json" }'


@pytest.mark.parametrize("kind", [param for param in KINDS if param.values[0] not in {"traefik", "nginx-variable"}])
def test_association_files_are_served_by_the_proxy(kind: str, short_path: Path) -> None:
    """On both ports, as JSON, without asking the e-mail service and without a redirect; the rest is forwarded."""
    stage = Stage(short_path, kind, association=FILES.replace("{folder}", str(short_path)))
    (short_path / "aasa.json").write_text('{"applinks": {}}')
    (short_path / "links.json").write_text("[]")
    for file in (short_path / "aasa.json", short_path / "links.json"):
        file.chmod(0o644)
    try:
        stage.start()
        for by_tls in (True, False):
            for path, content in (
                ("/apple-app-site-association", b'{"applinks": {}}'),
                ("/.well-known/apple-app-site-association", b'{"applinks": {}}'),
                ("/.well-known/assetlinks.json", b"[]"),
            ):
                answer = stage.get(path, by_tls=by_tls)
                assert answer.startswith(b"HTTP/1.1 200"), answer
                assert answer.endswith(content), answer
                assert b"content-type: application/json" in answer.lower()
            assert not stage.esp.seen
        assert stage.get("/ls/click?upn=1").startswith(b"HTTP/1.1 302")
    finally:
        stage.stop()


@pytest.mark.lab("bind", "nginx")
@pytest.mark.parametrize("stage", ["nginx"], indirect=True)
def test_the_service_is_looked_up_again(stage: Stage, eventually: Wait) -> None:
    """When the e-mail service's name gets another address, clicks follow, without a reload."""
    assert stage.get("/x").startswith(b"HTTP/1.1 302")
    assert stage.esp.seen[-1].at == "127.0.0.1"
    stage.dns.process.stop() if stage.dns.process else None
    zone = stage.dns.zones["localhost"].replace("@ 1 IN A 127.0.0.1", "@ 1 IN A 127.0.0.2")
    stage.dns.zones = {"localhost": zone}
    stage.dns.start()

    def has_moved() -> bool:
        stage.get("/x")
        return stage.esp.seen[-1].at == "127.0.0.2"

    eventually(has_moved, 40)


def test_apache_goes_by_plain_http_where_the_service_allows_it() -> None:
    """Apache cannot check the name of a TLS upstream while it keeps the Host: SendGrid's documentation allows plain."""
    site = Site(
        link=DOMAIN,
        domains=(DOMAIN,),
        pointer="/p",
        folder="/f",
        upstream="https://sendgrid.net",
        listen=(80, 443),
        may_be_plain=True,
    )
    text = apache.configuration(site)
    assert "ProxyPass / http://sendgrid.net/ nocanon" in text
    assert "SSLProxyEngine" not in text


def test_traefik_says_that_it_serves_no_files(short_path: Path) -> None:
    """What a proxy cannot do is refused in words, not left out."""
    config = short_path / "certd.toml"
    config.write_text(
        CONFIG.format(
            state=short_path / "state",
            dns=53,
            roots=__file__,
            proxy='[proxy.edge]\nkind = "traefik"\n',
            upstream="https://sendgrid.net",
            domain=DOMAIN,
            association='association_files = { apple = "/x" }',
            esp="",
        )
    )
    done = certd(config, "proxy-config", DOMAIN, code=2)
    assert "Traefik serves no files" in done.stderr
    assert os.listdir(short_path / "state" / "public" / "proxies" / "edge")
