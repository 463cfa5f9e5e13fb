"""Moments, durations and counts in words, for people and for programs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def when(moment: datetime | None) -> str:
    """A time for people, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}" if moment else "-"


def stamp(moment: datetime | None) -> str | None:
    """A time for programs, RFC 3339."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


def span(duration: timedelta) -> str:
    """A duration for people: the two largest units."""
    seconds = int(duration.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    units = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
    parts: list[str] = []
    for name, size in units:
        count, seconds = divmod(seconds, size)
        if count or (name == "s" and not parts):
            parts.append(f"{count}{name}")
    return sign + " ".join(parts[:2])


def counted(number: int, noun: str) -> str:
    """``1 link``, ``2 links``, ``2 addresses``."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"
