"""The margin is one value: its shares, its words, and everything that derives from it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from certd.planning.margin import HALF, QUARTER, Margin, in_words, left_of_life, nominal_used
from tests.unit.cases import DAY, NOW

ROOT = Path(__file__).resolve().parents[2]

USED = {
    "planned for tomorrow": (Margin(NOW + DAY, NOW + 31 * DAY), -1 / 30),
    "starts now": (Margin(NOW, NOW + 30 * DAY), 0.0),
    "half": (Margin(NOW - 15 * DAY, NOW + 15 * DAY), 0.5),
    "expired": (Margin(NOW - 30 * DAY, NOW), 1.0),
    "no length, before": (Margin(NOW + DAY, NOW + DAY), 0.0),
    "no length, after": (Margin(NOW - DAY, NOW - DAY), 1.0),
}


@pytest.mark.parametrize(("margin", "used"), USED.values(), ids=USED.keys())
def test_the_share_that_is_used(margin: Margin, used: float) -> None:
    """Below 0 before the planned renewal, 1 and more after the expiry."""
    assert margin.used(NOW) == pytest.approx(used)


def test_a_share_and_its_moment_agree() -> None:
    """What is used at the moment of a share is that share."""
    margin = Margin(NOW, NOW + 30 * DAY)
    for share in (0.0, QUARTER, HALF, 1.0):
        assert margin.used(margin.at(share)) == pytest.approx(share)
        assert nominal_used(left_of_life(share)) == pytest.approx(share)
    assert Margin(NOW, NOW - timedelta(days=1)).at(HALF) == NOW


def test_shares_in_words() -> None:
    """A word where there is one, else a percentage."""
    assert [in_words(share) for share in (1 / 3, 0.5, 1 / 6, 0.4)] == ["a third", "half", "a sixth", "40%"]


PROBE = """
import json
from datetime import timedelta
from certd.deployment.rollout import RETURN_SHARE
from certd.planning.alarms import ORPHAN_SHARE
from certd.planning.relax import relax_at
from certd.planning.renewal import is_urgent, latest_start, little_left
from tests.contracts.test_work_store import certificate as stored
from tests.unit.cases import NOW, certificate
from certd.model import CertificateSpec
from certd.store.stores import open_stores
from dataclasses import replace
from pathlib import Path
from datetime import datetime, UTC
import sys
now = datetime.now(UTC)
life = timedelta(days=100)
stores = open_stores(Path(sys.argv[1]), "one")
stores.specs.set([CertificateSpec(link="link.example.com", domains=("link.example.com",))])
(lease,) = stores.lineages.claim(limit=1)
begun = now - 0.7 * life
one = replace(stored(), not_before=begun, issued_at=begun, not_after=begun + life)
stores.lineages.keep(lease, replace(stores.lineages.facts("link.example.com"), current=one))
fresh = certificate(life=life)
print(json.dumps({
    "latest start": (latest_start(NOW, NOW + life) - NOW) / life,
    "words": little_left(fresh),
    "urgent with this share left": [share for share in (0.1, 0.15, 0.18, 0.22)
                                    if is_urgent(fresh, fresh.not_after - share * life)],
    "return": RETURN_SHARE,
    "orphan": ORPHAN_SHARE,
    "gives way": (relax_at(fresh) - fresh.not_before) / life,
    "the store's filter takes one at 0.7 of its life": bool(stores.lineages.troubled()),
}))
"""


@pytest.mark.parametrize("share", ["2 / 3", "3 / 5"])
def test_renewing_at_another_share_is_one_line(share: str, tmp_path: Path) -> None:
    """The rules, the sentences and the store's filter follow ``RENEW_AT``."""
    shutil.copytree(ROOT / "certd", tmp_path / "certd", ignore=shutil.ignore_patterns("__pycache__"))
    source = tmp_path / "certd/planning/margin.py"
    text = source.read_text()
    assert text.count("RENEW_AT = 2 / 3\n") == 1
    source.write_text(text.replace("RENEW_AT = 2 / 3\n", f"RENEW_AT = {share}\n"))
    (tmp_path / "state").mkdir(mode=0o700)
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(tmp_path / "state")],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    at = {"2 / 3": 2 / 3, "3 / 5": 3 / 5}[share]
    assert found["latest start"] == pytest.approx(at + 0.03)
    assert found["words"] == f"less than {in_words(1 - at)} of its life is left"
    assert found["urgent with this share left"] == ([0.1, 0.15] if at > 0.65 else [0.1, 0.15, 0.18])
    assert found["return"] == pytest.approx((1 - at) / 2)
    assert found["orphan"] == pytest.approx((1 - at) * 0.75)
    assert found["gives way"] == pytest.approx(at + 0.03 + (1 - at - 0.03) / 4)
    assert found["the store's filter takes one at 0.7 of its life"] == (at < 0.65)
