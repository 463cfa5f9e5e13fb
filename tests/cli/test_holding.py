"""A link that a command holds stays its own, however long it waits for name servers."""

from __future__ import annotations

from datetime import timedelta

from certd.app import App
from certd.cli.leased_link import lease_link
from certd.store.work import LEASE
from tests.contracts.test_one_bad_row import app
from tests.unit.test_daemon_parts import until

__all__ = ["app"]


def test_its_lease_is_renewed_while_it_waits(app: App) -> None:
    """A value takes minutes to spread and a look at it half of one; a lease is as long as that."""
    store = app.stores.lineages

    def left() -> float:
        with store.database.reading() as transaction:
            (row,) = transaction.all("SELECT lease_until - {now} FROM work WHERE subject = 'issue:b.example.com'")
        return float(row[0] or 0)

    link = app.settings.link("b.example.com")
    assert link is not None
    with lease_link(app, link, timedelta(minutes=10), every=0.05) as one:
        with store.database.writing() as transaction:
            transaction.execute("UPDATE work SET lease_until = {now} + 5 WHERE lease_until IS NOT NULL")
        until(lambda: left() > LEASE.total_seconds() - 5, 20)
        one.keep(one.facts)
    assert left() == 0
