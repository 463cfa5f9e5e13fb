"""``certd init`` at a terminal: it shows what may be answered, asks again, and loses no answer."""

from __future__ import annotations

import os
import shlex
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from certd.config.esp_presets import PRESETS
from certd.dns.registry import PROVIDERS
from certd.targets.registry import KINDS
from tests.cli.test_transcripts import ROOT, certd
from tests.lab.terminal import Terminal

DOMAIN = "link.example.com"
KEY = "certd:hmac-sha256:c2VjcmV0"
LOST = r"nothing is lost; go on with:\s+(certd --config [^\n]*)\n"


@contextmanager
def begun(folder: Path, *options: str) -> Iterator[Terminal]:
    """``certd init`` at a terminal."""
    environment = {**os.environ, "CERTD_STATE": str(folder / "state"), "PYTHONPATH": str(ROOT), "TERM": "dumb"}
    argv = [sys.executable, "-m", "certd", "--config", str(folder / "certd.toml"), "init", *options]
    with Terminal(argv, environment) as terminal:
        yield terminal


def broken_off(terminal: Terminal, keys: str) -> list[str]:
    """The command that goes on, after these keys. A signal just before the system call that reads is noticed at the
    next key (CPython's ``PyOS_Readline``): a person presses again.
    """
    for seconds in (10, 30):
        terminal.press(keys)
        with suppress(AssertionError):
            return shlex.split(terminal.wait_for(LOST, seconds)[1])
    raise AssertionError("no command was shown")


def test_it_shows_what_may_be_answered_and_asks_again(short_path: Path) -> None:
    """Every kind, provider and service is named; a wrong answer costs that question only."""
    with begun(short_path) as terminal:
        terminal.wait_for("The link domain")
        terminal.press("no domain!\n")
        terminal.wait_for(r"Error: (?s:.*)The link domain")
        terminal.press(f"{DOMAIN}\n")
        asked = terminal.wait_for(r"Which proxy ends TLS for it \((.*)\)")
        assert all(kind in asked[1] for kind in KINDS)
        terminal.press("ngnix\n")
        terminal.wait_for(r"ngnix is no kind of proxy(?s:.*)Which proxy")
        terminal.press("nginx\n")
        asked = terminal.wait_for(r"TXT records get into its DNS \((.*)\)")
        assert all(provider in asked[1] for provider in PROVIDERS)
        terminal.press("rfc2316\n")
        terminal.wait_for(r"is no provider(?s:.*)TXT records")
        terminal.press("rfc2136\n")
        terminal.wait_for("The primary name server")
        terminal.press("ns1.example.com:dns\n")
        terminal.wait_for(r'"dns" is not a port(?s:.*)The primary name server')
        terminal.press("ns1.example.com\n")
        asked = terminal.wait_for(r"Which e-mail service do clicks go to \((.*)\)")
        assert all(service in asked[1] for service in PRESETS)
        terminal.press("pigeon\n")
        terminal.wait_for(r"pigeon is not known(?s:.*)Which e-mail service")
        terminal.press("sendgrid\n")
        terminal.wait_for("Do you agree")
        terminal.press("y\n")
        terminal.wait_for("The TSIG key")
        terminal.press("certd:hmac-sha256:not base64\n")
        said = terminal.wait_for(r"is not base64(?s:.*)The TSIG key")
        assert "not base64:" not in said[0]
        terminal.press(f"{KEY}\n")
        said = terminal.wait_for(r"certd.toml: written(?s:.*)Then(?s:.*)\s(once|renew) ")
        assert "c2VjcmV0" not in said[0]
    key = short_path / "tsig.key"
    assert key.read_text() == f"{KEY}\n"
    assert key.stat().st_mode & 0o7777 == 0o600
    table = tomllib.loads((short_path / "certd.toml").read_text())["dns"]["corp"]
    assert table == {"provider": "rfc2136", "server": "ns1.example.com", "tsig": "file:tsig.key"}
    checked = certd(short_path, "config", "check")
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("how", ["Ctrl-C", "end of file", "no"])
def test_no_answer_is_lost(short_path: Path, how: str) -> None:
    """Whoever breaks off, or does not agree, is shown the command that goes on; it works, and asks for the rest."""
    with begun(short_path, "--dns", "cloudflare") as terminal:
        terminal.wait_for("The link domain")
        terminal.press(f"{DOMAIN} *.{DOMAIN}\n")
        terminal.wait_for("Which proxy")
        terminal.press("haproxy\n")
        terminal.wait_for("Which e-mail service")
        terminal.press("sendgrid\n")
        terminal.wait_for("Do you agree")
        command = broken_off(terminal, {"Ctrl-C": "\x03", "end of file": "\x04", "no": "n\n"}[how])
    assert not (short_path / "certd.toml").exists()
    assert command[:4] == ["certd", "--config", str(short_path / "certd.toml"), "init"]
    expected = f"--domain {DOMAIN} --domain *.{DOMAIN} --proxy haproxy --dns cloudflare --esp sendgrid"
    assert command[4:] == expected.split()
    with begun(short_path, *command[4:], "--agree-terms") as terminal:
        terminal.wait_for("The API token")
        assert not [word for word in broken_off(terminal, "\x03") if "token" in word]
    (short_path / "token").write_text("t0ken\n")
    done = certd(short_path, *command[3:], "--agree-terms", "--dns-secret", str(short_path / "token"))
    assert (done.returncode, done.stderr.replace("certd: warning: haproxy is not installed here\n", "")) == (0, "")
    assert (short_path / "cloudflare.token").read_text() == "t0ken\n"
    assert "t0ken" not in done.stdout


