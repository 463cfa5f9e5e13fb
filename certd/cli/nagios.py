"""The answers that monitoring systems expect of a plugin: one line, and 0, 1, 2 or 3."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click

from certd.errors import CertdError

WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
MOST_TOLD = 5


def answer(code: int, told: Sequence[str], otherwise: str) -> int:
    """Print the line; returns the code."""
    text = "; ".join(told[:MOST_TOLD]) or otherwise
    more = f"; and {len(told) - MOST_TOLD} more" if len(told) > MOST_TOLD else ""
    click.echo(f"CERTD {WORDS[code]} - {text}{more}".replace("|", "/").replace("\n", " "))
    return code


def guard(call: Callable[[], int]) -> int:
    """What cannot be found out is UNKNOWN, in a line."""
    try:
        return call()
    except CertdError as error:
        return answer(3, [str(error)], "")
