"""What is known of revocations: keys that are never used again, and the certificates that the lists are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from certd.model import Certificate
from certd.store.codec import OPEN_MARK, key_mark, moment
from certd.store.database import Row
from certd.store.lineages import Lineages

AT_ONCE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A certificate that a lineage goes by; its key is not read."""

    link: str
    fingerprint: str
    generation: str
    issuer: str
    chain_pem: str
    not_after: datetime
    url: str = ""
    is_under_repair: bool = False


class Revocations:
    """In the shared store, beside the lineages."""

    def __init__(self, lineages: Lineages) -> None:
        self._lineages = lineages

    def watched(self, after: str = "") -> list[Watched]:
        """The current certificates that are valid and not known as revoked, by link; at most a hundred at a time."""
        with self._lineages.database.reading() as transaction:
            rows = transaction.all(f"{_WATCHED} AND l.link > ? ORDER BY l.link LIMIT ?", after, AT_ONCE)
        return [_watched(row) for row in rows]

    def among(self, links: Sequence[str]) -> list[Watched]:
        """The same of at most a hundred links."""
        marks = ", ".join("?" * len(links))
        with self._lineages.database.reading() as transaction:
            rows = transaction.all(f"{_WATCHED} AND l.link IN ({marks})", *links)
        return [_watched(row) for row in rows]

    def was_replaced_for(self, link: str, mark: str) -> bool:
        """Whether an earlier certificate of a link was replaced because of this one above it."""
        with self._lineages.database.reading() as transaction:
            row = transaction.one(
                "SELECT 1 FROM certificate WHERE link = ? AND revoked_because LIKE ? LIMIT 1", link, f"%{mark}%"
            )
        return row is not None

    def burn(self, certificate: Certificate, because: str) -> None:
        """Its key is never used again, by no link: not for a new order, nor when somebody imports it."""
        with self._lineages.database.writing() as transaction:
            transaction.execute(
                "INSERT INTO burnt_key (mark, at, because) VALUES (?, {now}, ?) ON CONFLICT (mark) DO NOTHING",
                key_mark(certificate.key),
                because,
            )


_WATCHED = (
    "SELECT l.link, c.fingerprint, c.generation, c.issuer, c.chain, c.not_after, c.url, c.chain_repair FROM lineage l "
    "JOIN certificate c ON c.fingerprint = l.current WHERE c.revoked_because = '' AND c.not_after > {now}"
)


def _watched(row: Row) -> Watched:
    link, mark, generation, issuer, chain, not_after, url, repair = row
    return Watched(
        link=str(link),
        fingerprint=str(mark),
        generation=str(generation),
        issuer=str(issuer),
        chain_pem=str(chain),
        not_after=moment(not_after),
        url=str(url),
        is_under_repair=str(repair).startswith(OPEN_MARK),
    )
