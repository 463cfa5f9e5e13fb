"""The units are what systemd takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

UNITS = Path(__file__).resolve().parents[1] / "systemd"


@pytest.mark.lab("systemd-analyze")
def test_the_unit_is_verified(tmp_path: Path) -> None:
    """``systemd-analyze verify`` has nothing to say, once the program is there."""
    text = (UNITS / "certd.service").read_text().replace("/opt/certd/bin/certd", sys.executable)
    unit = tmp_path / "certd.service"
    unit.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60
    )
    complaints = [line for line in done.stderr.splitlines() if "certd.service" in line]
    assert complaints == []
    assert done.returncode == 0, done.stderr
