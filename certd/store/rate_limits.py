"""The CAs' limits as the store mirrors them: what each takes, and who has a slot when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from certd.model import Bucket, Need, Turn
from certd.planning.rate_limits import charge, refund, take
from certd.store.codec import epoch, epoch_or_none, moment, moment_or_none
from certd.store.database import Transaction

FORGET_AFTER_SECONDS = 8 * 86400.0


def take_turn(transaction: Transaction, link: str, issuer: str, needs: Sequence[Need], *, urgent: bool) -> Turn:
    """Take from every bucket, or get a slot; the rows are locked in the order of the needs."""
    now = store_now(transaction)
    buckets = [_locked(transaction, issuer, need) for need in needs]
    row = transaction.one("SELECT at FROM slot WHERE link = ? AND issuer = ?", link, issuer)
    turn = take(needs, buckets, now, urgent=urgent, slot=moment_or_none(row[0]) if row else None)
    for need, bucket in zip(needs, turn.buckets, strict=True):
        _keep(transaction, issuer, need, bucket)
    if turn.slot is None:
        transaction.execute("DELETE FROM slot WHERE link = ?", link)
    else:
        transaction.execute(
            "INSERT INTO slot (link, issuer, at) VALUES (?, ?, ?) "
            "ON CONFLICT (link) DO UPDATE SET issuer = excluded.issuer, at = excluded.at",
            link,
            issuer,
            epoch_or_none(turn.slot),
        )
    return turn


def charge_all(transaction: Transaction, issuer: str, needs: Sequence[Need]) -> None:
    """Spend one of each."""
    now = store_now(transaction)
    for need in needs:
        _keep(transaction, issuer, need, charge(need, _locked(transaction, issuer, need), now))


def refund_all(transaction: Transaction, issuer: str, needs: Sequence[Need]) -> None:
    """Give one of each back."""
    for need in needs:
        _keep(transaction, issuer, need, refund(need, _locked(transaction, issuer, need)))


def buckets_of(transaction: Transaction, issuer: str, needs: Sequence[Need]) -> list[Bucket]:
    """As they are now; one that nobody has taken from is full."""
    now = store_now(transaction)
    found = []
    for need in needs:
        row = transaction.one(
            "SELECT spent, queued FROM bucket WHERE issuer = ? AND kind = ? AND subject = ?",
            issuer,
            need.limit.kind,
            need.subject,
        )
        found.append(Bucket(spent=moment(row[0]), queued=moment(row[1])) if row else Bucket(spent=now, queued=now))
    return found


def prune_budgets(transaction: Transaction) -> None:
    """What is full again tells nothing any more."""
    transaction.execute(
        "DELETE FROM bucket WHERE spent < {now} - ? AND queued < {now} - ?", FORGET_AFTER_SECONDS, FORGET_AFTER_SECONDS
    )
    transaction.execute("DELETE FROM slot WHERE at < {now} - ?", FORGET_AFTER_SECONDS)


def store_now(transaction: Transaction) -> datetime:
    """The store's own clock."""
    row = transaction.one("SELECT {now}")
    return moment(row[0] if row else 0.0)


def _locked(transaction: Transaction, issuer: str, need: Need) -> Bucket:
    """Read after a write that changes nothing, so that no two nodes take the same one."""
    transaction.execute(
        "INSERT INTO bucket (issuer, kind, subject, spent, queued) VALUES (?, ?, ?, {now}, {now}) "
        "ON CONFLICT (issuer, kind, subject) DO UPDATE SET spent = bucket.spent",
        issuer,
        need.limit.kind,
        need.subject,
    )
    (found,) = buckets_of(transaction, issuer, [need])
    return found


def _keep(transaction: Transaction, issuer: str, need: Need, bucket: Bucket) -> None:
    transaction.execute(
        "UPDATE bucket SET spent = ?, queued = ? WHERE issuer = ? AND kind = ? AND subject = ?",
        epoch(bucket.spent),
        epoch(bucket.queued),
        issuer,
        need.limit.kind,
        need.subject,
    )
