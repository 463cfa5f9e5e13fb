"""A value that must never print: private keys, TSIG secrets, HMAC keys."""

from __future__ import annotations


class Secret:
    """Text that shows nothing of itself in logs, tracebacks and ``repr``.

    ``reveal`` is the only way to it, so that every use can be found by its name.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is never pickled")


class Unopened(Secret):
    """A sealed value in a process that was not given the seal's key: all else can be read without it.

    Args:
        why: Raised by whatever needs the value itself.
    """

    __slots__ = ("_why",)

    def __init__(self, why: Exception) -> None:
        super().__init__("")
        self._why = why

    def reveal(self) -> str:
        """Raises why not."""
        raise self._why

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = Secret.__hash__
