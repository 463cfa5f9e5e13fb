"""The only module that talks to people: errors and hints on standard error, results on standard output.

``certd: error: ...`` without capitals or full stops, then, where we know the way out, ``certd: hint: ...``.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from certd.errors import CertdError

JSON_VERSION = 1


def printable(text: str) -> str:
    """A line of text from outside (a CA, a name server, a proxy) that can neither break lines nor steer a terminal."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in " ".join(text.split()))


def complain(error: CertdError) -> None:
    """An error and its hint."""
    click.echo(f"certd: error: {error}", err=True)
    if error.hint:
        click.echo(f"certd: hint: {error.hint}", err=True)


def warn(message: str) -> None:
    """Something to know, that stops nothing."""
    click.echo(f"certd: warning: {message}", err=True)


def show_json(kind: str, body: Any) -> None:
    """Print a versioned JSON document."""
    click.echo(json.dumps({"version": JSON_VERSION, "kind": kind, kind: body}, indent=2, ensure_ascii=False))


def is_terminal() -> bool:
    """Whether colour and progress make sense."""
    return sys.stdout.isatty()
