"""The units are what systemd takes, and as closed as is promised."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

UNITS = Path(__file__).resolve().parents[1] / "systemd"

# Exposure by systemd 252, times ten: the network-facing daemon, and the helper that is root.
PROMISED = {"certd.service": 12, "certd-reload@.service": 7}


def runnable(unit: str, folder: Path) -> Path:
    """A copy that names a program that exists here, and an instance where it is a template."""
    text = (UNITS / unit).read_text()
    for program in ("/opt/certd/bin/certd-reload", "/opt/certd/bin/certd"):
        text = text.replace(program, sys.executable)
    path = folder / unit.replace("@.", "@nginx.")
    path.write_text(text)
    return path


@pytest.mark.lab("systemd-analyze")
@pytest.mark.parametrize("unit", [path.name for path in sorted(UNITS.glob("certd*.*"))])
def test_the_unit_is_verified(unit: str, tmp_path: Path) -> None:
    """``systemd-analyze verify`` has nothing to say, once the program is there."""
    for path in UNITS.glob("certd*.*"):
        runnable(path.name, tmp_path)
    wanted = tmp_path / unit.replace("@.", "@nginx.")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(wanted)], capture_output=True, text=True, timeout=60
    )
    complaints = [line for line in done.stderr.splitlines() if "certd" in line]
    assert complaints == []
    assert done.returncode == 0, done.stderr


@pytest.mark.lab("systemd-analyze")
@pytest.mark.parametrize(("unit", "promised"), PROMISED.items())
def test_the_exposure_is_what_is_promised(unit: str, promised: int, tmp_path: Path) -> None:
    """``systemd-analyze security --offline=true --threshold``; what keeps it from less is named when it fails."""
    argv = ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={promised}"]
    done = subprocess.run([*argv, str(runnable(unit, tmp_path))], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, "\n".join(line for line in done.stdout.splitlines() if "✓" not in line)


@pytest.mark.lab("systemd-analyze")
def test_no_capability_and_no_network_for_the_helper(tmp_path: Path) -> None:
    """What the score does not say by itself."""
    argv = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--json=short"]
    done = subprocess.run(
        [*argv, str(runnable("certd-reload@.service", tmp_path))], capture_output=True, text=True, timeout=60
    )
    judged = {each["json_field"]: each["set"] for each in json.loads(done.stdout)}
    assert judged["PrivateNetwork"] is True
    assert all(is_set for name, is_set in judged.items() if name.startswith("CapabilityBoundingSet"))
