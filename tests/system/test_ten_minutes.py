"""The first ten minutes as a new user spends them, typed at a terminal: from ``apt-get install`` to "served"."""

from __future__ import annotations

import base64
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.lab.clicker import click
from tests.lab.pebble import Pebble
from tests.lab.terminal import Terminal
from tests.system.machine import Machine
from tests.system.releases import RELEASES, Release
from tests.system.wheels import ROOT

DOMAIN = "link.example.com"
SECONDS = 180
MOST_COMMANDS = 10

NAMED = """
options {{ directory "/var/cache/bind"; listen-on {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no;
  dnssec-validation no; empty-zones-enable no; }};
key "certd" {{ algorithm hmac-sha256; secret "{secret}"; }};
zone "." {{ type primary; file "/var/lib/bind/root.zone"; }};
zone "com" {{ type primary; file "/var/lib/bind/com.zone"; }};
zone "example.com" {{ type primary; file "/var/lib/bind/example.com.zone";
  update-policy {{ grant certd zonesub TXT; }}; }};
"""
APEX = "$TTL 60\n@ IN SOA ns1.example.com. hostmaster.example.com. 1 3600 600 86400 60\n@ IN NS ns1.example.com.\n"
ZONES = {
    "root": APEX + "com. IN NS ns1.example.com.\nns1.example.com. IN A 127.0.0.1\n",
    "com": APEX + "example IN NS ns1.example\nns1.example IN A 127.0.0.1\n",
    "example.com": APEX + "ns1 IN A 127.0.0.1\nlink IN A 127.0.0.1\n",
}


@dataclass
class Newcomer:
    """Somebody at a root shell of a fresh machine, with the key of the company's name server at hand."""

    machine: Machine
    terminal: Terminal
    pebble: Pebble
    key: str
    program: str = "certd"
    typed: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def run(self, line: str, code: int = 0) -> str:
        """Type a command and wait for its end; what it showed."""
        self.typed.append(line)
        self.terminal.press(f"{line}\n")
        return self.until_done(code)

    def until_done(self, code: int = 0) -> str:
        """Wait for the prompt; what was shown before it."""
        found = self.terminal.wait_for(r"(?s)^(.*)done (\d+)> $", SECONDS)
        assert int(found[2]) == code, found[1]
        return found[1]

    def answer(self, *answers: tuple[str, str]) -> None:
        """Wait for each question and answer it."""
        for question, answer in answers:
            self.terminal.wait_for(question, 60)
            self.terminal.press(f"{answer}\n")

    def begin(self, command: str) -> str:
        """``certd init`` at the terminal; what it showed at the end."""
        self.typed.append(command)
        self.terminal.press(f"{command}\n")
        self.answer(
            ("The link domain", DOMAIN),
            (r"Which proxy .*found here: .*nginx", "nginx"),
            ("TXT records", "rfc2136"),
            ("The primary name server", "ns1.example.com"),
            ("Which e-mail service", "sendgrid"),
            ("Do you agree", "y"),
            ("The TSIG key", self.key),
        )
        return self.until_done()

    def served(self) -> str:
        """What clients get, by fingerprint; empty while they trust nothing."""
        return click(443, DOMAIN, self.pebble.roots.read_text()).fingerprint

    def judge(self) -> None:
        """Within the time and the number of commands; nothing of root's is left, and a renewal works."""
        took = time.monotonic() - self.began
        print(f"\n{len(self.typed)} commands, {took:.0f} s:", *self.typed, sep="\n    ")
        assert took <= SECONDS
        assert len(self.typed) <= MOST_COMMANDS
        run = self.machine.run
        before = self.served()
        assert before
        found = run("find", "/var/lib/certd", "-not", "-user", "certd", "-not", "-path", "/var/lib/certd/reload*")
        assert found == ""
        assert run("stat", "-c", "%U %a", "/etc/certd/tsig.key") == "certd 600\n"
        key = run("sh", "-c", "ls /var/lib/certd/public/certs/*/*/privkey.pem | tail -1").strip()
        assert run("stat", "-c", "%U:%G %a", key) == "certd:certd-read 640\n"
        folders = run("find", "/var/lib/certd/public/certs", "-maxdepth", "1", "-type", "d", "-not", "-perm", "-2000")
        assert folders == ""
        assert self.key not in run("journalctl", "--no-pager")
        run(*self.program.split(), "renew", DOMAIN, "--force")
        assert self.served() not in {"", before}


