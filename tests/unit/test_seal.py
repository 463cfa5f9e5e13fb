"""Sealed keys open only where they were sealed, with the key that sealed them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from certd.errors import RowDamaged, SchemaTooNew, SealBroken
from certd.model import Secret
from certd.store.seal import Seal, load_or_make, new_seal_key
from certd.store.sqlite import SqliteDatabase
from certd.store.stores import open_stores

one, two = new_seal_key(), new_seal_key()


def test_it_opens_again() -> None:
    """And shows nothing of itself."""
    sealed = Seal([one]).close(Secret("PRIVATE"), "certificate", "sealed_key", "f1")
    assert sealed.startswith("c1.")
    assert "PRIVATE" not in sealed
    assert Seal([one]).open(sealed, "certificate", "sealed_key", "f1") == Secret("PRIVATE")


@pytest.mark.parametrize(
    "place", [("copy", "sealed_key", "f1"), ("certificate", "chain", "f1"), ("certificate", "sealed_key", "f2")]
)
def test_it_is_bound_to_its_row(place: tuple[str, str, str]) -> None:
    """Moved to another table, column or row it does not open."""
    sealed = Seal([one]).close(Secret("x"), "certificate", "sealed_key", "f1")
    with pytest.raises(RowDamaged, match="changed or moved"):
        Seal([one]).open(sealed, *place)


def test_an_old_key_still_opens() -> None:
    """The first key seals, any opens."""
    sealed = Seal([one]).close(Secret("x"), "t", "c", "r")
    assert Seal([two, one]).open(sealed, "t", "c", "r") == Secret("x")
    with pytest.raises(SealBroken, match="was sealed with key"):
        Seal([two]).open(sealed, "t", "c", "r")


@pytest.mark.parametrize("sealed", ["", "c1.x", "c2.a.b", "c1.00000000.!!!", "plain text"])
def test_rubbish_is_refused(sealed: str) -> None:
    """In words."""
    with pytest.raises(RowDamaged if sealed != "c2.a.b" and "0000" not in sealed else (RowDamaged, SealBroken)):
        Seal([one]).open(sealed, "t", "c", "r")


def test_the_key_file_is_closed_to_strangers(tmp_path: Path) -> None:
    """0600, made once."""
    path = tmp_path / "seal.key"
    key = load_or_make(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_make(path) == key
    assert key.reveal() not in repr(key)


def test_a_wrong_seal_key_opens_no_store(tmp_path: Path) -> None:
    """It is this node's fault, said at the start, before anything is ordered (design.md, Facts, not nodes)."""
    open_stores(tmp_path, "one", seal_keys=[one]).close()
    with pytest.raises(SealBroken, match="does not open the store"):
        open_stores(tmp_path, "one", seal_keys=[two])
    open_stores(tmp_path, "one", seal_keys=[two, one]).close()


def test_a_newer_schema_is_refused_with_the_way_back(tmp_path: Path) -> None:
    """And nothing is changed."""
    open_stores(tmp_path, "one", seal_keys=[one]).close()
    database = SqliteDatabase(tmp_path / "certd.db")
    with database.writing() as transaction:
        transaction.execute("UPDATE schema_version SET version = 99 WHERE schema_name = 'shared'")
    with pytest.raises(SchemaTooNew, match="has version 99") as refused:
        open_stores(tmp_path, "one", seal_keys=[one])
    assert "newer certd" in refused.value.hint
