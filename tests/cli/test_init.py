"""``certd init`` writes what passes the check, says which records to set, and overwrites nothing."""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import sys
import time
import tomllib
from pathlib import Path

import pytest

from certd.cli.init import check_domains
from certd.dns.registry import PROVIDERS
from certd.errors import UsageError
from certd.targets.registry import KINDS
from tests.cli.test_transcripts import ROOT, certd

DOMAIN = "link.example.com"


@pytest.mark.parametrize("dns", [*PROVIDERS, "lexicon:gandi"])
def test_every_provider_passes_the_check(short_path: Path, dns: str) -> None:
    """Without a terminal nothing is asked."""
    done = certd(short_path, "init", "--domain", DOMAIN, "--dns", dns, "--esp", "sendgrid", "--agree-terms")
    assert done.returncode == 0, done.stderr
    path = short_path / "certd.toml"
    path.write_text(path.read_text().replace("file:/etc/certd/", "file:"))
    for name in re.findall(r'"file:([^"]+)"', path.read_text()):
        (short_path / name).touch(mode=0o600)
    checked = certd(short_path, "config", "check")
    assert (checked.returncode, checked.stderr) == (0, "")
    body = tomllib.loads((short_path / "certd.toml").read_text())
    assert body["link"][0]["domain"] == DOMAIN
    assert body["link"][0]["esp"] == "sendgrid"
    assert body["issuer"]["letsencrypt"]["terms_agreed"] is True
    assert 'CAA 0 issue "letsencrypt.org"' in done.stdout


@pytest.mark.parametrize("proxy", KINDS)
def test_every_proxy_passes_the_check(short_path: Path, proxy: str) -> None:
    """Also one that is not installed, which is said; of a kind that is no program nothing is said."""
    done = certd(short_path, "init", "--domain", DOMAIN, "--proxy", proxy, "--agree-terms", PATH="")
    assert done.returncode == 0, done.stderr
    if not KINDS[proxy].programs:
        assert done.stderr == ""
    assert certd(short_path, "config", "check").returncode == 0


def test_the_records_of_the_responder(short_path: Path) -> None:
    """The CNAME form: one delegation for all links, and a pointer for each name, wildcards as the CA asks for them."""
    names = ["--domain", "*.link.example.co.uk", "--domain", "link.example.co.uk"]
    done = certd(short_path, "init", *names, "--dns", "responder", "--address", "192.0.2.77", "--agree-terms")
    assert done.returncode == 0, done.stderr
    for line in (
        "    acme.example.co.uk.  NS  ns1.acme.example.co.uk.",
        "    ns1.acme.example.co.uk.  A  192.0.2.77",
        "    _acme-challenge.link.example.co.uk.  CNAME  link.example.co.uk.acme.example.co.uk.",
    ):
        assert done.stdout.count(line) == 1, line
    table = tomllib.loads((short_path / "certd.toml").read_text())["dns"]["own"]
    assert table["zones"] == ["acme.example.co.uk"]
    assert table["listen"] == ["192.0.2.77:53"]


def test_nothing_is_overwritten(short_path: Path) -> None:
    """Nor written where something is missing or wrong."""
    path = short_path / "certd.toml"
    for arguments, words in (
        ((), "--domain is missing"),
        (("--domain", DOMAIN), "the CA's terms must be agreed to"),
        (("--domain", "no domain", "--agree-terms"), "--domain: "),
        (("--domain", DOMAIN, "--proxy", "iis", "--agree-terms"), "iis is no kind of proxy"),
        (("--domain", DOMAIN, "--dns", "abacus", "--agree-terms"), "abacus is no provider"),
        (("--domain", DOMAIN, "--esp", "pigeon", "--agree-terms"), "pigeon is not known"),
        (("--domain", DOMAIN, "--dns", 'lexicon:x"]\n[y', "--agree-terms"), "is no provider"),
        (("--domain", DOMAIN, "--dns", "lexicon:gändi", "--agree-terms"), "is no provider"),
        (("--domain", DOMAIN, "--dns", "lexicon:", "--agree-terms"), "is no provider"),
        (("--domain", DOMAIN, "--address", '192.0.2.1"', "--agree-terms"), "--address: "),
        (("--domain", DOMAIN, "--zone", 'acme.example.com"]', "--agree-terms"), "--zone: "),
    ):
        done = certd(short_path, "init", *arguments)
        assert done.returncode == 2
        assert words in done.stderr
        assert not path.exists()
    path.write_text("# mine\n")
    done = certd(short_path, "init", "--domain", DOMAIN, "--agree-terms")
    assert (done.returncode, path.read_text()) == (2, "# mine\n")
    assert "nothing is overwritten" in done.stderr


def test_a_name_that_the_ca_refuses_is_said_at_once(short_path: Path) -> None:
    """A warning: the file may get an issuer of one's own. With ``--install`` it would end half-way: it is refused."""
    done = certd(short_path, "init", "--domain", "link.example.test", "--agree-terms")
    assert done.returncode == 0
    words = 'ends in the reserved ".test", which Let\'s Encrypt refuses'
    assert f'certd: warning: "link.example.test" {words}' in done.stderr
    with pytest.raises(UsageError, match=words):
        check_domains(["link.example.test"], signed=True)
    with pytest.raises(UsageError, match="is covered by"):
        check_domains(["a.example.com", "*.example.com"], signed=True)


def test_asked_at_a_terminal(short_path: Path) -> None:
    """Each question once, with what was found as its default."""
    path = short_path / "certd.toml"
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        argv = [sys.executable, "-m", "certd", "--config", str(path), "init"]
        os.execv(argv[0], argv)  # noqa: S606
    answers = [b"link.example.com\n", b"haproxy\n", b"\n", b"sendgrid\n", b"192.0.2.9\n", b"y\n"]
    shown = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                chunk = os.read(terminal, 65536)
            except OSError:
                break
            shown += chunk
        if answers and shown.rstrip().endswith((b":", b"]:")) and not shown.endswith(b"\n"):
            os.write(terminal, answers.pop(0))
            shown += b"\n"
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0, shown.decode()
    body = tomllib.loads(path.read_text())
    assert body["link"] == [{"domain": "link.example.com", "proxy": "haproxy", "esp": "sendgrid"}]
    assert body["dns"]["own"]["addresses"] == {"ns1.acme.example.com": ["192.0.2.9"]}


def test_the_readmes_commands_work_as_printed(short_path: Path) -> None:
    """Without a terminal too: what is printed from `certd init` to `certd proxy-config` is run as it stands, piped."""
    text = (ROOT / "README.md").read_text()
    block = text.partition("## Quick start: systemd and nginx")[2].split("```")[1]
    lines = [shlex.split(line, comments=True) for line in block.splitlines()]
    # Where a program's output goes is the shell's business.
    printed = [line[1 : line.index(">")] if ">" in line else line[1:] for line in lines if line[:1] == ["certd"]]
    wanted = [line for line in printed if line[0] in {"init", "config", "proxy-config"}]
    assert [line[0] for line in wanted] == ["init", "config", "proxy-config"]
    for line in wanted:
        done = certd(short_path, *line)
        assert done.returncode == 0, (line, done.stderr)
        assert done.stdout
