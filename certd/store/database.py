"""What a store needs of a database: transactions, a clock, and one dialect of SQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

Value = str | int | float | None
Row = tuple[Value, ...]

# Values in one statement; SQLite took no more than 999 until version 3.32.
MOST_VALUES = 500


class Transaction(Protocol):
    """Statements with ``?`` for values and ``{now}`` for the database's own clock.

    ``{now_once}`` is that clock read once for the statement, so that an index can be searched for it. A lease
    is compared with ``{now}``, which is read for each row, and again where another changed the row meanwhile.

    ``{skip_locked}`` at the end of a SELECT locks the rows and passes over those that another transaction holds.
    """

    def execute(self, sql: str, *values: Value) -> int:
        """Run it; returns how many rows it changed."""
        ...

    def all(self, sql: str, *values: Value) -> list[Row]:
        """Every row."""
        ...

    def one(self, sql: str, *values: Value) -> Row | None:
        """The first row."""
        ...


class Database(Protocol):
    """Raises StoreAway when it does not answer, StoreError for all else, such as a full disk."""

    def writing(self) -> AbstractContextManager[Transaction]:
        """A transaction that writes: all of it or nothing, on the disk when it ends."""
        ...

    def reading(self) -> AbstractContextManager[Transaction]:
        """A consistent view."""
        ...

    def glancing(self) -> AbstractContextManager[Transaction]:
        """For one statement, which is consistent by itself: what is asked at each step of an order."""
        ...

    def mark(self) -> str:
        """Taken before reading: while it stays the same, so does what is read. Empty: that cannot be told for less than
        a reading takes. Never waits.
        """
        ...

    def close(self) -> None:
        """Give the connections back."""
        ...


def select_in(transaction: Transaction, query: str, values: Sequence[str], *first: Value) -> Iterator[Row]:
    """The rows of a query that ends with ``IN``, however many values there are."""
    for start in range(0, len(values), MOST_VALUES):
        some = values[start : start + MOST_VALUES]
        yield from transaction.all(f"{query}({', '.join('?' * len(some))})", *first, *some)
