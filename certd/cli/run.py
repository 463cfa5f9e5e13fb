"""``certd run``."""

from __future__ import annotations

import os

import click

from certd.cli.opening import become_owner, path_of, settings_of
from certd.config.settings import Settings
from certd.daemon import Daemon
from certd.system.clock import SystemClock
from certd.system.journal import LoggingJournal, set_up_default


@click.command()
@click.pass_context
def run(context: click.Context) -> None:
    """The daemon, in the foreground.

    SIGTERM ends it within five seconds, SIGHUP reads the configuration again.
    """
    set_up_default(debug=context.obj["debug"])
    path = path_of(context)
    context.obj["config"] = str(path)

    def load() -> Settings:
        return settings_of(context)

    settings = load()
    become_owner(settings)
    daemon = Daemon(load, SystemClock(), LoggingJournal(), os.environ)
    daemon.start()
    try:
        daemon.serve()
    finally:
        daemon.stop()
