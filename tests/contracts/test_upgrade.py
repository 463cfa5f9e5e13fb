"""The state folder of each release, opened by this one; and going back."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from certd.errors import SchemaTooNew, StoreError
from certd.store.provider_ids import Remotes
from certd.store.schema import NODE, SHARED, migrate, version_of
from certd.store.sqlite import SqliteDatabase
from certd.store.stores import open_stores
from certd.store.upgrade import STEPS, Steps, upgrade
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
    ((_, deployment),) = stores.node.deployments()
    assert deployment.served == current.fingerprint
    # What was seen at the endpoints is remembered under its newer name, too.
    assert {seen.fingerprint for seen in deployment.observations} == {current.fingerprint}
    assert version_of(stores.own, "shared") == len(SHARED)
    assert version_of(stores.own, "node") == len(NODE)
    stores.close()


def versions(path: Path) -> dict[str, int]:
    """Of a store's schemas."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return dict(connection.execute("SELECT schema_name, version FROM schema_version"))


def kept(path: Path, before: dict[str, int]) -> list[Path]:
    """The copies that the certd which wrote a store asks for: by the version of each schema that has changed since."""
    return [
        path.with_name(f"{path.name}.v{before[name]}.backup")
        for name, steps in STEPS.items()
        if before[name] < len(steps)
    ]


def test_each_upgrade_leaves_the_way_back(state: Path) -> None:
    """Before the first step the store is copied as it is, both schemas of it, under the names that the older certd asks
    for.
    """
    path = state / "private" / "certd.db"
    before = versions(path)
    open_stores(state / "private", "lab").close()
    assert versions(path) == {name: len(steps) for name, steps in STEPS.items()}
    assert kept(path, before)
    for copy in kept(path, before):
        assert versions(copy) == before
        assert copy.stat().st_mode & 0o777 == 0o600
    assert not [each.name for each in path.parent.iterdir() if "upgrading" in each.name or each.name.startswith(".")]


def broken_off(schema: str, after: int) -> Steps:
    """Steps of which one cannot be made."""
    return {**STEPS, schema: (*STEPS[schema][:after], ("THIS IS NOT SQL",), *STEPS[schema][after + 1 :])}


@pytest.mark.parametrize(("schema", "after"), [("shared", 3), ("node", 2), ("node", 3)])
def test_broken_off_the_way_back_is_kept(state: Path, schema: str, after: int) -> None:
    """An upgrade that ends between two steps is gone on with; the copy is still what was there before the first."""
    path = state / "private" / "certd.db"
    before = versions(path)
    for _ in range(2):
        with contextlib.closing(SqliteDatabase(path)) as own, pytest.raises(StoreError):
            upgrade(own, steps=broken_off(schema, after))
    assert versions(path) != before
    open_stores(state / "private", "lab").close()
    for copy in kept(path, before):
        assert versions(copy) == before


def test_put_back_and_upgraded_again(state: Path) -> None:
    """What the older certd remembered meanwhile is in the second copy, though the first upgrade was broken off."""
    path = state / "private" / "certd.db"
    before = versions(path)
    with contextlib.closing(SqliteDatabase(path)) as own, pytest.raises(StoreError):
        upgrade(own, steps=broken_off("node", 2))
    shutil.copyfile(kept(path, before)[0], path)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO proxy (proxy, body) VALUES ('meanwhile', '')")
    open_stores(state / "private", "lab").close()
    for copy in kept(path, before):
        with contextlib.closing(sqlite3.connect(copy)) as connection:
            assert connection.execute("SELECT count(*) FROM proxy WHERE proxy = 'meanwhile'").fetchone() == (1,)


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


def test_a_newer_schema_of_the_nodes_stops_the_other_one_too(state: Path) -> None:
    """Both are looked at before a step of either is made."""
    path = state / "private" / "certd.db"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE schema_version SET version = 99 WHERE schema_name = 'node'")
    before = versions(path)
    with pytest.raises(SchemaTooNew, match="node schema has version 99"):
        open_stores(state / "private", "lab")
    assert versions(path) == before


def test_the_names_of_before_are_taken_over(tmp_path: Path) -> None:
    """An ARN that an older certd noted is the certificate's name still, and nothing is to be removed there."""
    step = next(number for number, statements in enumerate(NODE) if "DROP TABLE remote" in statements)
    with contextlib.closing(SqliteDatabase(tmp_path / "certd.db")) as own:
        migrate(own, "node", NODE[:step])
        with own.writing() as transaction:
            transaction.execute("INSERT INTO remote (proxy, link, id) VALUES (?, ?, ?)", "cdn", LINK, "arn:aws:acm:x")
        assert migrate(own, "node", NODE) == (step, len(NODE))
        remotes = Remotes(own)
        assert remotes.of("cdn", LINK).names() == {"certificate": "arn:aws:acm:x"}
        assert remotes.of("other", LINK).name("certificate") == ""
        assert remotes.leftovers("cdn") == ()
