"""Who works on what, and what is away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Who may write a subject's facts, and until when (the store's clock).

    ``generation`` counts claims: it fences a holder that froze (design.md, Fenced).
    """

    subject: str
    owner: str
    generation: int
    dependency: str
    taken_over: bool
    crashes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyState:
    """A lane that is away: one fact, one probe at a time."""

    dependency: str
    away_since: datetime
    probe_at: datetime
    failures: int
    because: str
