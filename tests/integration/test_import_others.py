"""Folders that lego and Caddy themselves made, taken over: served by certd, with their account, nothing is ordered."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.lab.clicker import click
from tests.lab.foreign import digest
from tests.lab.others import client
from tests.lab.ports import free_port
from tests.lab.process import Process
from tests.lab.scene import DOMAIN, Scene

pytestmark = pytest.mark.lab("pebble", "nginx")
Wait = Callable[..., None]


CADDYFILE = """{{
    admin off
    storage file_system {folder}
    acme_ca {directory}
    acme_ca_root {root}
    email me@example.test
    http_port {plain}
    https_port {tls}
    skip_install_trust
}}
{domain} {{
    respond 204
}}
"""


@pytest.fixture
def valid(monkeypatch: pytest.MonkeyPatch, short_path: Path) -> Iterator[Scene]:
    """A CA that takes everybody's word for it: what is tried here is what the others leave behind."""
    monkeypatch.setenv("PEBBLE_VA_ALWAYS_VALID", "1")
    made = Scene(short_path)
    # Caddy 2.6 dies of a Retry-After that is a date, which is every second one of Pebble's.
    made.pebble.retry_after = 0
    with made:
        yield made
        print(made.certd_log())


def run_lego(scene: Scene) -> tuple[Path, Path]:
    """Have lego obtain a certificate; its folder, and the chain in it."""
    folder = scene.folder / "lego"
    argv = [
        client("lego"),
        "--server",
        scene.pebble.directory,
        "--accept-tos",
        "--email",
        "me@example.test",
        "--path",
        str(folder),
        "--domains",
        DOMAIN,
        "--http",
        "--http.port",
        f"127.0.0.1:{free_port()}",
        "run",
    ]
    environment = {**os.environ, "LEGO_CA_CERTIFICATES": str(scene.pebble.ca_file)}
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, folder / "certificates" / f"{DOMAIN}.crt"


def run_caddy(scene: Scene) -> tuple[Path, Path]:
    """Have Caddy obtain a certificate; its storage, and the chain in it."""
    folder = scene.folder / "caddy"
    path = scene.folder / "Caddyfile"
    path.write_text(
        CADDYFILE.format(
            folder=folder,
            directory=scene.pebble.directory,
            root=scene.pebble.ca_file,
            plain=free_port(),
            tls=free_port(),
            domain=DOMAIN,
        )
    )
    argv = ["caddy", "run", "--config", str(path), "--adapter", "caddyfile"]
    process = Process(argv, log=scene.folder / "caddy.log", env={"HOME": str(scene.folder)}).start()
    try:
        found = f"certificates/*/{DOMAIN}/{DOMAIN}.json"
        process.wait_until(lambda: any(folder.glob(found)), seconds=90, what="Caddy's certificate")
    finally:
        process.stop()
    (chain,) = folder.glob(found.replace(".json", ".crt"))
    return folder, chain


@pytest.mark.parametrize(
    "client",
    [
        pytest.param("lego", marks=pytest.mark.lab("lego")),
        pytest.param("caddy", marks=pytest.mark.lab("caddy")),
    ],
)
def test_what_others_made(valid: Scene, eventually: Wait, client: str) -> None:
    """certd serves their certificate and orders nothing; the next is ordered with their account."""
    scene = valid
    folder, chain = {"lego": run_lego, "caddy": run_caddy}[client](scene)
    before = digest(folder)
    theirs = x509.load_pem_x509_certificate(chain.read_bytes()).fingerprint(hashes.SHA256()).hex()
    done = scene.tried("import", client, str(folder))
    assert done.returncode == 0, done.stderr
    assert f"{DOMAIN}: adopted" in done.stdout
    assert "taken over" in done.stdout
    accounts = scene.pebble.log().count("/sign-me-up -> calling handler")
    ordered = scene.pebble.orders()
    scene.nginx.start()
    scene.start_certd()
    eventually(lambda: "served  link=" in scene.certd_log())
    assert click(scene.tls, DOMAIN, scene.roots).fingerprint == theirs
    eventually(lambda: scene.status()["links"][0]["next"]["action"] == "wait")
    assert scene.pebble.orders() == ordered
    scene.run("renew", DOMAIN, "--force")
    assert click(scene.tls, DOMAIN, scene.roots).fingerprint not in {"", theirs}
    assert scene.pebble.log().count("/sign-me-up -> calling handler") == accounts
    assert digest(folder) == before
