"""What certd's objects are called at providers, and which of them are to be removed: this node's own facts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from certd.model import KeptLeftover, Leftover
from certd.store.codec import epoch, moment
from certd.store.database import Database


class Remotes:
    """The memory of every link at every provider."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, proxy: str, link: str) -> RemoteRows:
        """What is remembered of one link at one provider."""
        return RemoteRows(self._database, proxy, link)

    def leftovers(self, proxy: str) -> tuple[KeptLeftover, ...]:
        """Those of all links of a proxy, oldest first."""
        with self._database.reading() as transaction:
            rows = transaction.all(
                "SELECT link, role, name, generation, failures, try_at, reason FROM remote_leftover "
                "WHERE proxy = ? ORDER BY noted, link, role, name",
                proxy,
            )
        return tuple(
            KeptLeftover(
                link=str(link),
                leftover=Leftover(role=str(role), name=str(name), generation=str(generation)),
                failures=int(failures or 0),
                try_at=moment(try_at),
                reason=str(reason),
            )
            for link, role, name, generation, failures, try_at, reason in rows
        )

    def put_off(self, proxy: str, link: str, leftover: Leftover, *, until: datetime, reason: str) -> None:
        """Note that a removal failed, why, and when it is tried again."""
        with self._database.writing() as transaction:
            transaction.execute(
                "UPDATE remote_leftover SET failures = failures + 1, try_at = ?, reason = ? "
                "WHERE proxy = ? AND link = ? AND role = ? AND name = ?",
                epoch(until),
                reason,
                proxy,
                link,
                leftover.role,
                leftover.name,
            )


class RemoteRows:
    """One link at one provider: implements ``targets.remote.RemoteMemory``."""

    def __init__(self, database: Database, proxy: str, link: str) -> None:
        self._database = database
        self._key = (proxy, link)

    def name(self, role: str) -> str:
        """See ``RemoteMemory``."""
        return self.names().get(role, "")

    def names(self) -> dict[str, str]:
        """The provider's names by role."""
        with self._database.reading() as transaction:
            rows = transaction.all(
                "SELECT role, name FROM remote_name WHERE proxy = ? AND link = ? ORDER BY role", *self._key
            )
        return {str(role): str(name) for role, name in rows}

    def keep(self, role: str, name: str) -> None:
        """See ``RemoteMemory``."""
        with self._database.writing() as transaction:
            transaction.execute(
                "INSERT INTO remote_name (proxy, link, role, name) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (proxy, link, role) DO UPDATE SET name = excluded.name",
                *self._key,
                role,
                name,
            )

    def leave(self, leftover: Leftover) -> None:
        """See ``RemoteMemory``; what is noted already gets the newer generation and is tried at once."""
        with self._database.writing() as transaction:
            transaction.execute(
                "INSERT INTO remote_leftover (proxy, link, role, name, generation, noted) "
                "VALUES (?, ?, ?, ?, ?, {now}) "
                "ON CONFLICT (proxy, link, role, name) "
                "DO UPDATE SET generation = excluded.generation, failures = 0, try_at = 0, reason = ''",
                *self._key,
                leftover.role,
                leftover.name,
                leftover.generation,
            )

    def leftovers(self) -> Sequence[Leftover]:
        """See ``RemoteMemory``."""
        with self._database.reading() as transaction:
            rows = transaction.all(
                "SELECT role, name, generation FROM remote_leftover WHERE proxy = ? AND link = ? "
                "ORDER BY noted, role, name",
                *self._key,
            )
        return [Leftover(role=str(role), name=str(name), generation=str(made)) for role, name, made in rows]

    def forget(self, leftover: Leftover) -> None:
        """See ``RemoteMemory``."""
        with self._database.writing() as transaction:
            transaction.execute(
                "DELETE FROM remote_leftover WHERE proxy = ? AND link = ? AND role = ? AND name = ?",
                *self._key,
                leftover.role,
                leftover.name,
            )
