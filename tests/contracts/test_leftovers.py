"""TXT values that a lost lease may have left: swept by whoever may have added them, as soon as nobody else is at it."""

from __future__ import annotations

from types import SimpleNamespace

from certd.app import App
from certd.daemon.txt_cleanup import sweep_leftovers
from certd.daemon.workers import Workers
from certd.model import Lease, Rank
from certd.system.clock import SystemClock
from tests.contracts.test_one_bad_row import LINKS, app
from tests.unit.cases import cleanup
from tests.unit.test_daemon_parts import Notes

__all__ = ["app"]


def test_a_link_that_somebody_else_works_on_is_waited_for(app: App) -> None:
    """Until it is given back; a configuration that is read meanwhile changes nothing."""
    store, workers, taken = app.stores.lineages, Workers(SystemClock(), Notes(), size=1), []
    (held,) = store.claim(limit=1, subject=f"issue:{LINKS[0]}")
    app.leftovers.put(LINKS[0], [cleanup()])
    later = App(app.settings, app.stores, app.clock, app.journal, before=app)
    assert later.issue_engine.leftovers.links() == (LINKS[0],)

    def reconcile(lease: Lease) -> None:
        taken.append(lease.subject)
        later.leftovers.take(LINKS[0])

    later.__dict__["issue_engine"] = SimpleNamespace(leftovers=later.leftovers, reconcile=reconcile)
    sweep_leftovers(later, workers, Notes())
    assert workers.drain(60)
    assert taken == []
    store.release(held, due=app.clock.now(), rank=Rank.RENEWAL, because="")
    for _ in range(2):
        sweep_leftovers(later, workers, Notes())
        assert workers.drain(60)
    assert taken == [f"issue:{LINKS[0]}"]
