"""The official Python clients drive the stand-ins that certd's adapters are tested against: both must agree."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.lab.cdn import KINDS, TOKEN, Cloudflare, Fastly, KeyCdn
from tests.lab.certificates import make_ca, make_leaf

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".lab" / "vendors" / "bin" / "python"
LINK = "link.example.com"

pytestmark = pytest.mark.skipif(
    not os.environ.get("CERTD_TEST_VENDORS"), reason="`make test-vendors` runs it: it installs the vendors' clients"
)


@pytest.mark.parametrize("kind", KINDS)
def test_the_vendors_own_client(kind: str, tmp_path: Path) -> None:
    """It uploads, reads back and lists, and understands each answer."""
    ca = make_ca("Intermediate", make_ca("Root"))
    for name in ("one", "two"):
        leaf = make_leaf(ca, LINK)
        (tmp_path / f"{name}.pem").write_text(leaf.pem + ca.pem)
        (tmp_path / f"{name}.key").write_text(leaf.key.reveal())
    with KINDS[kind]() as cdn:
        done = subprocess.run(
            [
                str(PYTHON),
                str(Path(__file__).with_name("drive.py")),
                kind,
                cdn.url,
                TOKEN,
                getattr(cdn, "zone", ""),
                str(tmp_path),
            ],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        said: dict[str, Any] = json.loads(done.stdout)
        match cdn:
            case Cloudflare(held=held):
                assert said["edited"] != said["made"]
                assert said["listed"] == [said["edited"]] == list(held)
                assert (said["hosts"], said["status"]) == ([LINK], "active")
            case Fastly(certificates=certificates, keys=keys):
                assert said["listed"] == said["made"]
                assert said["active"] == [said["new"]] == list(certificates)
                assert len(keys) == 1
            case KeyCdn(held=one):
                assert (said["put"], said["got"]) == ("success", "success")
                assert one is not None
