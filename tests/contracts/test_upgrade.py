"""The state folder of each release, opened by this one; and going back."""

from __future__ import annotations

import shutil
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from certd.errors import SchemaTooNew
from certd.store.opening import open_stores
from certd.store.schema import NODE, SHARED, version_of
from certd.targets.layout import Layout

FIXTURES = Path(__file__).parents[1] / "fixtures"
LINK = "link.example.test"


@pytest.fixture(params=sorted(path.name for path in FIXTURES.glob("state-*")))
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a release's state folder."""
    copy = tmp_path / "state"
    shutil.copytree(FIXTURES / request.param, copy, symlinks=True)
    (copy / "private").chmod(0o700)
    for path in (copy / "private").iterdir():
        path.chmod(0o600)
    return copy


def test_a_releases_state_opens(state: Path) -> None:
    """Every step is made, the key opens, and what is remembered is what lies on the disk."""
    stores = open_stores(state / "private", "lab")
    current = stores.lineages.facts(LINK).current
    assert current is not None
    (live,) = Layout(state / "public").generations(LINK, datetime.now(UTC))
    assert current.fingerprint == live.fingerprint
    kept = stores.node.certificate(LINK, live.generation)
    assert kept is not None
    assert kept.key.reveal() == live.key.reveal()
    assert [deployment.served for _, deployment in stores.node.deployments()] == [current.fingerprint]
    assert version_of(stores.own, "shared") == len(SHARED)
    assert version_of(stores.own, "node") == len(NODE)
    stores.close()


def test_each_upgrade_leaves_the_way_back(state: Path) -> None:
    """Before a step the store is copied, named after the version that it had; the copy has that version."""
    with sqlite3.connect(state / "private" / "certd.db") as connection:
        before = dict(connection.execute("SELECT schema_name, version FROM schema_version"))
    open_stores(state / "private", "lab").close()
    for schema, steps in (("shared", SHARED), ("node", NODE)):
        if before[schema] < len(steps):
            copy = state / "private" / f"certd.db.v{before[schema]}.backup"
            with sqlite3.connect(copy) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_newer_store_is_refused_and_untouched(state: Path) -> None:
    """A certd that is older than the store says so, names the way back, and changes nothing."""
    open_stores(state / "private", "lab").close()
    path = state / "private" / "certd.db"
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE schema_version SET version = version + 1 WHERE schema_name = 'shared'")
    before = path.read_bytes()
    with pytest.raises(SchemaTooNew) as refused:
        open_stores(state / "private", "lab")
    assert f"has version {len(SHARED) + 1}, this certd knows {len(SHARED)}" in str(refused.value)
    assert "install the newer certd again" in refused.value.hint
    assert path.read_bytes() == before