def test_a_file_with_the_secret_may_be_named(short_path: Path) -> None:
    """As ``tsig-keygen`` prints it, over several lines; one that is not there is said and asked for again."""
    clause = 'key "certd" {\n\talgorithm hmac-sha256;\n\tsecret "c2VjcmV0";\n};\n'
    (short_path / "theirs.key").write_text(clause)
    options = ["--domain", DOMAIN, "--proxy", "nginx", "--dns", "rfc2136", "--dns-server", "192.0.2.53"]
    with begun(short_path, *options, "--esp", "none", "--agree-terms") as terminal:
        terminal.wait_for("The TSIG key")
        terminal.press(f"{short_path}/missing.key\n")
        terminal.wait_for(r"cannot be read(?s:.*)The TSIG key")
        terminal.press(f"{short_path}/theirs.key\n")
        terminal.wait_for(r"certd.toml: written")
    assert (short_path / "tsig.key").read_text() == clause


def test_a_secret_that_is_there_is_used_and_never_overwritten(short_path: Path) -> None:
    """Also by an option, which is refused before anything is written."""
    (short_path / "tsig.key").write_text(KEY)
    words = ["init", "--domain", DOMAIN, "--dns", "rfc2136", "--dns-server", "192.0.2.53", "--agree-terms"]
    refused = certd(short_path, *words, "--dns-secret", "/dev/null")
    assert refused.returncode == 2
    assert "is there already" in refused.stderr
    assert not (short_path / "certd.toml").exists()
    done = certd(short_path, *words)
    assert done.returncode == 0, done.stderr
    assert "tsig.key: is there already and is used" in done.stdout
    assert (short_path / "tsig.key").read_text() == KEY


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--dns", "responder", "--dns-secret", "/dev/null"), "--dns-secret: responder needs none"),
        (("--dns", "cloudflare", "--dns-server", "192.0.2.53"), "--dns-server: cloudflare has no server to name"),
        (("--dns", "rfc2136", "--dns-server", 'x"\n[y]'), "--dns-server: "),
        (("--dns", "acme-dns", "--dns-server", "http://192.0.2.1"), "--dns-server: must begin with https://"),
        (("--dns", "cloudflare", "--dns-secret", "/dev/null"), "--dns-secret: it is empty"),
        (("--dns", "rfc2136", "--dns-secret", "/etc/hostname"), "--dns-secret: the TSIG key"),
        (("--install",), "--install needs systemd"),
    ],
)
def test_wrong_options_write_nothing(short_path: Path, words: tuple[str, ...], message: str) -> None:
    """Each is refused by its name."""
    if words == ("--install",) and (os.geteuid() != 0 or Path("/run/systemd/system").exists()):
        pytest.skip("for a machine without systemd, as root")
    done = certd(short_path, "init", "--domain", DOMAIN, "--agree-terms", *words)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert sorted(path.name for path in short_path.iterdir()) == []


def test_the_configuration_is_readable_whatever_the_umask(short_path: Path) -> None:
    """The service's user must read it; the secret is its owner's alone."""
    before = os.umask(0o077)
    try:
        (short_path / "t").write_text("t0ken")
        words = ["--domain", DOMAIN, "--dns", "cloudflare", "--dns-secret", str(short_path / "t"), "--agree-terms"]
        assert certd(short_path, "init", *words).returncode == 0
    finally:
        os.umask(before)
    assert (short_path / "certd.toml").stat().st_mode & 0o7777 == 0o644
    assert (short_path / "cloudflare.token").stat().st_mode & 0o7777 == 0o600