@contextmanager
def fresh(release: Release, folder: Path) -> Iterator[Newcomer]:
    """A machine with nginx and the company's name server; what it knows as Let's Encrypt is Pebble."""
    source = folder / "certd"
    ignored = shutil.ignore_patterns(".lab", ".venv", ".git", ".*_cache", "__pycache__")
    shutil.copytree(ROOT, source, ignore=ignored)
    pebble = Pebble(folder / "pebble", dns="127.0.0.1:53")
    secret = base64.b64encode(os.urandom(32)).decode()
    # Let's Encrypt is played by Pebble: its address in the program, its roots among those of the system.
    known = source / "certd/acme/directories.py"
    text = known.read_text()
    assert text.count("https://acme-v02.api.letsencrypt.org/directory") == 1
    known.write_text(text.replace("https://acme-v02.api.letsencrypt.org/directory", pebble.directory))
    shared = {release.wheels(): "/srv/wheels", source: "/srv/certd"}
    machine = Machine(folder / "debian", shared, tree=release.tree, options=("--resolv-conf=off",)).prepare()
    root = machine.root
    (root / "etc/nginx/sites-enabled/default").unlink()
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    (root / "etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
    (root / "etc/bind/named.conf").write_text(NAMED.format(secret=secret))
    for name, zone in ZONES.items():
        (root / f"var/lib/bind/{name}.zone").write_text(zone)
    # Packages come from the folder, as they would come from the index.
    (root / "etc/pip.conf").write_text("[global]\nno-index = true\nfind-links = /srv/wheels\n")
    pebble.start()
    trusted = pebble.ca_file.read_text() + pebble.roots.read_text()
    with (root / "etc/ssl/certs/ca-certificates.crt").open("a") as bundle:
        bundle.write(trusted)
    try:
        machine.boot()
        environment = {**os.environ, "TERM": "dumb"}
        shell = ("env", "TERM=dumb", "HOME=/root", "bash", "--norc", "--noprofile", "-i")
        with Terminal(machine.inside(*shell), environment) as terminal:
            terminal.wait_for(r"# $")
            terminal.press("PS1='done $?> '; export REQUESTS_CA_BUNDLE=\n")
            terminal.wait_for("done 0> $")
            yield Newcomer(machine, terminal, pebble, f"certd:hmac-sha256:{secret}")
    finally:
        machine.stop()
        pebble.stop()


def install_program(newcomer: Newcomer) -> None:
    """What the README says first. The packages' own roots learn of Pebble's, too."""
    newcomer.run("apt-get install -y python3-venv")
    newcomer.run("python3 -m venv /opt/certd && /opt/certd/bin/pip install -q -c /srv/certd/constraints.txt /srv/certd")
    (bundle,) = newcomer.machine.root.glob("opt/certd/lib/python3*/site-packages/certifi/cacert.pem")
    with bundle.open("a") as file:
        file.write(newcomer.pebble.ca_file.read_text() + newcomer.pebble.roots.read_text())


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.suite)
def test_one_command_does_it_all(release: Release, tmp_path: Path) -> None:
    """``certd init --install`` ends with "served"; ``certd status`` says so."""
    with fresh(release, tmp_path) as newcomer:
        install_program(newcomer)
        said = newcomer.begin("/opt/certd/bin/certd init --install")
        assert f"{DOMAIN}: served until" in said
        assert newcomer.key not in said
        assert f"{DOMAIN}  served" in newcomer.run("certd status")
        newcomer.judge()


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.suite)
def test_the_list_works_as_printed(release: Release, tmp_path: Path) -> None:
    """Also after root has tried ``certd once``, and with a configuration of another name."""
    with fresh(release, tmp_path) as newcomer:
        install_program(newcomer)
        program = "/opt/certd/bin/certd --config /etc/certd/links.toml"
        said = newcomer.begin(f"{program} init")
        # nginx does not know the link yet, so it cannot be served.
        newcomer.machine.tried(*program.split(), "once", "--wait", "20s")
        assert newcomer.machine.run("stat", "-c", "%U", "/var/lib/certd/private") == "root\n"
        steps = [line.strip() for line in said.partition("Then:")[2].splitlines() if line.startswith("    ")]
        assert re.match(re.escape(program) + r" install-service --reload nginx$", steps[0])
        for step in steps:
            newcomer.run(step)
        newcomer.program = "certd --config /etc/certd/links.toml"
        newcomer.judge()
