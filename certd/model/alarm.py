"""What an operator must hear of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum


class Level(IntEnum):
    """How loud: shares of the margin that are gone (DESIGN part 3)."""

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
        lines = [f"{alarm.subject}: {alarm.words}"]
        if alarm.good_until is not None:
            lines.append(f"Good until: {_when(alarm.good_until)}")
        if alarm.next_step:
            lines.append(f"Next: {alarm.next_step}")
        if alarm.hint:
            lines.append(f"You can: {alarm.hint}")
        return "\n".join([*lines, f"Since: {_when(self.since)}"])


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%SZ}"
