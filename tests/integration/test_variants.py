"""The same loop by other ways: BIND, several names, other keys, PROXY protocol, IPv6, other reloads."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from certd.model import Health
from certd.probes.endpoints import TlsProber
from certd.probes.tls_context import Anchors
from certd.system.clock import SystemClock
from tests.lab.bind import Bind
from tests.lab.certificates import make_ca, make_leaf
from tests.lab.clicker import click
from tests.lab.pebble import Pebble
from tests.lab.ports import free_port
from tests.lab.process import Process
from tests.lab.scene import DOMAIN, Scene

Wait = Callable[..., None]
nginx_and_pebble = pytest.mark.lab("pebble", "nginx")


@pytest.mark.lab("pebble", "nginx", "bind")
def test_by_dynamic_update(short_path: Path) -> None:
    """``rfc2136`` towards a real BIND, which Pebble asks; nothing of ours stays in its zone."""
    zone = '@ IN NS ns1\nns1 IN A 192.0.2.53\n_acme-challenge.link IN TXT "neighbour"'
    with Bind(short_path / "bind", {"example.test": zone}) as bind:
        scene = Scene(short_path / "scene")
        scene.pebble.dns = f"127.0.0.1:{bind.port}"
        with scene:
            scene.publish_by(bind)
            scene.nginx.start()
            assert "served until" in scene.run("once")
            assert click(scene.tls, DOMAIN, scene.roots).trouble == ""
            assert bind.txt(f"_acme-challenge.{DOMAIN}") == {"neighbour"}


@nginx_and_pebble
def test_a_wildcard_beside_its_name_with_an_rsa_key(short_path: Path) -> None:
    """Two values at one validation name; one certificate; the key type that was wished for."""
    with Scene(short_path) as scene:
        links = f'\n[[link]]\ndomain = ["{DOMAIN}", "*.{DOMAIN}"]\nname = "{DOMAIN}"\nkey = "rsa-2048"\n'
        scene.write_config(links=links)
        scene.nginx.site(DOMAIN, scene.run("proxy-config", DOMAIN))
        scene.nginx.start()
        assert "served until" in scene.run("once")
        assert click(scene.tls, f"any.{DOMAIN}", scene.roots).fingerprint
        key = scene.state / "public/live" / DOMAIN / "privkey.pem"
        assert len(key.read_text()) > 1500


@pytest.mark.lab("pebble", "nginx", "bind")
def test_two_values_in_one_update_and_killed_after_it(short_path: Path, eventually: Wait) -> None:
    """A name and its wildcard: one order publishes by one update. Killed at that moment, certd goes on with it, and
    nothing of ours stays beside the neighbour's value.
    """
    zone = "@ IN NS ns1\n@ IN NS ns2\nns1 IN A 192.0.2.53\nns2 IN A 192.0.2.54\n"
    with Bind(short_path / "bind", {"example.test": zone + '_acme-challenge.link IN TXT "neighbour"'}) as bind:
        scene = Scene(short_path / "scene")
        scene.pebble.dns = f"127.0.0.1:{bind.port}"
        with scene:
            scene.write_config(f'\n[[link]]\ndomain = ["{DOMAIN}", "*.{DOMAIN}"]\nname = "{DOMAIN}"\n')
            scene.publish_by(bind)
            scene.nginx.site(DOMAIN, scene.run("proxy-config", DOMAIN))
            scene.nginx.start()
            text = scene.config.read_text()
            # Nobody answers at the second server: the values are looked for, and the order stays open.
            scene.config.write_text(text.replace("name_servers = {", 'name_servers = { "192.0.2.54" = "127.0.0.1:1",'))
            scene.start_certd()
            eventually(lambda: len(bind.txt(f"_acme-challenge.{DOMAIN}")) == 3)
            scene.signal_certd(signal.SIGKILL)
            scene.wait_certd(5)
            scene.config.write_text(scene.config.read_text().replace('"127.0.0.1:1"', f'"127.0.0.1:{bind.port}"'))
            scene.start_certd()
            eventually(lambda: "served  link=" in scene.certd_log())
            assert scene.pebble.log().count("Issued certificate serial") == 1
            eventually(lambda: bind.txt(f"_acme-challenge.{DOMAIN}") == {"neighbour"})
            scene.stop_certd()
        added = [line.partition("#")[2].partition(" ")[0] for line in bind.log().splitlines() if "adding an RR" in line]
    # By the client's port: each connection carries one update with both values.
    assert {added.count(port) for port in added} == {2}


@nginx_and_pebble
def test_proxy_protocol(short_path: Path) -> None:
    """Where the listeners expect the PROXY protocol certd speaks it; undeclared, it sees nothing and says so."""
    with Scene(short_path) as scene:
        text = scene.config.read_text()
        scene.config.write_text(text.replace("[proxy.nginx]", "[proxy.nginx]\nproxy_protocol = true"))
        scene.nginx.site(DOMAIN, scene.run("proxy-config", DOMAIN))
        scene.nginx.start()
        assert "served until" in scene.run("once")
        prober = TlsProber(SystemClock(), lambda issuer: Anchors(pem=scene.roots))
        (observation,) = prober.look([f"127.0.0.1:{scene.tls}"], DOMAIN)
        assert observation.health is Health.BLIND


@nginx_and_pebble
def test_both_address_families(short_path: Path) -> None:
    """Every address of an endpoint is asked, IPv6 too."""
    with Scene(short_path) as scene:
        text = scene.config.read_text()
        scene.config.write_text(
            text.replace(f'["127.0.0.1:{scene.tls}"]', f'["127.0.0.1:{scene.tls}", "[::1]:{scene.tls}"]')
        )
        scene.nginx.start()
        scene.run("once")
        (link,) = scene.status()["links"]
        addresses = {each["address"]: each["health"] for each in link["proxies"][0]["addresses"]}
        assert addresses == {f"127.0.0.1:{scene.tls}": "good", f"[::1]:{scene.tls}": "good"}


@nginx_and_pebble
def test_an_address_where_nothing_ever_listened_is_skipped(short_path: Path) -> None:
    """With a reason, and served all the same."""
    with Scene(short_path) as scene:
        text = scene.config.read_text()
        scene.config.write_text(text.replace(f'["127.0.0.1:{scene.tls}"]', f'["127.0.0.1:{scene.tls}", "[::1]:9"]'))
        scene.nginx.start()
        assert "served until" in scene.run("once")


@nginx_and_pebble
@pytest.mark.parametrize("way", ["touch", "http", "command"])
def test_other_ways_to_reload(short_path: Path, way: str) -> None:
    """A stamp that a helper watches, a request, a command: each ends served."""
    with Scene(short_path) as scene:
        stamp = short_path / "stamp"
        hits: list[str] = []

        class Hook(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hits.append(self.path)
                scene.nginx.reload()
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", free_port()), Hook)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        script = short_path / "reload.sh"
        script.write_text(f'#!/bin/sh\n[ "$CERTD_PROXY" = nginx ] && kill -HUP $(cat {scene.nginx.pid_file})\n')
        script.chmod(0o755)
        helper = f"while sleep 0.1; do [ -e {stamp} ] && rm {stamp} && kill -HUP $(cat {scene.nginx.pid_file}); done"
        said = {
            "touch": f'"touch:{stamp}"',
            "http": f'"http:POST:http://127.0.0.1:{server.server_port}/reload"',
            "command": f'["{script}"]',
        }[way]
        text = scene.config.read_text()
        line = next(line for line in text.splitlines() if line.startswith("reload = "))
        scene.config.write_text(text.replace(line, f"reload = {said}"))
        scene.nginx.start()
        with Process(["sh", "-c", helper], log=short_path / "helper.log"):
            assert "served until" in scene.run("once")
        server.shutdown()
        assert hits == (["/reload"] if way == "http" else [])


@nginx_and_pebble
def test_what_the_service_manager_is_told(short_path: Path, eventually: Wait) -> None:
    """READY before any certificate exists, WATCHDOG while dispatching goes on, STOPPING at the end."""
    address = short_path / "notify.sock"
    told: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, Scene(short_path / "s") as scene:
        manager.bind(str(address))

        def listen() -> None:
            while True:
                told.append(manager.recv(4096).decode())

        threading.Thread(target=listen, daemon=True).start()
        # The CA is away: readiness never waits for it.
        scene.pebble.stop()
        environment = {**scene.environment, "NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "2000000"}
        with Process(scene.command("run"), log=short_path / "log", env=environment) as certd:
            eventually(lambda: any("READY=1" in line for line in told))
            eventually(lambda: sum("WATCHDOG=1" in line for line in told) >= 2)
            assert any("STATUS=1 link on 1 proxy;" in line for line in told)
            certd.stop()
        eventually(lambda: any("STOPPING=1" in line for line in told))


# ------------------------------------------------------------------------------------ what eyes see


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, str, Path]]:
    """A TLS server that shows what a test puts into its context."""
    folder = tmp_path_factory.mktemp("tls")
    root = make_ca("Eyes Root")
    listener = socket.create_server(("127.0.0.1", 0))
    (folder / "root.pem").write_text(root.pem)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                try:
                    context.load_cert_chain(folder / "pair.pem")
                    context.wrap_socket(connection, server_side=True).close()
                except OSError:
                    continue

    threading.Thread(target=serve, daemon=True).start()
    leaf = make_leaf(root, "link.example.com")
    (folder / "good.pem").write_text(leaf.pem + leaf.key.reveal())
    other = make_leaf(root, "other.example.com")
    (folder / "other.pem").write_text(other.pem + other.key.reveal())
    foreign = make_leaf(make_ca("Foreign Root"), "link.example.com")
    (folder / "foreign.pem").write_text(foreign.pem + foreign.key.reveal())
    yield listener.getsockname()[1], root.pem, folder
    listener.close()


@pytest.mark.parametrize(
    ("name", "health", "words"),
    [
        ("good", Health.GOOD, ""),
        ("other", Health.BAD, "it serves a certificate for other.example.com"),
        ("foreign", Health.BAD, "clients do not trust it"),
    ],
)
def test_what_eyes_see(shown: tuple[int, str, Path], name: str, health: Health, words: str) -> None:
    """Judged as a client judges it, said in words."""
    port, root, folder = shown
    (folder / "pair.pem").write_text((folder / f"{name}.pem").read_text())
    (observation,) = TlsProber(SystemClock(), lambda issuer: Anchors(pem=root)).look(
        [f"127.0.0.1:{port}"], "link.example.com"
    )
    assert observation.health is health
    assert words in observation.because
    assert observation.fingerprint


def test_what_eyes_cannot_see() -> None:
    """Nothing listening, silence, plain HTTP, no such name: blind, never bad."""
    silent = socket.create_server(("127.0.0.1", 0))
    plain = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    threading.Thread(target=plain.serve_forever, daemon=True).start()
    prober = TlsProber(SystemClock(), lambda issuer: Anchors(checked=False))
    endpoints = [
        f"127.0.0.1:{free_port()}",
        f"127.0.0.1:{silent.getsockname()[1]}",
        f"127.0.0.1:{plain.server_port}",
        "no-such-host.invalid:443",
    ]
    observations = prober.look(endpoints, "link.example.com")
    assert [observation.health for observation in observations] == [Health.BLIND] * 4
    assert [observation.never_answered for observation in observations] == [True, False, False, False]
    plain.shutdown()
    silent.close()


@pytest.mark.lab("pebble")
def test_debians_pebble_would_do(tmp_path: Path) -> None:
    """The lab starts whichever Pebble there is."""
    with Pebble(tmp_path, dns="127.0.0.1:9") as made:
        assert made.roots.read_text().startswith("-----BEGIN CERTIFICATE-----")
        assert os.access(made.ca_file, os.R_OK)
