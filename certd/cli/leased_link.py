"""A link held by a command: under its lease, with what it owes committed before it is needed."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import click

from certd.app import App
from certd.config.settings import LinkSettings, Settings
from certd.control.protocol import Question, Verb, ask
from certd.control.server import CONTROL
from certd.errors import CertdError, DnsUnreachable, StoreError
from certd.issuance import settle
from certd.model import Desired, Lease, LineageFacts, Rank
from certd.planning.issue import rank_of
from certd.state import prepare_state, stores_of
from certd.store.work import LEASE
from certd.system.clock import SystemClock
from certd.system.journal import LoggingJournal, set_up_default

CLAIM_SECONDS = 30.0
BUSY_SECONDS = 0.5
EXTEND_SECONDS = LEASE.total_seconds() / 4


@contextlib.contextmanager
def open_app(settings: Settings, *, debug: bool) -> Iterator[App]:
    """The application over the stores. Where no daemon runs, its responders listen here meanwhile: they answer from the
    store's debts, whoever wrote them.
    """
    set_up_default(debug=debug)
    prepare_state(settings)
    app = App(settings, stores_of(settings), SystemClock(), LoggingJournal())
    try:
        if ask(settings.state / CONTROL, Question(verb=Verb.PING)) is None:
            for responder in app.responders():
                try:
                    responder.start()
                except DnsUnreachable as error:
                    raise CertdError(str(error), hint=error.hint) from error
        yield app
    finally:
        for responder in app.responders():
            responder.close()
        app.close()
        app.stores.close()


@dataclass(slots=True)
class LeasedLink:
    """One link that nobody else works on.

    Attributes:
        facts: As they were last kept.
    """

    app: App
    desired: Desired
    lease: Lease
    facts: LineageFacts
    _said: str = ""

    def has_order(self) -> bool:
        """Whether an order is open."""
        return self.facts.order is not None

    def keep(self, facts: LineageFacts) -> None:
        """Remember. Raises LeaseLost."""
        self.app.stores.lineages.keep(self.lease, facts)
        self.facts = facts

    def wait(self, until: datetime, because: str) -> None:
        """Say what is waited for, once, and wait."""
        if because and because != self._said:
            self._said = because
            click.echo(f"{self.facts.link}: {because}")
        seconds = (until - self.app.clock.now()).total_seconds()
        time.sleep(min(max(seconds, 0.0), 30.0))


@contextlib.contextmanager
def lease_link(
    app: App, link: LinkSettings, patience: timedelta, *, every: float = EXTEND_SECONDS
) -> Iterator[LeasedLink]:
    """Take a link's lease, whether it is due or not; on leaving remove what is owed and not needed any more.

    Args:
        every: Seconds; so often the lease is renewed meanwhile.

    Raises:
        CertdError: certd is working on it for longer than half a minute.
    """
    lineages = app.stores.lineages
    terms = app.terms(link.name, link.spec.issuers[0])
    desired = Desired(spec=link.spec, issuer=terms, propagation_timeout=patience)
    lineages.ensure(link.spec.subject, f"issuer:{terms.name}", Rank.FIRST, "asked for by hand")
    deadline = time.monotonic() + CLAIM_SECONDS
    while not (leases := lineages.claim(limit=1, subject=link.spec.subject)):
        if time.monotonic() >= deadline:
            raise CertdError(f"{link.name}: certd is working on it", hint="try again in a minute; see `certd status`")
        time.sleep(BUSY_SECONDS)
    facts = lineages.facts(link.name)
    one = LeasedLink(app, desired, leases[0], facts.unread() if leases[0].taken_over else facts)
    done = threading.Event()

    def extend() -> None:
        while not done.wait(every):
            with contextlib.suppress(StoreError):
                lineages.extend(leases[0])

    extending = threading.Thread(target=extend, name="lease", daemon=True)
    extending.start()
    try:
        yield one
    finally:
        done.set()
        extending.join()
        now = app.clock.now()
        cleanups = tuple(
            replace(cleanup, settle_at=now)
            if cleanup.value in one.facts.rehearsal.values and not cleanup.settled_at
            else cleanup
            for cleanup in one.facts.cleanups
        )
        facts = settle(app.issuance, replace(one.facts, cleanups=cleanups))
        facts = replace(facts, rehearsal=replace(facts.rehearsal, began_at=None, values=(), look_at=None))
        lineages.leave(leases[0], facts, until=now, rank=rank_of(facts, now), because="asked for by hand")
