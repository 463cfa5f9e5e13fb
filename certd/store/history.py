"""What happened: append-only, kept for two years. Who, what, which link, why, which certificate of which CA."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from certd.model import Attempt, Certificate
from certd.store.codec import epoch, moment, serial_of
from certd.store.database import Database, Row, Transaction

KEPT = timedelta(days=2 * 365)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened.

    Attributes:
        what: asked, issued, failed, adopted, revoked, forgotten, repaired.
        by: A user (``uid 1000``) or a node.
    """

    at: datetime
    link: str
    what: str
    by: str
    because: str = ""
    issuer: str = ""
    fingerprint: str = ""
    serial: str = ""
    not_after: datetime | None = None


def note(
    transaction: Transaction, link: str, what: str, by: str, because: str = "", certificate: Certificate | None = None
) -> None:
    """Write it down in the transaction that makes it so; by the store's clock."""
    transaction.execute(
        "INSERT INTO event (at, link, what, by_whom, because, issuer, fingerprint, not_after, serial) "
        "VALUES ({now}, ?, ?, ?, ?, ?, ?, ?, ?)",
        link,
        what,
        by,
        because[:1000],
        certificate.issuer if certificate else "",
        certificate.fingerprint if certificate else "",
        epoch(certificate.not_after) if certificate else None,
        serial_of(certificate.chain_pem) if certificate else "",
    )


def note_failure(transaction: Transaction, link: str, by: str, before: Attempt, after: Attempt) -> None:
    """Write down a failed try: the first, another kind, then the 2nd, 4th, 8th, ... in a row. A name server that
    refuses for a week fails thousands of times; that is said by a dozen lines.
    """
    count = after.failures + after.dns_failures
    is_new = count > before.failures + before.dns_failures
    if is_new and (after.kind != before.kind or count & (count - 1) == 0):
        times = f" ({count} in a row)" if count > 1 else ""
        note(transaction, link, "failed", by, f"{after.kind}: {after.message}{times}")


class History:
    """Reading it, and dropping what is older than two years."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def events(self, link: str = "", most: int = 1000) -> list[Event]:
        """The last ones, of a link or of all, the oldest first."""
        columns = "SELECT at, link, what, by_whom, because, issuer, fingerprint, not_after, serial FROM event"
        with self._database.reading() as transaction:
            if link:
                rows = transaction.all(f"{columns} WHERE link = ? ORDER BY at DESC LIMIT ?", link, most)
            else:
                rows = transaction.all(f"{columns} ORDER BY at DESC LIMIT ?", most)
        return [_event(row) for row in reversed(rows)]

    def write(self, link: str, what: str, by: str, because: str = "", *, issuer: str = "") -> None:
        """Something that changed no lineage: an account's key, the seal."""
        with self._database.writing() as transaction:
            transaction.execute(
                "INSERT INTO event (at, link, what, by_whom, because, issuer, fingerprint) "
                "VALUES ({now}, ?, ?, ?, ?, ?, '')",
                link,
                what,
                by,
                because[:1000],
                issuer,
            )

    def prune(self) -> int:
        """Drop what is older than two years; returns how much that was."""
        with self._database.writing() as transaction:
            return transaction.execute("DELETE FROM event WHERE at < {now_once} - ?", KEPT.total_seconds())


def _event(row: Row) -> Event:
    at, link, what, by, because, issuer, fingerprint, not_after, serial = row
    return Event(
        at=moment(at),
        link=str(link),
        what=str(what),
        by=str(by),
        because=str(because),
        issuer=str(issuer),
        fingerprint=str(fingerprint),
        serial=str(serial),
        not_after=moment(not_after) if not_after is not None else None,
    )
