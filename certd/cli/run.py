"""``certd run``."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

import click

from certd.cli.context import path_of, settings_of
from certd.config.settings import Settings
from certd.daemon import Daemon
from certd.errors import StateTaken
from certd.state import become_owner
from certd.system.clock import SystemClock
from certd.system.journal import LoggingJournal, set_up_default
from certd.system.memory import give_back
from certd.system.systemd import notify

# Well below the unit's TimeoutStartSec=.
TAKEN_SECONDS = 240.0


@click.command()
@click.pass_context
def run(context: click.Context) -> None:
    """Run the daemon in the foreground.

    SIGTERM stops it within five seconds. SIGHUP makes it read the configuration again.

    \b
    Examples:
      certd run
      certd --config /etc/certd/certd.toml --debug run
    """
    set_up_default(debug=context.obj["debug"])
    path = path_of(context)
    context.obj["config"] = str(path)

    def load() -> Settings:
        return settings_of(context)

    give_back()
    become_owner(load())
    daemon = Daemon(load, SystemClock(), LoggingJournal(), os.environ)
    _started(daemon, os.environ)
    try:
        daemon.serve()
    finally:
        daemon.stop()


def _started(daemon: Daemon, environment: Mapping[str, str]) -> None:
    """Start it. Under a service manager a command that works on the state just now is waited for, and named: `certd
    renew` goes on by itself when the daemon ends, and a restart by the operator must not fail because of it.

    Raises:
        StateTaken: at once without a service manager, else when it takes longer than an order should.
    """
    deadline = time.monotonic() + TAKEN_SECONDS
    while True:
        try:
            daemon.start()
        except StateTaken as error:
            if time.monotonic() > deadline or not notify(environment, STATUS=f"waiting: {error}"):
                raise
            time.sleep(1)
        else:
            return
