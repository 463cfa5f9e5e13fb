"""The pool of threads: none is lost, none is waited for, and who takes long can be seen."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from certd.daemon.dispatcher import Dispatcher, Source
from certd.daemon.workers import Task, Workers
from certd.errors import LeaseLost
from certd.model import Lease, Rank
from certd.store.stores import open_stores
from certd.system.clock import SystemClock
from tests.unit.test_daemon_parts import Notes, lease, until


def nothing(held: Lease) -> None:
    """A lease that needs no extending."""


@pytest.mark.parametrize("ending", [SystemExit(3), ValueError("no"), RecursionError()])
def test_no_worker_is_lost(ending: BaseException) -> None:
    """A library that wants to end the process ends neither it nor a thread of the pool."""
    notes = Notes()
    workers = Workers(SystemClock(), notes, size=1)
    done: list[str] = []

    def reconcile(held: Lease) -> None:
        if held.subject == "first":
            raise ending
        done.append(held.subject)

    for subject in ("first", "second"):
        workers.submit(Task(lease(subject), reconcile, nothing))
        assert workers.drain(60)
    assert done == ["second"]
    assert len(notes.lines) == 1


def test_threads_are_started_as_they_are_needed() -> None:
    """One for one task after another, never more than the pool has."""
    workers = Workers(SystemClock(), Notes(), size=3)
    names: set[str] = set()
    go = threading.Event()

    def quick(held: Lease) -> None:
        names.add(threading.current_thread().name)

    def slow(held: Lease) -> None:
        names.add(threading.current_thread().name)
        go.wait(60)

    for number in range(5):
        workers.submit(Task(lease(f"quick{number}"), quick, nothing))
        assert workers.drain(60)
    assert len(names) == 1
    for number in range(3):
        workers.submit(Task(lease(f"slow{number}"), slow, nothing))
    until(lambda: len(names) == 3)
    assert workers.free() == 0
    go.set()
    assert workers.drain(60)


def test_whoever_takes_the_longest_is_named() -> None:
    """The first of two; nobody when idle."""
    workers = Workers(SystemClock(), Notes(), size=2)
    go = threading.Event()

    def slow(held: Lease) -> None:
        go.wait(60)

    assert workers.longest() == ("", 0.0)
    workers.submit(Task(lease("z-first"), slow, nothing))
    time.sleep(0.05)
    workers.submit(Task(lease("a-second", "b"), slow, nothing))
    subject, seconds = workers.longest()
    assert subject == "z-first"
    assert seconds >= 0.05
    assert workers.busy() == {"a": 1, "b": 1}
    go.set()
    assert workers.drain(60)
    assert workers.longest() == ("", 0.0)


def test_who_becomes_free_says_so_when_it_is_free() -> None:
    """Not before: whoever is called finds a worker for the next task."""
    workers = Workers(SystemClock(), Notes(), size=1)
    free: list[int] = []
    workers.on_finished(lambda: free.append(workers.free()))
    for ending in (None, ValueError("no")):

        def reconcile(held: Lease, ending: Exception | None = ending) -> None:
            if ending:
                raise ending

        workers.submit(Task(lease("one"), reconcile, nothing))
        assert workers.drain(60)
    until(lambda: free == [1, 1])


def test_one_lost_lease_keeps_no_other_from_being_extended() -> None:
    """Its holder notices by its own next write."""
    workers = Workers(SystemClock(), Notes(), size=2)
    go = threading.Event()
    extended: list[str] = []

    def extend(held: Lease) -> None:
        extended.append(held.subject)
        raise LeaseLost("somebody else holds it")

    def slow(held: Lease) -> None:
        go.wait(60)

    for subject in ("one", "two"):
        workers.submit(Task(lease(subject), slow, extend))
    workers.extend_leases()
    assert sorted(extended) == ["one", "two"]
    go.set()
    assert workers.drain(60)


def test_a_pool_of_one_works_through_everything(tmp_path: Path) -> None:
    """Half of one is one: no lane is shut out of the smallest pool."""
    stores = open_stores(tmp_path, "n")
    for number in range(3):
        stores.lineages.ensure(f"issue:{number}", "issuer:a", Rank.URGENT)
    clock = SystemClock()
    workers = Workers(clock, Notes(), size=1)
    seen: list[str] = []

    def reconcile(held: Lease) -> None:
        later = clock.now().replace(year=clock.now().year + 1, month=1, day=1)
        stores.lineages.release(held, due=later, rank=Rank.RENEWAL, because="")
        seen.append(held.subject)

    dispatcher = Dispatcher([Source("s", stores.lineages, reconcile)], workers, Notes())
    while len(seen) < 3:
        dispatcher.dispatch()
        assert workers.drain(60)
    assert sorted(seen) == ["issue:0", "issue:1", "issue:2"]
    stores.close()
