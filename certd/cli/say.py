"""The only module that talks to people: errors and hints on standard error, results on standard output.

``certd: error: ...`` without capitals or full stops, then, where we know the way out, ``certd: hint: ...``.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from certd.errors import CertdError

JSON_VERSION = 1


def complain(error: CertdError) -> None:
    """An error and its hint."""
    click.echo(f"certd: error: {error}", err=True)
    if error.hint:
        click.echo(f"certd: hint: {error.hint}", err=True)


def warn(message: str) -> None:
    """Something to know, that stops nothing."""
    click.echo(f"certd: warning: {message}", err=True)


def show_json(kind: str, body: Any) -> None:
    """A versioned JSON document."""
    click.echo(json.dumps({"version": JSON_VERSION, "kind": kind, kind: body}, indent=2, ensure_ascii=False))


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


def is_terminal() -> bool:
    """Whether colour and progress make sense."""
    return sys.stdout.isatty()
