"""``config/compose.yaml`` and ``compose-caddy.yaml``, as podman-compose starts them: networks, volumes, ports."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.lab.clicker import click
from tests.system.outside import DOMAIN, Outside, make_images, wrapper
from tests.system.podman import IMAGE, environment, podman
from tests.system.wheels import LAB, ROOT

CONFIG = ROOT / "config"
COMPOSE = LAB / "compose" / "bin" / "podman-compose"

REST = f"""
[issuer.letsencrypt]
terms_agreed = true

[dns.cloudflare]
provider = "cloudflare"
token = "file:/etc/certd/token"

[[link]]
domain = "{DOMAIN}"
proxy = "PROXY"
esp = "sendgrid"
"""

pytestmark = pytest.mark.skipif(not COMPOSE.exists(), reason="`tests/lab/setup system` fetches podman-compose")


@dataclass
class Project:
    """A copy of the folder, with what the file's comment says to write beside it."""

    folder: Path
    outside: Outside
    name: str
    proxy: str
    path: Path = field(init=False)

    def __post_init__(self) -> None:
        here = self.folder / "links"
        (here / "certd").mkdir(parents=True)
        self.path = here / self.name
        shutil.copy(CONFIG / self.name, here)
        shutil.copy(CONFIG / "nginx-watch.sh", here)
        # The image is there already; `run` looks for its recipe all the same.
        (self.folder / "Containerfile").write_text(f"FROM {IMAGE}\n")
        said = [line[4:] for line in self.path.read_text().splitlines() if re.match(r"#   (\[|\w+ = )", line)]
        toml = "\n".join(said) + REST.replace("PROXY", self.proxy)
        files = {"certd.toml": self.outside.directed(toml), "token": self.outside.cloudflare.token}
        for name, text in {**files, **self.outside.files()}.items():
            (here / "certd" / name).write_text(text)

    def compose(self, *arguments: str) -> str:
        """Run it to its end; what it printed, its own words apart."""
        wrapper(self.folder)
        path = {"PATH": f"{self.folder}:{os.environ['PATH']}"}
        done = subprocess.run(
            [str(COMPOSE), "-f", str(self.path), *arguments],
            capture_output=True,
            text=True,
            timeout=300,
            env=environment() | path,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def site(self) -> str:
        """What the comment of the file has the operator write; podman-compose says first what it built."""
        said = self.compose("run", "--rm", "-T", "certd", "proxy-config", DOMAIN)
        return said[said.index("# ") :]

    def certd(self, *command: str, code: int | None = 0) -> str:
        """A command in certd's container."""
        return podman("exec", "links_certd_1", "certd", *command, code=code)

    def served(self) -> str:
        """What a click gets, by fingerprint; empty while clients trust nothing."""
        return click(443, DOMAIN, self.outside.roots).fingerprint

    def wait_until(self, holds: Callable[[], object], what: str, seconds: float = 90) -> None:
        """Until it holds; the deadline shows what the containers said."""
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                names = ("certd", self.proxy)
                said = "\n".join(podman("logs", f"links_{each}_1", code=None)[-3000:] for each in names)
                raise AssertionError(f"{what}: not within {seconds} s\n{said}")
            time.sleep(0.3)

    def is_obtained_renewed_and_kept(self) -> None:
        """The first certificate, the image's health check, a renewal, and new containers on the old volumes."""
        self.wait_until(self.served, "the first certificate")
        first = self.served()
        assert click(443, DOMAIN, self.outside.roots).trouble == ""
        podman("healthcheck", "run", "links_certd_1")
        self.certd("renew", DOMAIN, "--force")
        second = self.served()
        assert second not in {"", first}
        self.compose("down")
        self.compose("up", "-d")
        self.wait_until(self.served, "what was served before")
        assert self.served() == second
        self.wait_until(lambda: '"state": "served"' in self.certd("status", "--json", code=None), "its look")
        assert self.outside.issued == 2


@pytest.fixture
def outside(short_path: Path) -> Iterator[Outside]:
    make_images(short_path / "images")
    with Outside(short_path / "outside") as made:
        yield made


def test_beside_nginx(short_path: Path, outside: Outside) -> None:
    """Two containers that share two volumes and a network; nginx is reloaded through its stamp."""
    project = Project(short_path, outside, "compose.yaml", "nginx")
    try:
        site = project.path.parent / "nginx" / "link.conf"
        site.parent.mkdir()
        site.write_text(project.site())
        project.compose("up", "-d")
        project.is_obtained_renewed_and_kept()
        shown = podman("exec", "links_nginx_1", "ls", "/var/lib/certd")
        assert sorted(shown.split()) == ["public", "reload"]
    finally:
        project.compose("down", "-v")


def test_beside_caddy(short_path: Path, outside: Outside) -> None:
    """The same with Caddy, told by its admin socket on a shared volume."""
    project = Project(short_path, outside, "compose-caddy.yaml", "caddy")
    try:
        admin = re.findall(r"`(\{ admin unix//.*?) \}`", project.path.read_text())
        site = project.path.parent / "caddy" / "Caddyfile"
        site.parent.mkdir()
        site.write_text(admin[0].replace("{ ", "{\n    ") + "\n}\n" + project.site())
        project.compose("up", "-d")
        project.is_obtained_renewed_and_kept()
    finally:
        project.compose("down", "-v")
