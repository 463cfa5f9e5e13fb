"""What the set-up installs is neither started nor enabled; what was enabled before stays so."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

APT = """#!/bin/sh
echo "apt-get $*" >>"{log}"
[ "$1" = install ] || exit 0
"{policy}" nginx start; echo "policy $?" >>"{log}"
mkdir -p "{units}/multi-user.target.wants" "{units}/timers.target.wants"
ln -sf /lib/systemd/system/nginx.service "{units}/multi-user.target.wants/nginx.service"
ln -sf /lib/systemd/system/certbot.timer "{units}/timers.target.wants/certbot.timer"
exit {code}
"""
SYSTEMCTL = """#!/bin/sh
echo "systemctl $*" >>"{log}"
[ "$3" = certbot.timer ] && exit 1
rm "{units}"/*.wants/"$3"
"""


@pytest.mark.parametrize("code", [0, 100])
@pytest.mark.parametrize("has_policy", [False, True])
def test_no_service_is_left_enabled(tmp_path: Path, code: int, has_policy: bool) -> None:
    """Not even when apt fails half-way; a policy of the operator's is kept, and so are his services."""
    units, policy, log = tmp_path / "units", tmp_path / "policy-rc.d", tmp_path / "log"
    wants = units / "multi-user.target.wants"
    wants.mkdir(parents=True)
    (wants / "ssh.service").symlink_to("/lib/systemd/system/ssh.service")
    if has_policy:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    for name, text in (("apt-get", APT), ("systemctl", SYSTEMCTL)):
        program = tmp_path / name
        program.write_text(text.format(log=log, units=units, policy=policy, code=code))
        program.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "UNITS": str(units), "POLICY": str(policy)}
    argv = [str(ROOT / "tests/lab/install-packages"), "nginx-light", "certbot"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr
    assert [path.name for path in units.rglob("*.*") if path.is_symlink()] == ["ssh.service"]
    said = log.read_text()
    assert "policy 101" in said
    assert "install -y -qq --no-install-recommends nginx-light certbot" in said
    assert policy.exists() == has_policy


def test_the_set_up_installs_in_no_other_way() -> None:
    """Its one call of apt-get is that script's; what the tests call by name is named there."""
    text = (ROOT / "tests/lab/setup").read_text()
    assert "apt-get install" not in text
    assert 'tests/lab/install-packages "${missing[@]}"' in text
    assert "need curl curl" in text
    assert "python3-venv" in text
