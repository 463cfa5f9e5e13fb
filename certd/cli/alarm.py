"""``certd alarm test``."""

from __future__ import annotations

import click

from certd.app import App
from certd.cli.context import settings_of
from certd.cli.output import complain
from certd.errors import AlarmFailed, UsageError
from certd.model import Alarm, Level, Notice
from certd.state import prepare_state, stores_of
from certd.system.clock import SystemClock
from certd.system.journal import LoggingJournal


@click.group()
def alarm() -> None:
    """What tells you when something is wrong.

    \b
    Examples:
      certd alarm test
    """


@alarm.command("test")
@click.pass_context
def test(context: click.Context) -> int:
    """Send a test message through every channel of [alarms] and its routes. Exit code 0: all of them accepted it.

    \b
    Examples:
      certd alarm test
    """
    settings = settings_of(context)
    prepare_state(settings)
    app = App(settings, stores_of(settings), SystemClock(), LoggingJournal())
    if not app.alarm_routes.channels:
        raise UsageError("there is no channel to test", hint="set webhook, smtp, command or apprise in [alarms]")
    alarm = Alarm(
        cause="test",
        level=Level.NOTE,
        subject=settings.node,
        words="this is a test of certd's alarms",
        hint="nothing: it got through",
    )
    failed = 0
    for channel in app.alarm_routes.channels:
        try:
            channel.tell(Notice(alarm=alarm, since=app.clock.now()))
            click.echo(f"{channel.name}: told")
        except AlarmFailed as error:
            complain(error)
            failed += 1
    return 1 if failed else 0
