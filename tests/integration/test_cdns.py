"""A link on a CDN, from an order at Pebble to what two points of presence show, for each CDN that certd knows."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from certd.pki.chain import fingerprint_of
from tests.lab.cdn import KINDS, TOKEN, Cdn, Cloudflare, Fastly, edges_of
from tests.lab.clicker import click
from tests.lab.scene import DOMAIN, Scene

pytestmark = pytest.mark.lab("pebble")


class OnCdn(Scene):
    """A link whose only proxy is a CDN."""

    cdn: Cdn
    kind: str
    ports: tuple[int, ...]

    def prepare(self) -> OnCdn:
        """Pebble alone is started."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.pebble.start()
        (self.folder / "token").write_text(f"{TOKEN}\n")
        (self.folder / "token").chmod(0o600)
        self.write_config()
        return self

    def write_config(self, links: str = "", extra: str = "") -> None:
        """With the CDN in nginx's place."""
        super().write_config(links, extra)
        self.config.write_text(self.config.read_text().replace('proxy = "nginx"', 'proxy = "edge"'))

    def _proxy_table(self) -> str:
        return self.cdn_table("edge")

    def cdn_table(self, name: str) -> str:
        """The CDN under a name."""
        endpoints = ", ".join(f'"127.0.0.1:{port}"' for port in self.ports)
        zone = f'zone = "{getattr(self.cdn, "zone", "")}"' if self.kind != "fastly" else ""
        return (
            f'[proxy.{name}]\nkind = "{self.kind}"\nendpoints = [{endpoints}]\n'
            f'[proxy.{name}.{self.kind}]\n{zone}\ntoken = "file:{self.folder}/token"\napi = "{self.cdn.url}"\n\n'
        )


@pytest.fixture(params=KINDS)
def scene(request: pytest.FixtureRequest, short_path: Path) -> Iterator[OnCdn]:
    with KINDS[request.param]() as cdn:
        cdn.spread = 0.5
        if isinstance(cdn, Cloudflare):
            cdn.domain = DOMAIN.partition(".")[2]
        if isinstance(cdn, Fastly):
            cdn.domains = {DOMAIN}
        with edges_of(cdn) as edges:
            made = OnCdn(short_path)
            made.cdn, made.kind, made.ports = cdn, request.param, tuple(edge.port for edge in edges)
            try:
                yield made.prepare()
            finally:
                made.pebble.stop()


def shown(scene: OnCdn) -> set[str]:
    """The fingerprints that clients see who trust Pebble, at each point of presence."""
    trust = ssl.create_default_context(cadata=scene.roots)
    found = set()
    for port in scene.ports:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
            trust.wrap_socket(connection, server_hostname=DOMAIN) as tls,
        ):
            der = tls.getpeercert(binary_form=True)
        assert der is not None
        found.add(fingerprint_of(der))
    return found


def test_from_an_order_to_the_edges_and_a_renewal(scene: OnCdn) -> None:
    """Served is what both points of presence show; a renewal is served, what it replaced is removed, a lost answer buys
    and uploads nothing twice, and no word of the token or a key is said.
    """
    said = scene.run("config", "check") + scene.run("proxy-config", DOMAIN)
    assert "set once:" in said
    said += scene.run("once", "--wait", "60s")
    assert "served until" in said
    (first,) = shown(scene)
    (link,) = scene.status()["links"]
    assert (link["state"], link["certificate"]["fingerprint"]) == ("served", first)

    # The answer to the upload is lost.
    scene.cdn.lose.add(len(scene.cdn.asked) + {"cloudflare": 2, "fastly": 2, "keycdn": 1}[scene.kind])
    assert "the connection failed" in scene.tried("renew", DOMAIN, "--force", "--wait", "90s").stderr
    said += scene.run("once", "--wait", "60s")
    (second,) = shown(scene)
    assert second != first
    match scene.cdn:
        case Cloudflare(held=held):
            assert len(held) == 1
        case Fastly(certificates=certificates, keys=keys, activations=activations):
            assert (len(certificates), len(keys), len(activations)) == (1, 1, 1)
    said += scene.tried("check", DOMAIN).stdout
    assert TOKEN not in said
    assert "PRIVATE KEY" not in said


def test_a_refusal_is_told_and_nothing_lapses(scene: OnCdn) -> None:
    """A token that was withdrawn: the words and the way out stand in `status`; a good one is enough to go on."""
    (scene.folder / "token").write_text("withdrawn\n")
    assert scene.tried("once", "--wait", "20s").returncode in {1, 3}
    status = scene.tried("status", DOMAIN).stdout
    assert "does not accept the token" in " ".join(status.split())
    checked = " ".join(scene.tried("check", DOMAIN).stdout.split())
    assert "does not accept the token" in checked
    (scene.folder / "token").write_text(f"{TOKEN}\n")
    assert "served until" in scene.run("renew", DOMAIN, "--wait", "90s")
    assert len(shown(scene)) == 1


@pytest.mark.lab("nginx")
def test_a_move_from_a_proxy_to_a_cdn_and_to_another(short_path: Path) -> None:
    """During a move a link has two places: both show one certificate, which is bought once; a renewal reaches both."""
    fastly, cloudflare = Fastly(), Cloudflare()
    with fastly, cloudflare:
        fastly.spread, fastly.domains = 0.5, {DOMAIN}
        cloudflare.spread, cloudflare.domain = 0.5, DOMAIN.partition(".")[2]
        with edges_of(fastly) as before, edges_of(cloudflare) as after, Scene(short_path) as scene:
            scene.nginx.start()
            assert "served until" in scene.run("once", "--wait", "60s")
            own = click(scene.tls, DOMAIN, scene.roots).fingerprint
            for kind, cdn, edges in (("fastly", fastly, before), ("cloudflare", cloudflare, after)):
                (scene.folder / "token").write_text(f"{TOKEN}\n")
                (scene.folder / "token").chmod(0o600)
                places = OnCdn(short_path / kind)
                places.folder, places.cdn, places.kind = scene.folder, cdn, kind
                places.ports = tuple(edge.port for edge in edges)
                text = scene.config.read_text()
                at = text.index("[esp.stand-in]")
                scene.config.write_text(text[:at] + places.cdn_table(kind) + text[at:])

            ports = {
                "nginx": [scene.tls],
                "fastly": [edge.port for edge in before],
                "cloudflare": [edge.port for edge in after],
            }

            def served_by(*names: str) -> set[str]:
                """What each place shows, once `certd once` says that all do."""
                wanted = ", ".join(f'"{name}"' for name in names)
                text = scene.config.read_text()
                scene.config.write_text(re.sub(r"(?m)^proxy = .*$", f"proxy = [{wanted}]", text))
                assert "served until" in scene.run("once", "--wait", "60s")
                return {click(port, DOMAIN, scene.roots).fingerprint for name in names for port in ports[name]}

            assert served_by("nginx", "fastly") == {own}
            assert scene.pebble.orders() == 1
            assert served_by("fastly", "cloudflare") == {own}
            assert scene.pebble.orders() == 1
            assert "served until" in scene.run("renew", DOMAIN, "--force", "--wait", "90s")
            (renewed,) = served_by("fastly", "cloudflare")
            assert renewed != own
            assert scene.pebble.orders() == 2
            # What left the link is not touched.
            assert click(scene.tls, DOMAIN, scene.roots).fingerprint == own
