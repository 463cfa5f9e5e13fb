"""A damaged row: set aside where it can be looked at, and replaced by what its other columns still say."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

from certd.errors import RowDamaged
from certd.model import TxtCleanup
from certd.store.codec import CLEANUP, WINDOW, attempts_of, moment_or_none, order_of, rehearsal_of
from certd.store.database import Row, Transaction, Value
from certd.store.seal import Seal


def repair_lineage(transaction: Transaction, seal: Seal, link: str, now: datetime) -> list[str]:
    """Set aside every row of a lineage that cannot be read; in the caller's transaction, under the lease.

    An order is given up: its certificate is bought again. What is owed to the DNS stays owed, from the row's own
    columns. A certificate is forgotten; what lies on the disk is adopted next.

    Returns:
        What was set aside, in words.

    Raises:
        SealBroken: this node has not got the key; then the row may well be whole.
    """
    words = []
    order = transaction.one("SELECT url, body, sealed_key FROM orders WHERE link = ?", link)
    if order and _is_damaged(_read_order, seal, link, order):
        words.append(_aside(transaction, link, "order", order))
        transaction.execute("DELETE FROM orders WHERE link = ?", link)
    for row in transaction.all("SELECT provider, name, value, body, target, settled_at FROM debt WHERE link = ?", link):
        if _is_damaged(CLEANUP.validate_json, str(row[3])):
            words.append(_aside(transaction, link, "debt", row))
            transaction.execute(
                "UPDATE debt SET body = ? WHERE provider = ? AND name = ? AND value = ?", _rebuilt(row, now), *row[:3]
            )
    lineage = transaction.one("SELECT current, attempt, rehearsal FROM lineage WHERE link = ?", link)
    if lineage and lineage[2] and _is_damaged(rehearsal_of, str(lineage[2])):
        words.append(_aside(transaction, link, "rehearsal", lineage))
        transaction.execute("UPDATE lineage SET rehearsal = '' WHERE link = ?", link)
    if lineage and lineage[1] and _is_damaged(attempts_of, str(lineage[1])):
        words.append(_aside(transaction, link, "attempt", lineage))
        transaction.execute("UPDATE lineage SET attempt = '' WHERE link = ?", link)
    words += _mend_certificates(transaction, seal, link)
    return words


def _read_order(seal: Seal, link: str, row: Row) -> None:
    order_of(str(row[1]), seal.open(str(row[2]), "orders", "sealed_key", link))


def _mend_certificates(transaction: Transaction, seal: Seal, link: str) -> list[str]:
    words = []
    rows = transaction.all(
        "SELECT fingerprint, sealed_key, renewal_window, not_after, issued_at, chain FROM certificate WHERE link = ?",
        link,
    )
    for row in rows:
        fingerprint = str(row[0])
        if _is_damaged(_read_certificate, seal, row):
            words.append(_aside(transaction, link, "certificate", row))
            transaction.execute("DELETE FROM certificate WHERE fingerprint = ?", fingerprint)
            transaction.execute("UPDATE lineage SET current = '' WHERE link = ? AND current = ?", link, fingerprint)
    best = transaction.one(
        "SELECT fingerprint FROM certificate WHERE link = ? ORDER BY not_after DESC, issued_at DESC LIMIT 1", link
    )
    if best is not None:
        transaction.execute("UPDATE lineage SET current = ? WHERE link = ? AND current = ''", best[0], link)
    return words


def _read_certificate(seal: Seal, row: Row) -> None:
    seal.open(str(row[1]), "certificate", "sealed_key", str(row[0]))
    if row[2]:
        WINDOW.validate_json(str(row[2]))
    if not float(row[3] or 0) or not row[5]:
        raise ValueError("no certificate")


def _rebuilt(row: Row, now: datetime) -> str:
    """The debt as its columns tell it, due now: nothing says that an order still needs it."""
    provider, name, value, _, target, settled_at = row
    cleanup = TxtCleanup(
        provider=str(provider),
        name=str(name),
        value=str(value),
        made_at=now,
        target=str(target),
        settle_at=now,
        settled_at=moment_or_none(settled_at),
    )
    return CLEANUP.dump_json(cleanup).decode()


def _is_damaged(read: Callable[..., object], *arguments: object) -> bool:
    try:
        read(*arguments)
    except (ValueError, RowDamaged):
        return True
    return False


def _aside(transaction: Transaction, link: str, kind: str, row: tuple[Value, ...]) -> str:
    transaction.execute(
        "INSERT INTO damaged (at, link, kind, body) VALUES ({now}, ?, ?, ?)", link, kind, json.dumps(row, default=str)
    )
    return kind
