"""``certd once``."""

from __future__ import annotations

import os
import time

import click

from certd.cli.context import settings_of
from certd.cli.output import complain
from certd.config.types import duration
from certd.control.protocol import Question, Verb, ask
from certd.control.server import CONTROL
from certd.daemon import Daemon
from certd.errors import CertdError, UsageError
from certd.state import become_owner
from certd.status.assess import LinkStatus, State, assess
from certd.system.clock import SystemClock
from certd.system.journal import LoggingJournal, set_up_default
from certd.timefmt import when

DEFAULT_WAIT = "15m"


@click.command()
@click.option(
    "--wait", default=DEFAULT_WAIT, show_default=True, metavar="TIME", help="The longest time to wait, such as 15m."
)
@click.pass_context
def once(context: click.Context, wait: str) -> int:
    """Do everything that is due, wait until it is served or failed, and exit.

    Exit code 0: everything is served. 1: something failed. 3: something is still pending.

    \b
    Examples:
      certd once
      certd once --wait 30m
    """
    try:
        patience = duration(wait)
    except ValueError as error:
        raise UsageError(f"--wait: {error}") from error
    set_up_default(debug=context.obj["debug"])
    settings = settings_of(context)
    become_owner(settings)
    if ask(settings.state / CONTROL, Question(verb=Verb.PING)) is not None:
        raise CertdError("certd is running here and does it all by itself", hint="see `certd status`")
    clock = SystemClock()
    since = clock.now()
    daemon = Daemon(lambda: settings, clock, LoggingJournal(), os.environ)
    daemon.start()
    deadline = time.monotonic() + patience.total_seconds()

    def statuses() -> list[LinkStatus]:
        return [assess(daemon.app, link, clock.now(), since) for link in settings.links]

    def is_over() -> bool:
        return time.monotonic() >= deadline or all(one.state is not State.PENDING for one in statuses())

    try:
        daemon.serve(is_over)
        ended = statuses()
    finally:
        daemon.stop()
    return report(ended)


def report(ended: list[LinkStatus]) -> int:
    """One line for each link; the exit code."""
    for one in ended:
        until = when(one.facts.current.not_after) if one.facts.current else "-"
        match one.state:
            case State.SERVED:
                click.echo(f"{one.link.name}  served until {until}" + (f"  ({one.because})" if one.because else ""))
            case State.PENDING:
                click.echo(f"{one.link.name}  still pending: {one.because}")
            case State.FAILED:
                complain(CertdError(f"{one.link.name}: {one.because}", hint=one.hint))
    states = {one.state for one in ended}
    if State.FAILED in states:
        return 1
    return 3 if State.PENDING in states else 0
