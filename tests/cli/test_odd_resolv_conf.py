"""A machine whose ``/etc/resolv.conf`` has odd lines: commands go on, and the doctor names the lines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_transcripts import ROOT, certd, folder

__all__ = ["folder"]

pytestmark = pytest.mark.lab("tmpfs")

ODD = (
    b"nameserver localhost\nnameserver [::1]:53\nsearch a..b\n\xff\xfe\nnameserver 127.0.0.1#53\nnameserver 127.0.0.1\n"
)
IN_ITS_OWN_MOUNTS = 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"'


def certd_with(resolv_conf: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command where ``/etc/resolv.conf`` is another file; nothing outside of the command sees that."""
    command = [sys.executable, "-m", "certd", "--config", str(folder / "certd.toml"), *arguments]
    return subprocess.run(
        ["unshare", "-m", "sh", "-c", IN_ITS_OWN_MOUNTS, "sh", str(resolv_conf), *command],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env={**os.environ, "CERTD_STATE": str(folder / "state")},
    )


def test_check_names_the_lines_that_have_no_effect(folder: Path) -> None:
    """Each check ends in words, with the resolver that is left; the odd lines are a warning of their own."""
    path = folder / "resolv.conf"
    path.write_bytes(ODD)
    said = certd_with(path, folder, "check", "--json")
    assert "Traceback" not in said.stderr
    assert said.returncode == 3, said.stderr
    (host,) = json.loads(said.stdout)["check"]["hosts"]
    found = {finding["code"]: finding for finding in host["findings"]}
    assert found["A11"]["grade"] == "warn"
    for number, text in ((1, "nameserver localhost"), (2, "nameserver [::1]:53"), (5, "nameserver 127.0.0.1#53")):
        assert f'line {number} "{text}" names no IP address' in found["A11"]["words"]
    assert "line 4" in found["A11"]["words"]
    assert "line 3" not in found["A11"]["words"]
    assert found["A11"]["words"].endswith("and ask 127.0.0.1")
    assert "no resolver answers: 127.0.0.1 does not answer" in found["A1"]["words"]


def test_check_with_good_lines(folder: Path) -> None:
    """Nothing is said of a file in which each line has an effect."""
    path = folder / "resolv.conf"
    path.write_text("# by hand\nsearch example.com\noptions edns0 trust-ad\nnameserver 127.0.0.1\n")
    (host,) = json.loads(certd_with(path, folder, "check", "--json").stdout)["check"]["hosts"]
    assert {finding["code"]: finding["grade"] for finding in host["findings"]}["A11"] == "pass"


def test_a_resolver_on_the_command_line(folder: Path) -> None:
    """One that is no address is a mistake of usage."""
    said = certd(folder, "check", "link.example.com", "--esp", "sendgrid", "--resolver", "127.0.0.1#53")
    assert said.returncode == 2
    assert '"127.0.0.1#53" is not an IP address with an optional port' in said.stderr
