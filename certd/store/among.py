"""Rows of a query by a list of values, however long the list is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from certd.store.database import Row, Transaction, Value

# Values in one statement; SQLite took no more than 999 until version 3.32.
MOST_VALUES = 500


def among(transaction: Transaction, query: str, values: Sequence[str], *first: Value) -> Iterator[Row]:
    """The rows of a query that ends with ``IN``, however many values there are."""
    for start in range(0, len(values), MOST_VALUES):
        some = values[start : start + MOST_VALUES]
        yield from transaction.all(f"{query}({', '.join('?' * len(some))})", *first, *some)
