"""Wraps a port so that the process dies at its N-th call, before the call or just after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Died(BaseException):
    """The process is gone: nothing catches it, nothing is cleaned up."""


class Fate:
    """Counts calls over all wrapped ports and kills at one of them.

    Args:
        at: The call to die at, counted from 1; 0 never.
        after: Die when the call has had its effect, instead of before it.
    """

    def __init__(self, at: int = 0, *, after: bool = False) -> None:
        self.at = at
        self.after = after
        self.calls: list[str] = []

    def met(self, name: str, call: Callable[[], Any]) -> Any:
        """Make the call, or die around it."""
        self.calls.append(name)
        fatal = len(self.calls) == self.at
        if fatal and not self.after:
            raise Died(name)
        result = call()
        if fatal:
            raise Died(name)
        return result


class Mortal:
    """Any port, with every method call counted by a fate."""

    def __init__(self, port: Any, name: str, fate: Fate, *, spare: frozenset[str] = frozenset()) -> None:
        self._port = port
        self._name = name
        self._fate = fate
        self._spare = spare

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._port, name)
        if not callable(value) or name in self._spare:
            return value
        return lambda *args, **kwargs: self._fate.met(f"{self._name}.{name}", lambda: value(*args, **kwargs))
