"""A process that holds a lease and is stopped by SIGSTOP before its N-th call of a port, and whoever comes after it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from certd.app import App
from certd.config.choices import known_choices
from certd.config.loader import load
from certd.engine import IssueEngine
from certd.planning.cleanup import SWEEP_AFTER
from certd.state import prepare_state, stores_of
from certd.store.codec import CLEANUP
from certd.system.clock import SystemClock
from tests.interruption.dying import Fate, Mortal
from tests.simulation.world import SilentJournal


class Freezing(Fate):
    """Stops its own process before the N-th call; whoever wakes it lets it make that call.

    Attributes:
        late: The calls that it made afterwards.
    """

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.late: list[str] = []

    def met(self, name: str, call: Callable[[], Any]) -> Any:
        self.calls.append(name)
        if len(self.calls) > self.at:
            self.late.append(name)
        if len(self.calls) == self.at:
            os.kill(os.getpid(), signal.SIGSTOP)
        return call()

    def clock(self) -> float:
        """Seconds, of which many pass while the process is stopped."""
        return 1000.0 if len(self.calls) >= self.at else 0.0


def opened(config: Path) -> App:
    """The application of a configuration, on stores of its own."""
    settings = load(config, known_choices())
    prepare_state(settings)
    app = App(settings, stores_of(settings), SystemClock(), SilentJournal())
    app.stores.specs.set([link.spec for link in settings.links])
    return app


def frozen_at(app: App, fate: Fate) -> IssueEngine:
    """The engine, each of its calls to the store, the CA and the DNS counted."""
    whole = app.issue_engine
    issuance = replace(
        whole.issuance,
        authority=lambda name: Mortal(whole.issuance.authority(name), "ca", fate),
        challenges=lambda name: Mortal(whole.issuance.challenges(name), "dns", fate),
    )
    elapsed = fate.clock if isinstance(fate, Freezing) else whole.elapsed
    return replace(whole, issuance=issuance, store=Mortal(whole.store, "store", fate), elapsed=elapsed)


def drive(app: App, engine: IssueEngine, link: str, seconds: float = 60.0) -> None:
    """Claim and reconcile until a certificate is there and no value is owed any more."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        facts = app.stores.lineages.facts(link)
        if facts.current is not None and all(cleanup.settled_at is not None for cleanup in facts.cleanups):
            return
        leases = app.stores.lineages.claim(limit=1, subject=f"issue:{link}")
        for lease in leases:
            engine.reconcile(lease)
        time.sleep(0.02)
    raise AssertionError(f"{link}: not finished in time: {facts}")


def hold(config: Path, at: int) -> None:
    """The holder's life, in a process of its own."""
    app = opened(config)
    (link,) = app.settings.links
    fate = Freezing(at)
    drive(app, frozen_at(app, fate), link.name)
    config.with_suffix(".late").write_text(" ".join(fate.late))
    app.close()


def lease_runs_out(app: App) -> None:
    """As if it had been waited for."""
    with app.stores.lineages.database.writing() as transaction:
        transaction.execute("UPDATE work SET lease_until = {now} - 1, due = {now} - 1 WHERE lease_until IS NOT NULL")


def a_day_passes(app: App, link: str) -> None:
    """For what was settled: it is swept once more."""
    with app.stores.lineages.database.writing() as transaction:
        for name, value, body in transaction.all("SELECT name, value, body FROM debt WHERE link = ?", link):
            cleanup = CLEANUP.validate_json(str(body))
            assert cleanup.settled_at is not None
            older = replace(cleanup, settled_at=cleanup.settled_at - SWEEP_AFTER - timedelta(seconds=1))
            transaction.execute(
                "UPDATE debt SET body = ? WHERE name = ? AND value = ?", CLEANUP.dump_json(older).decode(), name, value
            )
