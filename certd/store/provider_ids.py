"""What certificates are called at providers: this node's own facts."""

from __future__ import annotations

from certd.store.database import Database


class Remotes:
    """A provider's name for a link's certificate (an ARN), by proxy and link."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, proxy: str, link: str) -> str:
        """The one of this link; empty before the first import."""
        with self._database.reading() as transaction:
            row = transaction.one("SELECT id FROM remote WHERE proxy = ? AND link = ?", proxy, link)
        return str(row[0]) if row else ""

    def keep(self, proxy: str, link: str, name: str) -> None:
        """Remember it."""
        with self._database.writing() as transaction:
            transaction.execute(
                "INSERT INTO remote (proxy, link, id) VALUES (?, ?, ?) "
                "ON CONFLICT (proxy, link) DO UPDATE SET id = excluded.id",
                proxy,
                link,
                name,
            )
