"""Asking before something is destroyed."""

from __future__ import annotations

import sys

import click

from certd.errors import UsageError


def consent(question: str, *, yes: bool) -> None:
    """Return when the answer is yes, given beforehand or now.

    Raises:
        UsageError: There is no terminal, so nobody to ask.
        click.Abort: The answer is no.
    """
    if yes:
        return
    if not is_there():
        raise UsageError(f"nobody is there to be asked: {question}", hint="--yes answers it; nothing was changed")
    click.confirm(question, abort=True, err=True)


def is_there() -> bool:
    """Whether somebody could answer: standard input is a terminal."""
    return sys.stdin.isatty()
