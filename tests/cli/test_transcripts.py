"""What an operator types and what certd answers, without any server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from certd.cli.entry import COMMANDS, group
from tests.lab.bought import buy

ROOT = Path(__file__).resolve().parents[2]
GOOD = """
[certd]
state = "{folder}/state"

[issuer.letsencrypt]
terms_agreed = true

[dns.corp]
provider = "rfc2136"
server = "192.0.2.53"
tsig = "file:tsig.key"

[[link]]
domain = "link.example.com"
proxy = "nginx"
esp = "sendgrid"
"""


def certd(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command with the configuration in a folder, and the state there too where it names none."""
    seen = {**os.environ, "CERTD_STATE": str(folder / "state"), **environment}
    return subprocess.run(
        [sys.executable, "-m", "certd", "--config", str(folder / "certd.toml"), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env=seen,
    )


@pytest.fixture
def folder(short_path: Path) -> Path:
    """A good configuration; certd has never run."""
    (short_path / "certd.toml").write_text(GOOD.format(folder=short_path))
    return short_path


def test_version_and_help(folder: Path) -> None:
    """Every command has a line."""
    assert certd(folder, "--version").stdout == "certd 0.1.0\n"
    shown = certd(folder, "--help")
    assert shown.returncode == 0
    for command in ("run", "once", "renew", "plan", "status", "config", "proxy-config", "hold", "import", "forget"):
        assert f"\n  {command} " in shown.stdout
        assert certd(folder, command, "--help").returncode == 0


def test_config_check(folder: Path) -> None:
    """Fine is one line; mistakes are all of them, exit code 2, on standard error."""
    (folder / "tsig.key").touch(mode=0o600)
    fine = certd(folder, "config", "check")
    assert (fine.returncode, fine.stderr) == (0, "")
    assert "fine: 1 link on 1 proxy" in fine.stdout
    path = folder / "certd.toml"
    path.write_text(path.read_text().replace("esp =", "epp =").replace("provider", "provder"))
    wrong = certd(folder, "config", "check")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("certd: error: the configuration has 2 mistakes\n")
    assert 'link[0].epp: is not a setting (did you mean "esp"?)' in wrong.stderr


def test_before_the_first_run(folder: Path) -> None:
    """``plan`` and ``status`` say that nothing is issued yet, and make no state."""
    plan = certd(folder, "plan")
    assert (plan.returncode, plan.stdout) == (0, "link.example.com: begin, as soon as certd runs: nothing issued yet\n")
    status = certd(folder, "status")
    assert status.returncode == 3
    assert "nothing issued yet; certd has not run here" in status.stdout
    assert not (folder / "state").exists()


def test_json_is_versioned(folder: Path) -> None:
    """A program can rely on it."""
    body = json.loads(certd(folder, "status", "--json").stdout)
    assert (body["version"], body["kind"]) == (1, "status")
    assert body["status"]["links"][0]["link"] == "link.example.com"
    assert json.loads(certd(folder, "plan", "--json").stdout)["plan"][0]["action"] == "begin"


def test_a_link_that_there_is_not(folder: Path) -> None:
    """The nearest name is offered."""
    done = certd(folder, "status", "lnk.example.com")
    assert done.returncode == 2
    assert done.stderr == (
        'certd: error: lnk.example.com: there is no such link\ncertd: hint: did you mean "link.example.com"?\n'
    )


def test_usage(folder: Path) -> None:
    """Wrong usage is exit code 2 and says what would be right."""
    assert certd(folder, "renew", "--force").returncode == 2
    assert certd(folder, "once", "--wait", "soon").stderr.startswith('certd: error: --wait: "soon" is no duration')
    assert certd(folder, "nonsense").returncode == 2
    assert certd(folder, "hold", "link.example.com").returncode == 2
    assert certd(folder, "hold", "link.example.com", "--until", "30d").returncode == 2
    assert "no certd is running" in certd(folder, "reload").stderr


def test_proxy_config(folder: Path) -> None:
    """nginx's side: both ports, the Host header, the pointer; the placeholder is there when it is printed."""
    done = certd(folder, "proxy-config", "link.example.com", "--resolver", "192.0.2.1")
    assert done.returncode == 0, done.stderr
    pointer = folder / "state/public/proxies/nginx/link.example.com.conf"
    for line in (
        "listen 80;",
        "listen [::]:443 ssl;",
        "server_name link.example.com;",
        f"include {pointer};",
        "proxy_set_header Host $host;",
        "resolver 192.0.2.1:53;",
        "set $certd_upstream sendgrid.net;",
        "proxy_ssl_name sendgrid.net;",
    ):
        assert line in done.stdout, line
    assert pointer.exists()
    assert "restart" not in done.stdout


@pytest.mark.parametrize(
    ("proxy", "expected"),
    [
        ("nginx", "resolver 192.0.2.1:53 [2001:db8::1]:53 192.0.2.3:5353;"),
        ("envoy", '{ socket_address: { address: "2001:db8::1", port_value: 53 } }'),
    ],
)
def test_proxy_config_by_resolvers_without_a_port(folder: Path, proxy: str, expected: str) -> None:
    """Port 53, IPv6 in brackets, for every kind; what is no address is refused in words."""
    path = folder / "certd.toml"
    path.write_text(path.read_text().replace('"nginx"', f'"{proxy}"'))
    given = [word for each in ("192.0.2.1", "2001:db8::1", "192.0.2.3:5353") for word in ("--resolver", each)]
    done = certd(folder, "proxy-config", "link.example.com", *given)
    assert (done.returncode, done.stderr) == (0, "")
    assert expected in done.stdout
    for wrong in ("192.0.2.1:dns", "192.0.2.1; include /etc/passwd", "ns1.example.com", ""):
        refused = certd(folder, "proxy-config", "link.example.com", "--resolver", wrong)
        assert refused.returncode == 2
        assert refused.stderr.startswith("certd: error: --resolver")


def test_proxy_config_without_a_service(folder: Path) -> None:
    """Nobody to forward to is said before anything is written."""
    path = folder / "certd.toml"
    path.write_text(path.read_text().replace('esp = "sendgrid"', ""))
    done = certd(folder, "proxy-config", "link.example.com")
    assert done.returncode == 2
    assert "no e-mail service to forward to" in done.stderr


def test_import_refuses_what_is_not_good(folder: Path) -> None:
    """A file that is missing, and a pair that would not be served: nothing is changed."""
    missing = certd(folder, "import", "files", "link.example.com", "/no/such.pem", "/no/such.key")
    assert missing.returncode != 0
    bought = buy(folder / "bought", "link.example.com", days=90)
    done = certd(folder, "import", "files", "link.example.com", str(bought.chain), str(bought.key))
    assert done.returncode == 1
    assert "leads to none of the expected roots" in done.stderr


def test_a_state_folder_that_cannot_be_made(folder: Path) -> None:
    """A file in its place: an error, no traceback."""
    (folder / "state").write_text("in the way")
    done = certd(folder, "once", "--wait", "1s")
    assert done.returncode == 1
    assert done.stderr.startswith("certd: error:")
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_becomes_the_owner_of_the_state(folder: Path) -> None:
    """What root runs leaves nothing that the service cannot write."""
    certd(folder, "proxy-config", "link.example.com")
    state = folder / "state"
    os.chown(state, 65534, 65534)
    code = f"""
import os, pathlib
from certd.config.choices import known_choices
from certd.cli.context import become_owner
from certd.config.loader import load
become_owner(load(pathlib.Path({str(folder / "certd.toml")!r}), known_choices()))
pathlib.Path({str(state / "made")!r}).touch()
print(os.getuid(), os.getgid(), os.getgroups())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.stdout.split()[:2] == ["65534", "65534"], done.stderr
    assert "0," not in done.stdout
    assert (state / "made").stat().st_uid == 65534


@pytest.mark.parametrize("words", ["config check", "config", "status", "plan", "history"])
def test_the_configuration_is_named_before_or_after_the_command(folder: Path, words: str) -> None:
    """Behind the command, behind the command below it, and with an equals sign; the last one counts."""
    (folder / "tsig.key").touch(mode=0o600)
    file, missing = str(folder / "certd.toml"), str(folder / "other.toml")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "certd", *arguments], capture_output=True, text=True, timeout=60, cwd=ROOT
        )

    command = words.split()
    expected = run("--config", file, *command)
    for given in ((*command, "--config", file), ("--config", missing, *command, f"--config={file}")):
        done = run(*given)
        assert (done.returncode, done.stdout) == (expected.returncode, expected.stdout), done.stderr
    if words != "config":
        assert missing in run(*command, "--config", missing).stderr


def test_every_command_takes_the_configuration() -> None:
    """Also those below a command."""

    def judge(name: str, command: click.Command) -> None:
        assert any("--config" in parameter.opts for parameter in command.params), name
        if isinstance(command, click.Group):
            for below, each in command.commands.items():
                judge(f"{name} {below}", each)

    context = click.Context(group)
    for name in COMMANDS:
        command = group.get_command(context, name)
        assert command is not None
        judge(name, command)
