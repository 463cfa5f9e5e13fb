"""What certificates are called at providers: this node's own facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from certd.model.remote import Leftover
from certd.store.database import Database


@dataclass(frozen=True, slots=True)
class ProviderIds:
    """The provider's names of one link's objects on one proxy: implements ``ports.RemoteMemory``."""

    database: Database
    proxy: str
    link: str

    def name(self, role: str) -> str:
        """The name of the object of this role; empty where certd made none."""
        with self.database.reading() as transaction:
            row = transaction.one(
                "SELECT id FROM remote_name WHERE proxy = ? AND link = ? AND role = ?", self.proxy, self.link, role
            )
        return str(row[0]) if row else ""

    def keep(self, role: str, name: str) -> None:
        """Remember the name."""
        with self.database.writing() as transaction:
            transaction.execute(
                "INSERT INTO remote_name (proxy, link, role, id) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (proxy, link, role) DO UPDATE SET id = excluded.id",
                self.proxy,
                self.link,
                role,
                name,
            )

    def leave(self, leftover: Leftover) -> None:
        """Note what must be removed later."""
        with self.database.writing() as transaction:
            transaction.execute(
                "INSERT INTO remote_leftover (proxy, link, role, id, generation) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (proxy, link, role, id) DO UPDATE SET generation = excluded.generation",
                self.proxy,
                self.link,
                leftover.role,
                leftover.name,
                leftover.generation,
            )

    def leftovers(self) -> Sequence[Leftover]:
        """What is not removed yet, in the order in which it was noted."""
        with self.database.reading() as transaction:
            rows = transaction.all(
                "SELECT role, id, generation FROM remote_leftover WHERE proxy = ? AND link = ? "
                "ORDER BY generation, role",
                self.proxy,
                self.link,
            )
        return tuple(Leftover(role=str(role), name=str(name), generation=str(made)) for role, name, made in rows)

    def forget(self, leftover: Leftover) -> None:
        """It is gone at the provider."""
        with self.database.writing() as transaction:
            transaction.execute(
                "DELETE FROM remote_leftover WHERE proxy = ? AND link = ? AND role = ? AND id = ?",
                self.proxy,
                self.link,
                leftover.role,
                leftover.name,
            )
