"""A CA's limits, and what an order takes from them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One of a CA's limits: a bucket that holds ``most`` and refills evenly in ``per``.

    Attributes:
        kind: Of what: ``orders`` of the account, certificates of one registered ``domain`` or of exactly these
            ``names``, ``failures`` to validate one name.
        reserve: How many only an operator or an emergency may take.
    """

    kind: str
    most: int
    per: timedelta
    reserve: int = 0

    @property
    def interval(self) -> timedelta:
        """One comes back after so long."""
        return self.per / self.most


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What an order takes from one bucket: of which limit, and whose."""

    limit: Limit
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """When it will be full again: by what was spent, and by what was promised."""

    spent: datetime
    queued: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The answer to an order that would begin.

    Attributes:
        at: When; not after now: at once.
        because: Which limit makes it wait.
        buckets: As they are afterwards.
        slot: The slot to come back with; None: no slot is held.
    """

    at: datetime
    because: str
    buckets: tuple[Bucket, ...]
    slot: datetime | None = None
