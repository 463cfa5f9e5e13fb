"""``certd reload``."""

from __future__ import annotations

import click

from certd.cli.context import settings_of
from certd.control.protocol import Question, Verb, ask
from certd.control.server import CONTROL
from certd.errors import CertdError


@click.command()
@click.pass_context
def reload(context: click.Context) -> None:
    """Ask the running daemon to read its configuration again, and print what it says of it.

    \b
    Examples:
      certd reload
    """
    settings = settings_of(context)
    reply = ask(settings.state / CONTROL, Question(verb=Verb.RELOAD), deadline=60.0)
    if reply is None:
        raise CertdError("no certd is running with this state folder", hint="`certd run` starts it")
    if not reply.fine:
        raise CertdError(f"the old configuration stays: {reply.words}")
    click.echo(f"read again: {reply.words}")
