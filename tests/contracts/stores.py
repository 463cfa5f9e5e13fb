"""The stores that the contracts are tried on: SQLite, PostgreSQL, and the one in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg

from certd.model import Rank
from certd.store.lineages import Lineages
from certd.store.node import Node
from certd.store.postgres import PostgresDatabase
from certd.store.seal import new_seal_key
from certd.store.stores import Stores, open_stores
from tests.simulation.clock import VirtualClock
from tests.simulation.memory import MemoryLineages, MemoryNode
from tests.unit.cases import NOW

SEAL = new_seal_key()


@dataclass
class Bench:
    """A store, another holder on the same one, and the clock that both go by."""

    mine: Lineages | MemoryLineages
    theirs: Lineages | MemoryLineages
    node: Node | MemoryNode
    clock: VirtualClock
    want: Callable[[str, str], None]


def in_sqlite(folder: Path) -> Bench:
    clock = VirtualClock(NOW)

    def opened(node: str) -> Stores:
        return open_stores(folder, node, now=lambda: clock.now().timestamp())

    mine, theirs = opened("one"), opened("two")

    def want(link: str, dependency: str) -> None:
        mine.lineages.ensure(f"issue:{link}", dependency, Rank.FIRST)

    return Bench(mine.lineages, theirs.lineages, mine.node, clock, want)


def in_memory(folder: Path) -> Bench:
    clock = VirtualClock(NOW)
    store = MemoryLineages(clock, "one")
    other = MemoryLineages(clock, "two")
    other.__dict__.update({name: value for name, value in store.__dict__.items() if name != "_owner"})
    return Bench(store, other, MemoryNode(clock, "one"), clock, store.add)


class DatabaseClock(VirtualClock):
    """Moves the database's clock with it."""

    def __init__(self, url: str) -> None:
        super().__init__(NOW)
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute("CREATE TABLE test_clock (now float8)")
        self._connection.execute("INSERT INTO test_clock VALUES (%s)", [NOW.timestamp()])

    def sleep(self, duration: timedelta) -> None:
        super().sleep(duration)
        self._connection.execute("UPDATE test_clock SET now = %s", [self.now().timestamp()])


def in_postgresql(folder: Path, url: str) -> Bench:
    clock = DatabaseClock(url)

    def opened(node: str) -> Stores:
        (folder / node).mkdir()
        shared = PostgresDatabase(url, clock="(SELECT now FROM test_clock)")
        own = {"now": lambda: clock.now().timestamp(), "seal_keys": [SEAL], "shared": shared}
        return open_stores(folder / node, node, **own)  # type: ignore[arg-type]

    mine, theirs = opened("one"), opened("two")

    def want(link: str, dependency: str) -> None:
        mine.lineages.ensure(f"issue:{link}", dependency, Rank.FIRST)

    return Bench(mine.lineages, theirs.lineages, mine.node, clock, want)
