"""Facts as JSON, the way a column holds them.

pydantic compiles a form for each kind of fact, which takes a command's time and a daemon's memory. It does so when the
first of a kind is read or written: most processes never see an open order, a cutover or a rehearsal.
"""

from __future__ import annotations

from functools import cached_property
from typing import Generic, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")


class Body(Generic[T]):
    """One kind of fact."""

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind

    @cached_property
    def _form(self) -> TypeAdapter[T]:
        return TypeAdapter(self._kind)

    def dump_json(self, fact: T) -> bytes:
        """A fact as it is written."""
        return self._form.dump_json(fact)

    def validate_json(self, text: str) -> T:
        """A fact as it was written. Raises ValueError for what is none."""
        return self._form.validate_json(text)
