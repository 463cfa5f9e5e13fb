"""The history of a lineage, in both databases."""

from __future__ import annotations

from dataclasses import replace

from certd.model import Attempt
from certd.store.history import History
from certd.store.lineages import Lineages
from tests.contracts.stores import Bench
from tests.unit.cases import NOW

LINK = "link.example.com"


def test_failures_are_history(real: Bench) -> None:
    """The first of a kind, and then ever rarer: a week of refusals is a dozen lines."""
    assert isinstance(real.mine, Lineages)
    real.want(LINK, "issuer:test")
    (lease,) = real.mine.claim(limit=1)
    facts = real.mine.facts(LINK)
    for count in range(1, 21):
        attempt = Attempt(dns_failures=count, kind="dns", message=f"refused {count}", failed_at=NOW)
        facts = replace(facts, attempt=attempt)
        real.mine.keep(lease, facts)
        real.mine.keep(lease, facts)
    attempt = Attempt(failures=1, dns_failures=20, kind="rateLimited", message="too many", failed_at=NOW)
    real.mine.keep(lease, replace(facts, attempt=attempt))
    events = History(real.mine.database).events(LINK)
    assert sorted(event.because for event in events if event.what == "failed") == [
        "dns: refused 1",
        *(f"dns: refused {n} ({n} in a row)" for n in (16, 2, 4, 8)),
        "rateLimited: too many (21 in a row)",
    ]


def test_two_years_are_kept(real: Bench) -> None:
    """By the store's clock: a day less stays, a day more goes, and the rest of the history with neither."""
    assert isinstance(real.mine, Lineages)
    database = real.mine.database
    history = History(database)
    ages = {"today": 0, "almost": 729, "older": 731}
    for what, days in ages.items():
        history.write(LINK, what, "uid 1000", "because")
        with database.writing() as transaction:
            transaction.execute("UPDATE event SET at = at - ? WHERE what = ?", days * 86400.0, what)
    assert history.prune() == 1
    assert [event.what for event in history.events(LINK)] == ["almost", "today"]
    assert history.prune() == 0
