"""Two nodes on one PostgreSQL, each with an nginx of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.clicker import Clicker
from tests.lab.load import slowness
from tests.lab.nodes import World
from tests.lab.postgresql import PostgreSQL
from tests.lab.scene import DOMAIN

pytestmark = [pytest.mark.lab("pebble", "nginx", "bind", "postgresql"), pytest.mark.timeout(400)]
Wait = Callable[..., None]
CHALLENGE = f"_acme-challenge.{DOMAIN}"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    """One server for the module."""
    with PostgreSQL() as made:
        yield made


@pytest.fixture
def store(server: PostgreSQL) -> str:
    """A fresh database."""
    return server.make(f"t{uuid.uuid4().hex}")


def test_one_order_both_served(short_path: Path, store: str, eventually: Wait) -> None:
    """Two nodes start together: one certificate is bought, both proxies serve it; so it goes with a forced renewal."""
    with World(short_path, store) as world:
        one, two = world.node("one"), world.node("two")
        one.start()
        two.start()
        eventually(lambda: bool(one.served()) and one.served() == two.served())
        assert world.bought() == 1
        before = one.served()
        done = two.scene.tried("renew", DOMAIN, "--force")
        assert done.returncode == 0, done.stderr
        eventually(lambda: one.served() == two.served() != before)
        assert world.bought() == 2
        assert world.bind.txt(CHALLENGE) == set()


def test_another_configuration_orders_nothing(short_path: Path, store: str, eventually: Wait) -> None:
    """Promise 14: a node that wants the link otherwise alarms; what is wanted stays what was wanted."""
    with World(short_path, store) as world:
        one, two = world.node("one"), world.node("two")
        one.start()
        eventually(lambda: bool(one.served()))
        text = two.config.read_text().replace(f'domain = "{DOMAIN}"', f'domain = ["{DOMAIN}", "more.example.test"]')
        two.config.write_text(text)
        two.start()
        eventually(lambda: "has a different configuration for this link" in two.log())
        time.sleep(4)
        assert world.bought() == 1


def test_a_wrong_seal_key_orders_nothing(short_path: Path, store: str, eventually: Wait) -> None:
    """Promise 14: it is that node's fault, said once, and touches nobody else."""
    with World(short_path, store) as world:
        one, two = world.node("one"), world.node("two")
        one.start()
        eventually(lambda: bool(one.served()))
        (short_path / "other").write_text("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
        two.config.write_text(two.config.read_text().replace(f"file:{short_path}/seal", f"file:{short_path}/other"))
        done = two.scene.tried("run")
        assert done.returncode == 1
        assert "does not open the store" in done.stderr
        assert world.bought() == 1


def test_the_store_away_is_not_an_outage(short_path: Path, server: PostgreSQL, store: str, eventually: Wait) -> None:
    """With the database gone for a third of a life clients go on being served and verified, nothing is ordered, and
    one order is made when it is back.
    """
    with World(short_path, store, life=75) as world:
        one = world.node("one").start()
        eventually(lambda: bool(one.served()))
        with Clicker(one.tls, DOMAIN, world.pebble.roots.read_text()) as clicker:
            server.stop()
            gone = time.monotonic()
            bought = world.bought()
            # Deploying and looking need nothing of it: drift is mended meanwhile.
            eventually(lambda: "store away" in one.log())
            time.sleep(max(0.0, 25 - (time.monotonic() - gone)))
            assert world.bought() == bought
            server.start()
            eventually(lambda: len(clicker.served) >= 2)
        assert clicker.troubles == []
        assert "store back" in one.log()


def test_a_frozen_database_does_not_freeze_the_daemon(
    short_path: Path, server: PostgreSQL, store: str, eventually: Wait
) -> None:
    """A database that accepts and answers nothing: proxies go on being looked after, SIGTERM ends it in time."""
    with World(short_path, store) as world:
        one = world.node("one").start()
        eventually(lambda: bool(one.served()))
        assert server.process is not None
        pids = [server.process.pid, *children(server.process.pid)]
        for pid in pids:
            send(pid, signal.SIGSTOP)
        try:
            eventually(lambda: "store away" in one.log())
            started = time.monotonic()
            one.signal(signal.SIGTERM)
            assert one.certd is not None
            assert one.certd.wait(60) == 0
            assert time.monotonic() - started < 5 * slowness()
        finally:
            for pid in pids:
                send(pid, signal.SIGCONT)


@pytest.mark.parametrize("moment", ["ordered  ", "published  ", "finalized  "])
def test_a_frozen_holder_is_fenced(short_path: Path, store: str, eventually: Wait, moment: str) -> None:
    """Promise 1: a holder stopped by SIGSTOP loses its lease; another finishes its very order; when it wakes it writes
    nothing. One certificate is bought, no TXT value stays.
    """
    with World(short_path, store) as world:
        one, two = world.node("one"), world.node("two")
        one.start()
        deadline = time.monotonic() + 90
        while moment not in one.log():
            assert time.monotonic() < deadline
        one.signal(signal.SIGSTOP)
        two.start()
        eventually(lambda: bool(two.served()), 100)
        assert world.bought() == 1
        one.signal(signal.SIGCONT)
        eventually(lambda: one.served() == two.served())
        time.sleep(3)
        assert world.bought() == 1
        assert world.bind.txt(CHALLENGE) == set()


def children(pid: int) -> list[int]:
    """The processes that a process started, and theirs."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *children(int(child))]
    return found


def send(pid: int, number: signal.Signals) -> None:
    """A signal to a process that may have ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
