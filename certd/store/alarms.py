"""What this node has told of: the node's own table, so that a restart tells nothing twice."""

from __future__ import annotations

from collections.abc import Iterable

from certd.model import ToldAlarm
from certd.store.codec import Body
from certd.store.database import Database

TOLD = Body(ToldAlarm)


class Alarms:
    """By cause."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def told(self) -> dict[str, ToldAlarm]:
        """Every alarm that was told of and is not over; a row that cannot be read is told again."""
        found = {}
        with self._database.reading() as transaction:
            for cause, body in transaction.all("SELECT cause, body FROM alarm"):
                try:
                    found[str(cause)] = TOLD.validate_json(str(body))
                except ValueError:
                    continue
        return found

    def keep(self, books: Iterable[ToldAlarm]) -> None:
        """Exactly these."""
        with self._database.writing() as transaction:
            transaction.execute("DELETE FROM alarm")
            for told in books:
                transaction.execute(
                    "INSERT INTO alarm (cause, body) VALUES (?, ?)",
                    told.alarm.cause,
                    TOLD.dump_json(told).decode(),
                )
