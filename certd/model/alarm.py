"""What an operator must hear of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

# Where an alarm is not about what clients get.
NOT_KNOWN = "this alarm does not say; what is served goes on being served, see `certd status`"


class Level(IntEnum):
    """How loud: shares of the margin that are gone (docs/design.md, Alarms)."""

    NOTE = 1
    WARNING = 2
    PAGE = 3
    LAST_PAGE = 4

    @property
    def word(self) -> str:
        """For people."""
        return {1: "note", 2: "warning", 3: "page", 4: "page"}[self.value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One cause.

    Attributes:
        cause: Stable for as long as it lasts: it is told once, again when it gets louder, and daily.
        words: What is wrong.
        good_until: Until when clients are served well; None where they are not, or where it does not matter.
        next_step: What certd does next, and when.
        hint: What the operator can do now.
    """

    cause: str
    level: Level
    subject: str
    words: str
    good_until: datetime | None = None
    next_step: str = ""
    hint: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldAlarm:
    """What was told of a cause."""

    alarm: Alarm
    since: datetime
    told_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One message: an alarm, or its end."""

    alarm: Alarm
    since: datetime
    is_over: bool = False

    @property
    def title(self) -> str:
        """One line."""
        if self.is_over:
            return f"all clear: {self.alarm.subject}"
        return f"{self.alarm.level.word}: {self.alarm.subject}: {self.alarm.words}"

    @property
    def text(self) -> str:
        """Everything, for people."""
        alarm = self.alarm
        if self.is_over:
            return f"{alarm.subject}: all clear. It was: {alarm.words} (since {_when(self.since)})"
        good = _when(alarm.good_until) if alarm.good_until is not None else NOT_KNOWN
        return "\n".join(
            [
                f"{alarm.subject}: {alarm.words}",
                f"Good until: {good}",
                f"Next: {self.next_step}",
                f"You can: {self.hint}",
                f"Since: {_when(self.since)}",
            ]
        )

    @property
    def next_step(self) -> str:
        """What certd does next, and when: it looks at everything that is wrong every half a minute."""
        return self.alarm.next_step or "certd looks again within a minute"

    @property
    def hint(self) -> str:
        """What the operator can do now."""
        return self.alarm.hint or f"see `certd status` for what stands in the way ({self.alarm.subject})"


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%SZ}"
