"""``certd renew``: through the running daemon if there is one, else by itself; never both."""

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import click

from certd.app import App
from certd.cli.opening import app_of, become_owner, chosen, settings_of
from certd.cli.say import complain, is_terminal, when
from certd.config.settings import LinkSettings, Settings
from certd.config.words import duration
from certd.control import Question, Verb, ask
from certd.daemon import Daemon
from certd.daemon.run import CONTROL
from certd.errors import CertdError, UsageError
from certd.model import Request
from certd.planning.policies import allowance_spent
from certd.standing import State, standing
from certd.system.clock import SystemClock
from certd.system.journal import LoggingJournal, set_up_default

POLL_SECONDS = 0.2

# Fingerprint of the current certificate, and when the last failure was.
Before = tuple[str, datetime | None]


@click.command()
@click.argument("links", nargs=-1, metavar="[LINK]...")
@click.option("--force", is_flag=True, help="Replace the certificate although it is not due. Needs a LINK.")
@click.option("--wait", default="10m", show_default=True, metavar="TIME", help="How long to wait until it is served.")
@click.option("--yes", is_flag=True, help="Do not ask before spending the CA's weekly reserve.")
@click.pass_context
def renew(context: click.Context, links: tuple[str, ...], force: bool, wait: str, yes: bool) -> int:
    """Renew what is due, or with --force the named links, and wait until they are served.

    Exit code 0: served. 1: it failed. 3: still pending when the time was up.
    """
    if force and not links:
        raise UsageError("--force needs a link: it spends the CA's weekly allowance", hint="certd renew LINK --force")
    try:
        patience = duration(wait)
    except ValueError as error:
        raise UsageError(f"--wait: {error}") from error
    settings = settings_of(context)
    wanted = chosen(settings, links)
    become_owner(settings)
    if force:
        _warn_of_allowance(settings, wanted, yes)
    names = tuple(link.name for link in wanted)
    before = _as_it_is(settings, wanted) if force else None
    reply = ask(settings.state / CONTROL, Question(verb=Verb.RENEW, links=names, force=force))
    watch = Watch(wanted, before, time.monotonic() + patience.total_seconds())
    if reply is None:
        return _by_itself(settings, wanted, force, watch, debug=context.obj["debug"])
    if not reply.fine:
        raise CertdError(reply.words)
    app = app_of(settings)
    if app is None:
        raise CertdError("the daemon runs with another state folder", hint="is --config the daemon's?")
    while not watch.is_over(app):
        time.sleep(POLL_SECONDS)
    return watch.told(app)


def _by_itself(settings: Settings, wanted: tuple[LinkSettings, ...], force: bool, watch: Watch, *, debug: bool) -> int:
    set_up_default(debug=debug)
    clock = SystemClock()
    daemon = Daemon(lambda: settings, clock, LoggingJournal(), os.environ)
    daemon.start()
    try:
        if force:
            for link in wanted:
                request = Request(by=getpass.getuser(), at=clock.now())
                daemon.app.stores.lineages.request(link.name, request)
            daemon.kick()
        daemon.serve(lambda: watch.is_over(daemon.app))
        return watch.told(daemon.app)
    finally:
        daemon.stop()


def _as_it_is(settings: Settings, wanted: tuple[LinkSettings, ...]) -> dict[str, Before]:
    """By identity and not by time: the clock may have been set since the last renewal."""
    app = app_of(settings)
    found = {}
    for link in wanted:
        if app is None:
            break
        facts = app.stores.lineages.facts(link.name)
        found[link.name] = (facts.current.fingerprint if facts.current else "", facts.attempt.failed_at)
    return found


def _warn_of_allowance(settings: Settings, wanted: tuple[LinkSettings, ...], yes: bool) -> None:
    """Say what it costs, and ask when it would take what is kept for an emergency."""
    app = app_of(settings)
    if app is None:
        return
    now = app.clock.now()
    for link in wanted:
        facts = app.stores.lineages.facts(link.name)
        wish = app.wish(link.name, facts)
        limit = wish.issuer.weekly_same_names if wish else 0
        if wish is None or not limit:
            continue
        spent = len(facts.issued_lately)
        click.echo(f"{link.name}: {wish.issuer.name} allows {limit} certificates a week for these names; {spent} spent")
        if allowance_spent(wish, facts, now) is not None and not yes:
            click.confirm("This takes the reserve that is kept for an emergency. Go on?", abort=True)


@dataclass(slots=True)
class Watch:
    """Watches links until they are served, and says each step once.

    Attributes:
        before: What there was before it was asked for, which does not count; None: whatever is served counts.
        deadline: Of CLOCK_MONOTONIC.
        since: What failed before is about to be tried again.
    """

    links: tuple[LinkSettings, ...]
    before: Mapping[str, Before] | None
    deadline: float
    since: datetime = field(default_factory=lambda: SystemClock().now())
    _said: dict[str, str] = field(default_factory=dict)

    def is_over(self, app: App) -> bool:
        """Everything served or failed, or the time is up."""
        states = [self._look(app, link, self._say) for link in self.links]
        return State.PENDING not in states or time.monotonic() >= self.deadline

    def _look(self, app: App, link: LinkSettings, say: Callable[[str, str], None]) -> State:
        try:
            one = standing(app, link, app.clock.now(), self.since)
        except CertdError:
            return State.PENDING
        if self.before is not None:
            current, failed_at = one.facts.current, one.facts.attempt.failed_at
            fingerprint, failed_before = self.before.get(link.name, ("", None))
            is_new = current is not None and current.fingerprint != fingerprint
            if not is_new and not (one.state is State.FAILED and failed_at not in {None, failed_before}):
                say(link.name, one.because if one.facts.order is not None else "waiting for its turn")
                return State.PENDING
        if one.state is State.PENDING:
            say(link.name, one.because)
        return one.state

    def _say(self, link: str, words: str) -> None:
        if self._said.get(link) != words and words:
            self._said[link] = words
            click.echo(f"{link}: {words}", err=not is_terminal())

    def told(self, app: App) -> int:
        """The last word on each link; the exit code."""
        states = []
        for link in self.links:
            state = self._look(app, link, lambda link, words: None)
            states.append(state)
            one = standing(app, link, app.clock.now(), self.since)
            current = one.facts.current
            if state is State.SERVED and current is not None:
                click.echo(f"{link.name}: served until {when(current.not_after)}")
            elif state is State.FAILED:
                complain(CertdError(f"{link.name}: {one.because}", hint=one.hint))
            else:
                click.echo(f"{link.name}: still pending: {one.because or 'it goes on in the daemon'}", err=True)
        if State.FAILED in states:
            return 1
        return 3 if State.PENDING in states else 0
