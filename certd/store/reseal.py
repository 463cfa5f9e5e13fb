"""Another seal key: every sealed value opened and closed again, row by row, so that it may be broken off anywhere.

A value is replaced only where it is still the one that was read. As long as both keys are known (``seal = [new, old]``)
everything opens at every moment in between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from certd.errors import RowDamaged, SealBroken
from certd.model import Secret
from certd.store.database import Database, Transaction
from certd.store.seal import CHECK, Seal

AT_ONCE = 100

# The link and the generation of a certificate whose key is sought -> its key from elsewhere, or None.
Finder = Callable[[str, str], Secret | None]


@dataclass(frozen=True, slots=True)
class Place:
    """A sealed column; ``row`` is what its values are bound to."""

    table: str
    column: str
    row: str


SHARED_PLACES = (
    Place("orders", "sealed_key", "link"),
    Place("certificate", "sealed_key", "fingerprint"),
    Place("account", "sealed_key", "directory"),
    Place("account", "next_key", "directory"),
)
NODE_PLACES = (Place("copy", "sealed_key", "fingerprint"),)


@dataclass(slots=True)
class Resealed:
    """What was done.

    Attributes:
        found: Certificates whose key came from the disk.
        lost: What opens with no key and lies nowhere else, in words; it was given up.
    """

    count: int = 0
    found: int = 0
    lost: list[str] = field(default_factory=list)


def reseal_all(shared: Database, own: Database, seal: Seal, finder: Finder | None = None) -> Resealed:
    """Close everything with the seal's first key.

    Args:
        finder: Where the old key is lost: looks for a certificate's key elsewhere. What it does not find is given up:
            an order is bought again, an account made anew, a certificate adopted from the disk or ordered.

    Raises:
        SealBroken: something opens with none of the keys, and there is no finder. What was done stays done.
    """
    done = Resealed()
    for database, places in ((shared, SHARED_PLACES), (own, NODE_PLACES)):
        for place in places:
            _reseal(database, place, seal, finder, done)
    for database, table in ((shared, "seal"), (own, "node_seal")):
        with database.writing() as transaction:
            transaction.execute(f"DELETE FROM {table}")
            sealed = seal.close(Secret(CHECK), table, "sealed", "check")
            transaction.execute(f"INSERT INTO {table} (kid, sealed) VALUES (?, ?)", seal.kid, sealed)
    return done


def _reseal(database: Database, place: Place, seal: Seal, finder: Finder | None, done: Resealed) -> None:
    after = ""
    table, column, row = place.table, place.column, place.row
    while True:
        with database.writing() as transaction:
            rows = transaction.all(
                f"SELECT DISTINCT {row}, {column} FROM {table} WHERE {row} > ? AND {column} <> '' "
                f"AND {column} NOT LIKE ? ORDER BY {row} LIMIT {AT_ONCE}",
                after,
                f"c1.{seal.kid}.%",
            )
            for key, sealed in rows:
                name, before = str(key), str(sealed)
                secret = _opened(transaction, place, seal, name, before, finder, done)
                if secret is not None:
                    transaction.execute(
                        f"UPDATE {table} SET {column} = ? WHERE {row} = ? AND {column} = ?",
                        seal.close(secret, table, column, name),
                        name,
                        before,
                    )
                    done.count += 1
        if not rows:
            return
        after = str(rows[-1][0])


def _opened(
    transaction: Transaction, place: Place, seal: Seal, name: str, sealed: str, finder: Finder | None, done: Resealed
) -> Secret | None:
    try:
        return seal.open(sealed, place.table, place.column, name)
    except (SealBroken, RowDamaged):
        if finder is None:
            raise
    if place.table in {"certificate", "copy"}:
        held = transaction.one(f"SELECT link, generation FROM {place.table} WHERE fingerprint = ?", name)
        secret = finder(str(held[0]), str(held[1])) if held else None
        if secret is not None:
            done.found += 1
            return secret
    done.lost.append(_given_up(transaction, place, name))
    return None


def _given_up(transaction: Transaction, place: Place, name: str) -> str:
    """Drop what nobody can open; what it was, in words. What is owed to the DNS stays owed."""
    if place.column == "next_key":
        transaction.execute("UPDATE account SET next_key = '' WHERE directory = ?", name)
        return f"the next key of the account with {name}"
    transaction.execute(f"DELETE FROM {place.table} WHERE {place.row} = ?", name)
    if place.table == "certificate":
        transaction.execute("UPDATE lineage SET current = '' WHERE current = ?", name)
    words = {
        "orders": "the open order of",
        "account": "the account with",
        "certificate": "certificate",
        "copy": "this node's copy of certificate",
    }[place.table]
    return f"{words} {name}"
