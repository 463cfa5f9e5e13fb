"""Secrets that only the service is passed: what a command by hand does without them, and what it says if it cannot."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.cli.test_transcripts import GOOD, certd
from tests.lab.bought import buy
from tests.lab.txt_server import TxtServer

LINK = "link.example.test"
CONFIG = (
    GOOD.replace('tsig = "file:tsig.key"', 'tsig = "credential:certd.tsig"')
    .replace("[certd]\n", '[certd]\nseal = "credential:certd.seal"\n')
    .replace("link.example.com", LINK)
)

# Neither the resolvers of this machine nor any proxy are asked anything that they could answer.
AWAY = '[network]\nresolvers = ["127.0.0.1:9"]\n[proxy.nginx]\nendpoints = ["127.0.0.1:9"]\n'


@pytest.fixture
def folder(short_path: Path) -> Path:
    """A state with a certificate, made by a certd that was passed the seal's key."""
    (short_path / "given").mkdir()
    (short_path / "given" / "certd.seal").write_text(base64.b64encode(b"k" * 32).decode())
    bought = buy(short_path / "bought", LINK, days=60)
    (short_path / "root.pem").write_text(bought.root_pem)
    text = CONFIG.replace("terms_agreed = true\n", 'terms_agreed = true\nroots = "{folder}/root.pem"\n')
    (short_path / "certd.toml").write_text(text.format(folder=short_path) + AWAY)
    said = certd(
        short_path,
        "import",
        "files",
        LINK,
        str(bought.chain),
        str(bought.key),
        CREDENTIALS_DIRECTORY=str(short_path / "given"),
    )
    assert said.returncode == 0, said.stderr
    return short_path


def test_what_only_looks_needs_no_secret(folder: Path) -> None:
    """Where things stand, what comes next and what was done are read without the seal's key, and are the same."""
    given = str(folder / "given")
    for command in (("status",), ("status", "--nagios"), ("plan",), ("history",)):
        with_it, without = certd(folder, *command, CREDENTIALS_DIRECTORY=given), certd(folder, *command)
        assert without.stderr == ""
        assert (without.returncode, without.stdout) == (with_it.returncode, with_it.stdout)
    assert "valid    until" in certd(folder, "status").stdout


def test_a_backup_and_a_hold_need_none(folder: Path) -> None:
    """Sealed values are copied as they are; and how long nothing is moved is nobody's secret."""
    assert certd(folder, "backup", str(folder / "backup")).returncode == 0
    assert certd(folder, "hold", LINK, "--until", "2h").returncode == 0


def test_the_doctor_says_what_it_could_not_examine(folder: Path) -> None:
    """All else is examined; the one question that needs the secret of the DNS is named, with the way out."""
    server = TxtServer()
    table = f'resolvers = ["127.0.0.1:{server.port}"]\nname_servers = {{ "192.0.2.53" = "127.0.0.1:{server.port}" }}'
    path = folder / "certd.toml"
    path.write_text(path.read_text().replace('resolvers = ["127.0.0.1:9"]', table))
    try:
        said = certd(folder, "check")
    finally:
        server.close()
    assert said.returncode == 3
    assert f"{LINK}: whether its DNS entry can publish is not examined: credential:certd.tsig: " in said.stdout
    assert "cannot read the state" not in said.stdout
    assert '"file:/path" or "env:NAME"' in said.stdout or "systemctl" in said.stdout
    hosts = json.loads(certd(folder, "check", "--json").stdout)["check"]["hosts"]
    assert len(hosts[0]["findings"]) > 10


def test_what_needs_the_secret_names_it_and_the_way_out(folder: Path) -> None:
    """Nothing is done; what is at fault is not the configuration."""
    for command in (("publish",), ("once",), ("renew", LINK, "--force", "--yes"), ("rehearse", LINK)):
        said = certd(folder, *command)
        assert said.returncode == 1
        error, hint = said.stderr.splitlines()[-2:]
        assert error.startswith("certd: error: credential:certd.seal: "), said.stderr
        # On a machine with systemd: the command itself, to be copied.
        is_spelled_out = f"-p LoadCredential=certd.seal -p LoadCredential=certd.tsig certd --config {folder}/certd.toml"
        assert '"file:/path" or "env:NAME"' in hint or f"{is_spelled_out} {' '.join(command)}" in hint
    # A public CA signs no name under ".test".
    path = folder / "certd.toml"
    path.write_text(path.read_text().replace(LINK, "link.example.com"))
    assert certd(folder, "config", "check").returncode == 0


@pytest.mark.parametrize("algorithm", ["hmac-md5", "HMAC-SHA1", "hmac-sha256"])
def test_a_weak_tsig_key_is_a_warning(short_path: Path, algorithm: str) -> None:
    """MD5 and SHA-1 (RFC 8945 section 6); the configuration stays good."""
    key = short_path / "tsig.key"
    key.write_text(f"certd:{algorithm}:c2VjcmV0LXNlY3JldA==\n")
    key.chmod(0o600)
    (short_path / "certd.toml").write_text(GOOD.format(folder=short_path))
    done = certd(short_path, "config", "check")
    assert done.returncode == 0, done.stderr
    said = f"dns.corp.tsig: its algorithm, {algorithm.lower()}, is weak"
    assert (said in done.stderr) == (algorithm != "hmac-sha256")
    assert "c2VjcmV0" not in done.stderr
