"""What a person reads of any command: errors in certd's form, no library's warnings, no years that mean never."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from certd.timefmt import counted
from tests.cli.test_transcripts import GOOD, certd
from tests.lab.certd import ROOT
from tests.lab.certificates import make_ca, make_leaf
from tests.lab.population import Population
from tests.unit.test_gate import with_negative_serial

WRONG = {
    ("frobnicate",): ('there is no command "certd frobnicate"', "see `certd --help`"),
    ("statsu",): ('there is no command "certd statsu"', "did you mean `certd status`?"),
    ("config", "chekc"): ('there is no command "certd config chekc"', "did you mean `certd config check`?"),
    ("status", "--jsno"): ("there is no option --jsno", "did you mean `certd status --json`?"),
    ("--debgu", "status"): ("there is no option --debgu", "did you mean `certd --debug`?"),
    ("renew", "--count", "many"): ("'many' is not a valid integer", "see `certd renew --help`"),
    ("history", "a", "b", "c"): ("", "see `certd history --help`"),
    ("backup",): ("missing argument 'FILE'", "see `certd backup --help`"),
}


@pytest.mark.parametrize("arguments", WRONG)
def test_a_wrong_command_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Exit code 2, one error and one hint, in certd's form; nothing of click's."""
    done = subprocess.run(
        [sys.executable, "-m", "certd", *arguments], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    words, hint = WRONG[arguments]
    assert done.returncode == 2
    error, way_out = done.stderr.splitlines()
    assert error.startswith("certd: error: ")
    assert words in error
    assert way_out == f"certd: hint: {hint}"
    assert done.stdout == ""


def test_no_command_shows_what_there_is() -> None:
    """As before."""
    done = subprocess.run([sys.executable, "-m", "certd"], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 2
    assert "Commands:" in done.stderr


def test_no_warning_of_a_library_is_shown(short_path: Path) -> None:
    """cryptography warns of a certificate that it will refuse one day; certd refuses it now, in words."""
    (short_path / "certd.toml").write_text(GOOD.format(folder=short_path))
    leaf = make_leaf(make_ca("Root"), "link.example.com")
    (short_path / "chain.pem").write_text(with_negative_serial(leaf.pem))
    (short_path / "key.pem").write_text(leaf.key.reveal())
    done = certd(
        short_path, "import", "files", "link.example.com", str(short_path / "chain.pem"), str(short_path / "key.pem")
    )
    assert done.returncode == 1
    assert "negative serial number" in done.stderr
    assert [line for line in done.stderr.splitlines() if not line.startswith("certd: ")] == []


def test_no_year_stands_for_never(tmp_path: Path) -> None:
    """Before the first certificate there is nothing to deploy, and no date says when."""
    population = Population(tmp_path)
    site = population.now.year + 9
    population.close()
    said = {command: certd(tmp_path, *command.split()).stdout for command in ("plan", "plan --json", "status --json")}
    assert "new.start.example on nginx: wait: nothing to deploy until a certificate is issued" in said["plan"]
    rows = json.loads(said["plan --json"])["plan"]
    assert [row["at"] for row in rows if row["subject"] == "new.start.example on nginx"] == [None]
    for command, text in said.items():
        assert [year for year in re.findall(r"\b(20\d\d)-\d\d-\d\d", text) if int(year) >= site] == [], command


def test_counts_in_words() -> None:
    """One is one."""
    assert [counted(1, noun) for noun in ("link", "proxy", "address")] == ["1 link", "1 proxy", "1 address"]
    assert [counted(2, noun) for noun in ("link", "proxy", "address")] == ["2 links", "2 proxies", "2 addresses"]
    assert counted(0, "file") == "0 files"


def test_one_link_on_one_proxy(short_path: Path) -> None:
    """And two on two."""
    path = short_path / "certd.toml"
    path.write_text(GOOD.format(folder=short_path))
    (short_path / "tsig.key").touch(mode=0o600)
    assert "fine: 1 link on 1 proxy, state" in certd(short_path, "config", "check").stdout
    path.write_text(path.read_text() + '[[link]]\ndomain = "b.example.com"\nproxy = "haproxy"\n')
    assert "fine: 2 links on 2 proxies, state" in certd(short_path, "config", "check").stdout
