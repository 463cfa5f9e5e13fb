"""Rehearsing the way to a certificate: how it went the last time, and one that is under way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What is known of rehearsals of one lineage.

    Attributes:
        began_at: When the one under way began; None where none is.
        values: Its canaries, TXT values of no meaning; each is a debt like any other.
        look_at, look_count, because: When to look for them again, how often that was done, and what is waited for.
        passed_at, failed_at: The ends of the last ones.
        failures: In a row.
        message, hint: Why the last one failed; empty when it passed.
    """

    began_at: datetime | None = None
    values: tuple[str, ...] = ()
    look_at: datetime | None = None
    look_count: int = 0
    because: str = ""
    passed_at: datetime | None = None
    failed_at: datetime | None = None
    failures: int = 0
    message: str = ""
    hint: str = ""

    @property
    def ended_at(self) -> datetime | None:
        """When the last one ended."""
        return max((at for at in (self.passed_at, self.failed_at) if at is not None), default=None)


NO_REHEARSAL = Rehearsal()
