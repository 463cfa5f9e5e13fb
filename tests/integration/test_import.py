"""A folder that certbot itself made, taken over: served by certd, with certbot's account, and nothing is ordered."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.lab.clicker import click
from tests.lab.foreign import digest
from tests.lab.scene import DOMAIN, Scene

pytestmark = pytest.mark.lab("pebble", "nginx", "certbot")
Wait = Callable[..., None]


@pytest.fixture
def valid(monkeypatch: pytest.MonkeyPatch, short_path: Path) -> Iterator[Scene]:
    """A CA that takes certbot's word for it: what is tried here is what certbot leaves behind."""
    monkeypatch.setenv("PEBBLE_VA_ALWAYS_VALID", "1")
    # certbot gives up at the second bad nonce.
    with Scene(short_path, nonce_reject=0) as made:
        yield made
        print(made.certd_log())


def run_certbot(scene: Scene, *arguments: str) -> Path:
    """Have certbot obtain a certificate; its folder."""
    folder = scene.folder / "letsencrypt"
    argv = [
        "certbot",
        "certonly",
        "--config-dir",
        str(folder),
        "--work-dir",
        str(scene.folder / "work"),
        "--logs-dir",
        str(scene.folder / "logs"),
        "--server",
        scene.pebble.directory,
        "--non-interactive",
        "--agree-tos",
        "-m",
        "me@example.test",
        "--manual",
        "--preferred-challenges",
        "dns",
        "--manual-auth-hook",
        "/bin/true",
        "--manual-cleanup-hook",
        "/bin/true",
        "-d",
        DOMAIN,
        *arguments,
    ]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(scene.folder),
        "REQUESTS_CA_BUNDLE": str(scene.pebble.ca_file),
    }
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.parametrize("key", ["ecdsa", "rsa"])
def test_what_certbot_made(valid: Scene, eventually: Wait, key: str) -> None:
    """certd serves certbot's certificate and orders nothing; when it is due, certbot's account orders the next."""
    scene = valid
    folder = run_certbot(scene, "--key-type", key)
    before = digest(folder)
    leaf = x509.load_pem_x509_certificate((folder / "live" / DOMAIN / "cert.pem").read_bytes())
    theirs = leaf.fingerprint(hashes.SHA256()).hex()
    done = scene.tried("import", "certbot", str(folder))
    assert done.returncode == 0, done.stderr
    assert f"{DOMAIN}: adopted" in done.stdout
    assert digest(folder) == before
    (registration,) = (folder / "accounts").rglob("regr.json")
    url = json.loads(registration.read_text())["uri"]
    account = json.loads(scene.run("account", "show", "--json"))["account"]
    assert [(one["issuer"], one["url"], one["status"]) for one in account] == [("pebble", url, "valid")]
    ordered = scene.pebble.orders()
    scene.nginx.start()
    scene.start_certd()
    eventually(lambda: "served  link=" in scene.certd_log())
    assert click(scene.tls, DOMAIN, scene.roots).fingerprint == theirs
    # It has asked the CA for the renewal window by now, and waits.
    eventually(lambda: "renewal window" in scene.certd_log())
    eventually(lambda: scene.status()["links"][0]["next"]["action"] == "wait")
    assert scene.pebble.orders() == ordered
    scene.run("renew", DOMAIN, "--force")
    assert click(scene.tls, DOMAIN, scene.roots).fingerprint not in {"", theirs}
    after = json.loads(scene.run("account", "show", "--json"))["account"]
    assert [one["url"] for one in after] == [url]
    assert digest(folder) == before


def test_the_configuration_that_certbot_implies(valid: Scene) -> None:
    """Written where there is none: the CA that certd does not know by name, the hooks, the key's type."""
    scene = valid
    folder = run_certbot(scene, "--key-type", "rsa", "--rsa-key-size", "3072")
    scene.config.unlink()
    done = scene.tried("import", "certbot", str(folder))
    assert "link translated" in done.stdout, done.stderr
    text = scene.config.read_text()
    assert f'directory = "{scene.pebble.directory}"' in text
    assert 'key = "rsa-3072"' in text
    assert 'auth = ["/bin/true"]' in text
    checked = scene.tried("config", "check")
    assert checked.returncode == 0, checked.stderr
