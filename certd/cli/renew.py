"""``certd renew``: through the running daemon if there is one, else by itself; never both."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import click

from certd.cli.application import app_of
from certd.cli.consent import consent, is_there
from certd.cli.context import by_of, choose_links, may_work_on, settings_of
from certd.cli.output import complain, is_terminal, printable
from certd.cli.params import LINK
from certd.cli.progress import Progress, progress
from certd.cli.renew_client import Before, Gone, InProcess, RenewClient, ThroughDaemon, is_news
from certd.config.settings import LinkSettings, Settings
from certd.config.types import duration
from certd.control.protocol import Question, Verb, ask
from certd.control.server import CONTROL
from certd.daemon import Daemon
from certd.errors import CertdError, StateTaken, UsageError
from certd.state import become_owner
from certd.status.assess import State
from certd.status.follow import Cost, Seen, costs
from certd.system.clock import SystemClock
from certd.system.journal import LoggingJournal, set_up_default
from certd.timefmt import counted as in_words
from certd.timefmt import when

POLL_SECONDS = 0.2

# Whoever holds the state's lock is about to listen, or about to end.
TAKEN_SECONDS = 20.0

MOST_COSTS_SHOWN = 10


@click.command()
@click.argument("links", nargs=-1, metavar="[LINK]...", type=LINK)
@click.option("--force", is_flag=True, help="Replace the certificate before it is due. Needs a LINK or --all.")
@click.option("--all", "everything", is_flag=True, help="With --force: every link. certd asks for their number.")
@click.option("--count", type=int, help="With --all: the number of links, so that certd does not ask.")
@click.option("--wait", default="10m", show_default=True, metavar="TIME", help="How long to wait until it is served.")
@click.option("--yes", is_flag=True, help="Use the emergency reserve of the CA's weekly limit without asking.")
@click.pass_context
def renew(
    context: click.Context,
    links: tuple[str, ...],
    force: bool,
    everything: bool,
    count: int | None,
    wait: str,
    yes: bool,
) -> int:
    """Renew what is due, or the named links with --force, and wait until they are served.

    If the daemon runs, this command asks it to renew: run it as root or as a member of the admin group
    (certd.admin_group). If the daemon does not run, the command renews by itself: run it as root or as the
    service's user.

    Exit code 0: served. 1: it failed. 3: still pending when the time is over.

    \b
    Examples:
      certd renew
      certd renew link.example.com --force
      certd renew link.example.com click.example.com --force --yes
      certd renew --all --force --count 12 --wait 1h
    """
    if force and not links and not everything:
        raise UsageError(
            "--force needs a link: it spends the CA's weekly allowance",
            hint="certd renew LINK --force, or --all and the count",
        )
    if everything and links:
        raise UsageError("say either --all or the links")
    try:
        patience = duration(wait)
    except ValueError as error:
        raise UsageError(f"--wait: {error}") from error
    settings = settings_of(context)
    wanted = choose_links(settings, links)
    if force and everything:
        confirm_count(len(wanted), count)
    asking = ThroughDaemon(settings.state / CONTROL, by_of(context))
    runs = ask(asking.path, Question(verb=Verb.PING)) is not None
    if not runs:
        may_work_on(settings)
    reserve = not force or confirm_cost(_costs(settings, wanted, asking if runs else None), yes)
    watch = Watch(wanted, force, reserve, time.monotonic() + patience.total_seconds())
    return run_renewal(settings, watch, asking, runs=runs, debug=context.obj["debug"])


def confirm_count(there_are: int, said: int | None) -> None:
    """Replacing everything is confirmed by its count. Raises UsageError."""
    if said is None:
        if not is_there():
            raise UsageError(
                "nobody is there to type the count: this replaces every certificate",
                hint=f"--count {there_are} says it; nothing was changed",
            )
        said = click.prompt(f"This replaces every certificate. Type {there_are}, their count, to go on", type=int)
    if said != there_are:
        there = f"there {'is' if there_are == 1 else 'are'} {in_words(there_are, 'link')}"
        raise UsageError(f"{there}, not {said}", hint="nothing was done")


def confirm_cost(found: Mapping[str, Cost], yes: bool) -> bool:
    """Say what it costs of the CA's allowance; ask when it would take what is kept for an emergency."""
    for link, cost in list(found.items())[:MOST_COSTS_SHOWN]:
        click.echo(f"{link}: {printable(cost.words)}", err=True)
    if len(found) > MOST_COSTS_SHOWN:
        click.echo(f"and {len(found) - MOST_COSTS_SHOWN} more", err=True)
    taking = [link for link, cost in found.items() if cost.takes_reserve]
    if taking:
        consent(f"Spend the reserve of {', '.join(taking[:5])}?", yes=yes)
    return True


