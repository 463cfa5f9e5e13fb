"""A holder stopped by SIGSTOP inside a transaction on PostgreSQL, with its rows locked: the others are not held up for
ever, and when it wakes nothing of what it was writing is there.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from certd.errors import StoreAway
from certd.model import Attempt, Certificate, Lease, Rank, Secret
from certd.store.postgres import DEADLINE_SECONDS, PostgresDatabase
from certd.store.seal import new_seal_key
from certd.store.stores import Stores, open_stores
from tests.interruption.test_frozen import stopped
from tests.lab.postgresql import PostgreSQL
from tests.unit.cases import certificate

pytestmark = [pytest.mark.lab("postgresql"), pytest.mark.timeout(120)]

HELD, OTHER = "held.example.com", "other.example.com"
REFUSED = 7
SEAL = new_seal_key()


def opened(folder: Path, url: str, node: str) -> Stores:
    (folder / node).mkdir(exist_ok=True)
    return open_stores(folder / node, node, seal_keys=[SEAL], shared=PostgresDatabase(url))


def signed(link: str, mark: str) -> Certificate:
    return replace(
        certificate(), link=link, domains=(link,), fingerprint=mark * 64, generation=f"g-{mark}", key=Secret("key")
    )


def freeze(folder: Path, url: str) -> None:
    """A life in a process of its own: it claims, writes a whole keep, and is stopped before the commit."""
    store = opened(folder, url, "one").lineages
    (lease,) = store.claim(limit=1, subject=f"issue:{HELD}")
    with store.database.writing() as transaction:
        # The lease that was committed is about to run out; what the keep renews is not committed.
        transaction.execute("UPDATE work SET lease_until = {now} + 3 WHERE subject = ?", lease.subject)
    facts = replace(
        store.facts(HELD), current=signed(HELD, "a"), attempt=Attempt(failures=1, kind="x", message="stale")
    )
    try:
        with store.database.writing() as transaction:
            store._keep(transaction, lease, facts)
            os.kill(os.getpid(), signal.SIGSTOP)
    except StoreAway:
        sys.exit(REFUSED)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A database of its own."""
    with PostgreSQL() as server:
        yield server.make("inside")


def until_done(call: Callable[[], object], seconds: float) -> float:
    """Again and again, as the daemon does while the store is away; how long it took."""
    started = time.monotonic()
    while True:
        try:
            if call():
                return time.monotonic() - started
        except StoreAway:
            pass
        assert time.monotonic() - started < seconds
        time.sleep(0.1)


def test_stopped_in_the_middle_of_a_keep(tmp_path: Path, url: str) -> None:
    """It holds the lease's row, and the counter that every certificate needs. The server ends its transaction; what is
    another's is claimed at once, a certificate of another link kept soon, and its own lineage taken over.
    """
    stores = opened(tmp_path, url, "two")
    store = stores.lineages
    for link in (HELD, OTHER):
        store.ensure(f"issue:{link}", "issuer:x", Rank.FIRST)
    holder = multiprocessing.get_context("fork").Process(target=freeze, args=(tmp_path, url))
    holder.start()
    try:
        assert stopped(holder)
        began = time.monotonic()
        (lease,) = store.claim(limit=9)
        assert lease.subject == f"issue:{OTHER}"
        assert time.monotonic() - began < 5

        def kept() -> bool:
            store.keep(lease, replace(store.facts(OTHER), current=signed(OTHER, "b")))
            return True

        until_done(kept, DEADLINE_SECONDS + 15)
        found: list[Lease] = []

        def claimed() -> bool:
            found.extend(store.claim(limit=1, subject=f"issue:{HELD}"))
            return bool(found)

        until_done(claimed, DEADLINE_SECONDS + 15)
        assert found[0].taken_over
    finally:
        assert holder.pid is not None
        os.kill(holder.pid, signal.SIGCONT)
    holder.join(30)
    assert holder.exitcode == REFUSED
    facts = store.facts(HELD)
    assert facts.current is None
    assert facts.attempt.message == ""
