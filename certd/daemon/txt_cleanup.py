"""What is owed to the DNS, swept at the start and daily: a row that sleeps for long, an orphan's or a forgotten link's,
must not keep a value of ours published.
"""

from __future__ import annotations

from datetime import timedelta

from certd.app import App
from certd.daemon.workers import Task, Workers
from certd.errors import CertdError
from certd.ports import Journal

SWEEP_EVERY = timedelta(days=1)


def wake_cleanups(app: App, journal: Journal) -> None:
    """Wake every link that owes a value; whoever takes it removes what is due. Never raises: the next time comes."""
    if not app.settings.issue:
        return
    try:
        for link in app.stores.lineages.with_cleanups():
            app.stores.lineages.wake(f"issue:{link}", because="a TXT value of ours may still be published")
    except CertdError as error:
        journal.warn("the sweep of TXT values", reason=str(error))


def sweep_leftovers(app: App, workers: Workers, journal: Journal) -> None:
    """Take the links whose TXT values a lost lease may have left published, unless somebody works on them just now.
    Never raises: the next time comes.
    """
    store, engine = app.stores.lineages, app.issue_engine
    try:
        for link in engine.leftovers.links():
            for lease in store.claim(limit=1, subject=f"issue:{link}") if workers.free() > 0 else ():
                workers.submit(Task(lease, engine.reconcile, store.extend))
    except CertdError as error:
        journal.warn("the sweep of TXT values", reason=str(error))