def _costs(settings: Settings, wanted: Sequence[LinkSettings], asking: RenewClient | None) -> dict[str, Cost]:
    if asking is not None:
        return asking.costs(wanted)
    app = app_of(settings, sealed=True)
    return costs(app, wanted) if app is not None else {}


def run_renewal(settings: Settings, watch: Watch, asking: ThroughDaemon, *, runs: bool, debug: bool) -> int:
    """Have it done by whoever can; the exit code. A daemon that goes away in the middle leaves it to this process."""
    taken_until = time.monotonic() + TAKEN_SECONDS
    with progress() as shown:
        while True:
            if runs:
                try:
                    return _by_daemon(asking, watch, shown)
                except Gone as gone:
                    # From now on: it may have been followed for long, and another one is being started.
                    taken_until = time.monotonic() + TAKEN_SECONDS
                    is_over = time.monotonic() >= watch.deadline
                    if is_over or not may_work_on(settings, complaining=False):
                        complain(gone)
                        return 3
            try:
                return _by_itself(settings, asking.by, watch, shown, debug=debug)
            except StateTaken:
                # It starts, or somebody else's `certd renew` does it; either listens in a moment.
                runs = ask(asking.path, Question(verb=Verb.PING)) is not None
                if not runs and time.monotonic() > taken_until:
                    raise
                time.sleep(POLL_SECONDS)


def _by_daemon(asking: ThroughDaemon, watch: Watch, shown: Progress) -> int:
    try:
        watch.ask(asking)
        while not watch.is_over(asking, shown):
            time.sleep(POLL_SECONDS)
        return watch.told(shown)
    except KeyboardInterrupt:
        click.echo("certd goes on with it; see `certd status`", err=True)
        raise


def _by_itself(settings: Settings, by: str, watch: Watch, shown: Progress, *, debug: bool) -> int:
    become_owner(settings)
    # On a terminal the steps are shown; the log would say them once more between the lines.
    set_up_default(debug=debug, quiet=is_terminal() and not debug)
    daemon = Daemon(lambda: settings, SystemClock(), LoggingJournal(), os.environ)
    daemon.start()
    try:
        asking = InProcess(daemon.app, by)
        watch.ask(asking)
        daemon.kick()
        daemon.serve(lambda: watch.is_over(asking, shown))
        return watch.told(shown)
    finally:
        daemon.stop()


@dataclass(slots=True)
class Watch:
    """Asks once, watches until everything is served, failed or the time is up, and has the last word.

    Attributes:
        deadline: Of CLOCK_MONOTONIC.
    """

    links: tuple[LinkSettings, ...]
    force: bool
    reserve: bool
    deadline: float
    _before: dict[str, Before] = field(default_factory=dict)
    _last: dict[str, Seen] = field(default_factory=dict)

    def ask(self, asking: RenewClient) -> None:
        """Once for each link: whoever takes over from a daemon that went away finds the request in the store."""
        unasked = [link for link in self.links if link.name not in self._before]
        for before in asking.renew(unasked, force=self.force, reserve=self.reserve):
            self._before |= before

    def is_over(self, asking: RenewClient, shown: Progress) -> bool:
        """Look at what is not settled yet. Raises Gone."""
        unsettled = [link for link in self.links if not self._is_settled(link.name)]
        for seen in asking.look(unsettled):
            self._last[seen.link] = seen
            if not self._is_settled(seen.link):
                is_old = self.force and not is_news(seen, self._before) and not seen.is_ordering
                shown.step(seen.link, seen.waits or "waiting for its turn" if is_old else seen.because or "under way")
        return all(self._is_settled(link.name) for link in self.links) or time.monotonic() >= self.deadline

    def _is_settled(self, name: str) -> bool:
        seen = self._last.get(name)
        if seen is None or seen.state is State.PENDING:
            return False
        return not self.force or is_news(seen, self._before)

    def told(self, shown: Progress) -> int:
        """The last word on each link; the exit code."""
        code = 0
        for link in self.links:
            seen = self._last.get(link.name) or Seen(link=link.name, state=State.PENDING)
            if not self._is_settled(link.name):
                shown.ended(link.name, "still pending", fine=False)
                because = printable(seen.waits or seen.because) or "it goes on in the daemon"
                click.echo(f"{link.name}: still pending: {because}", err=True)
                code = code or 3
            elif seen.state is State.SERVED:
                shown.ended(link.name, "served", fine=True)
                click.echo(f"{link.name}: served until {when(seen.until())}")
            else:
                shown.ended(link.name, "failed", fine=False)
                complain(CertdError(f"{link.name}: {printable(seen.because)}", hint=printable(seen.hint)))
                code = 1
        return code
