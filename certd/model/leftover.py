"""What certd has to remove at a provider."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """An object of ours at the provider that is to be removed once its successor is proved by handshake.

    Attributes:
        role: What it is, in the provider's word: ``certificate``, ``private_key``.
        name: The provider's name for it.
        generation: certd's generation that replaces it.
    """

    role: str
    name: str
    generation: str

    def __str__(self) -> str:
        return f"{self.role} {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptLeftover:
    """A leftover with how its removal went so far.

    Attributes:
        failures: Tries in a row that did not remove it.
        try_at: It is not tried again before.
        reason: Why the last try did not remove it; empty before the first.
    """

    link: str
    leftover: Leftover
    failures: int
    try_at: datetime
    reason: str
