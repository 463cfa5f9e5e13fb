"""The machine on which certd is installed as the README says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.lab.clicker import click
from tests.lab.esp import Esp
from tests.lab.pebble import Pebble
from tests.system.machine import Machine
from tests.system.wheels import REQUIREMENTS, wheel, wheelhouse

DOMAIN = "link.example.test"
ZONE = f"_acme-challenge.{DOMAIN}"
SERVICE = "certd.service"

CONFIG = """
[network]
resolvers = ["192.0.2.53"]

[issuer.pebble]
terms_agreed = true
directory = "{directory}"
ca_file = "/srv/pebble/pebble-ca.pem"
roots = "/srv/pebble/roots.pem"

[dns.own]
provider = "responder"
listen = ["192.0.2.53:53", "[2001:db8::53]:53"]
zones = ["{zone}"]
ns = ["ns1.{zone}"]
addresses = {{ "ns1.{zone}" = ["192.0.2.53", "2001:db8::53"] }}

[proxy.nginx]
endpoints = ["127.0.0.1:443", "[::1]:443"]

[esp.stand-in]
upstream = "{esp}"

[[link]]
domain = "{domain}"
issuer = "pebble"
proxy = "nginx"
esp = "stand-in"
"""


@dataclass
class Place:
    """The machine, and the CA and the e-mail service that it knows."""

    machine: Machine
    pebble: Pebble
    config: str

    def served(self) -> str:
        """What clients get, by fingerprint; empty while they trust nothing."""
        return click(443, DOMAIN, self.pebble.roots.read_text()).fingerprint

    def orders(self) -> int:
        """How many orders certd ever made."""
        return self.machine.journal().count("ordered ")

    def reads(self) -> int:
        """How many times certd got to the end of a deployment."""
        return self.machine.journal().count("served ")

    def pid(self) -> int:
        """certd's process id in the machine; 0 while it does not run."""
        return int(self.machine.run("systemctl", "show", "-P", "MainPID", SERVICE))

    def is_active(self) -> bool:
        """Whether systemd has heard that it is ready."""
        return self.machine.tried("systemctl", "is-active", "--quiet", SERVICE).returncode == 0

    def write_config(self, text: str) -> None:
        """Replace the configuration's bytes; its mode and owner stay."""
        (self.machine.root / "etc/certd/certd.toml").write_text(text)

    def write(self, path: str, text: str) -> None:
        """Write a file of the machine's."""
        target = self.machine.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def foreign_files(self) -> list[str]:
        """What lies in the state folder and is not certd's, but for the helper's folder and its answers."""
        argv = ("find", "/var/lib/certd", "-not", "-user", "certd", "-not", "-path", "/var/lib/certd/reload*")
        return self.machine.run(*argv).split()

    def replace_site(self) -> None:
        """What an operator does when the way of reloading changes: restart certd, print the site, reload nginx."""
        self.machine.run("systemctl", "restart", SERVICE)
        self.machine.wait_until(self.is_active, "certd")
        self.write("etc/nginx/conf.d/link.conf", self.machine.run("certd", "proxy-config", DOMAIN))
        self.machine.run("systemctl", "reload", "nginx")

    def install(self, *arguments: str) -> str:
        """``certd install-service``."""
        return self.machine.run("/opt/certd/bin/certd", "install-service", *arguments)


def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A machine with nginx, on which certd is installed, configured and running, and has served its first one."""
    folder = tmp_path_factory.mktemp("machine")
    (folder / "dist").mkdir()
    made = wheel(folder / "dist")
    (folder / "dist" / "runtime.txt").write_bytes(REQUIREMENTS.read_bytes())
    pebble = Pebble(folder / "pebble", dns="192.0.2.53:53")
    esp = Esp(DOMAIN)
    shared = {wheelhouse(): "/srv/wheels", folder / "dist": "/srv/dist", folder / "pebble": "/srv/pebble"}
    machine = Machine(folder / "debian", shared).prepare()
    (machine.root / "etc/nginx/sites-enabled/default").unlink()
    pebble.start()
    try:
        esp.start()
        machine.boot()
        config = CONFIG.format(directory=pebble.directory, zone=ZONE, esp=esp.url, domain=DOMAIN)
        place = Place(machine, pebble, config)
        machine.run("python3", "-m", "venv", "/opt/certd", seconds=300)
        pip = ("/opt/certd/bin/pip", "install", "-q", "--no-index", "-f", "/srv/wheels")
        machine.run(*pip, "--require-hashes", "-r", "/srv/dist/runtime.txt", seconds=600)
        machine.run(*pip, "--no-deps", f"/srv/dist/{made.name}")
        place.install("--reload", "nginx", "--dns", "192.0.2.53", "--dns", "2001:db8::53")
        place.write_config(config)
        machine.run("certd", "config", "check")
        site = machine.run("certd", "proxy-config", DOMAIN)
        place.write("etc/nginx/conf.d/link.conf", site)
        machine.run("systemctl", "reload", "nginx")
        machine.run("systemctl", "enable", "--now", SERVICE)
        machine.wait_until(lambda: place.reads() == 1, "the first certificate")
        yield place
    finally:
        machine.stop()
        esp.stop()
        pebble.stop()
