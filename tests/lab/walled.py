"""Two hosts that see little of the world, each in a network namespace of its own, which is gone with the process.

``python -m tests.lab.walled proxy FOLDER``: the only ways out are an HTTP CONNECT proxy and an internal resolver.
``python -m tests.lab.walled ipv6 FOLDER``: there is no IPv4, not even on loopback.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.lab.bind import Bind
from tests.lab.clicker import click
from tests.lab.pebble import Pebble
from tests.lab.ports import free_port
from tests.lab.rude import HttpProxy
from tests.lab.scene import DOMAIN, Scene
from tests.lab.unbound import Unbound

NAME = f"_acme-challenge.{DOMAIN}"
ZONE = '@ IN NS ns1\nns1 IN A 192.0.2.53\nns1 IN AAAA 2001:db8::53\n_acme-challenge.link IN TXT "neighbour"'
CA = "ca.walled.test"

CONFIG = """
[certd]
state = "{folder}/state"
node = "lab"
listen = ""

[network]
resolvers = ["[::1]:{port}"]
name_servers = {{ "2001:db8::53" = "[::1]:{port}" }}

[issuer.pebble]
terms_agreed = true
directory = "https://[::1]:{ca}/dir"
ca_file = "{pebble.ca_file}"
roots = "{pebble.roots}"
staging = "trial"

[issuer.trial]
terms_agreed = true
directory = "https://[::1]:{ca}/dir"
ca_file = "{pebble.ca_file}"
roots = "{pebble.roots}"

[dns.corp]
provider = "rfc2136"
server = "[::1]:{port}"
tsig = "file:{folder}/tsig.key"

[proxy.files]
endpoints = ["[::1]:{tls}"]

[[link]]
domain = "link.example.test"
issuer = "pebble"
proxy = "files"
"""


def ip(*arguments: str) -> None:
    """``ip``."""
    subprocess.run(["ip", *arguments], check=True, timeout=10)


def behind_a_proxy(folder: Path) -> None:
    """The CA's name resolves at the proxy only; the authoritative servers' addresses have no route."""
    with Bind(folder / "bind", {"example.test": ZONE}) as bind:
        resolver = Unbound(folder / "unbound", {"example.test": bind.port})
        scene = Scene(folder / "scene")
        scene.pebble.dns = f"127.0.0.1:{resolver.port}"
        with resolver, scene, HttpProxy({CA: "127.0.0.1"}) as proxy:
            scene.publish_by(bind)
            text = scene.config.read_text().replace("https://localhost:", f"https://{CA}:")
            start, end = text.index("[network]"), text.index("[issuer.pebble]")
            network = f'[network]\nresolvers = ["127.0.0.1:{resolver.port}"]\n'
            network += f'https_proxy = "http://127.0.0.1:{proxy.port}"\n\n'
            scene.config.write_text(text[:start] + network + text[end:])
            scene.nginx.start()
            print(scene.run("once"))
            assert click(scene.tls, DOMAIN, scene.roots).trouble == ""
            assert proxy.tunnels
            assert set(proxy.tunnels) == {f"{CA}:{scene.pebble.port}"}
            assert bind.txt(NAME) == {"neighbour"}


def without_ipv4(folder: Path) -> None:
    """Everything over IPv6: resolver, authoritative servers, dynamic updates, the CA; what is IPv4 has no route."""
    bind = Bind(folder / "bind", {"example.test": ZONE}, only_v6=True)
    pebble = Pebble(folder / "pebble", dns=f"[::1]:{bind.port}", host="::1")
    tls = free_port()
    # Ports are looked for over IPv4; from here on there is none.
    ip("address", "del", "127.0.0.1/8", "dev", "lo")
    with bind, pebble:
        (folder / "tsig.key").write_text(bind.key())
        config = folder / "certd.toml"
        config.write_text(CONFIG.format(folder=folder, port=bind.port, ca=pebble.port, pebble=pebble, tls=tls))
        argv = [sys.executable, "-m", "certd", "--config", str(config), "rehearse", DOMAIN, "--staging"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=90)
        print(done.stdout, done.stderr)
        assert done.returncode == 0
        assert "seen at ns1.example.test (192.0.2.53, 2001:db8::53), removed" in done.stdout
        assert "trial signed; nothing of it is used" in done.stdout
        assert pebble.log().count("Issued certificate serial") == 1


if __name__ == "__main__":
    ip("link", "set", "lo", "up")
    {"proxy": behind_a_proxy, "ipv6": without_ipv4}[sys.argv[1]](Path(sys.argv[2]))
    print("well")
