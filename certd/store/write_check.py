"""Whether a store that answers can also be written."""

from __future__ import annotations

from certd.errors import StoreError
from certd.store.database import Database
from certd.store.sqlite import SqliteDatabase
from certd.system.disk import why_not_writable

# SQLite does not write a page whose content stays the same, so the value changes; PostgreSQL writes a new row anyway.
_COUNT = (
    "INSERT INTO node_counter (name, value) VALUES ('write check', 1) "
    "ON CONFLICT (name) DO UPDATE SET value = node_counter.value + 1"
)
_SAME = "UPDATE schema_version SET version = version"


def check_writing(database: Database) -> None:
    """Write to a store what nobody reads: SQLite writes the page and its journal to the disk, as for any transaction.

    Raises:
        StoreError: it cannot be written; the words name the cause where it can be seen.
    """
    try:
        with database.writing() as transaction:
            transaction.execute(_COUNT if isinstance(database, SqliteDatabase) else _SAME)
    except StoreError as error:
        cause = write_obstacle(database)
        raise type(error)(f"{error}: the file {cause}" if cause else str(error), hint=error.hint) from error


def write_obstacle(database: Database) -> str:
    """Why the file of a store cannot be written, found without writing; empty when no reason can be seen."""
    return why_not_writable(database.path) if isinstance(database, SqliteDatabase) else ""
