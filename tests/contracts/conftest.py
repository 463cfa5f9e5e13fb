"""The stores that every contract of a store is tried on."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.stores import Bench, in_memory, in_postgresql, in_sqlite
from tests.lab.postgresql import PostgreSQL

POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.lab("postgresql"))


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    """One server for the module."""
    with PostgreSQL() as made:
        yield made


@pytest.fixture(params=["sqlite", "memory", POSTGRESQL])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    """Each of the three."""
    return _made(request, tmp_path)


@pytest.fixture(params=["sqlite", POSTGRESQL])
def real(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    """The two that keep anything."""
    return _made(request, tmp_path)


def _made(request: pytest.FixtureRequest, folder: Path) -> Bench:
    match request.param:
        case "sqlite":
            return in_sqlite(folder)
        case "memory":
            return in_memory(folder)
        case _:
            server: PostgreSQL = request.getfixturevalue("server")
            return in_postgresql(folder, server.make(f"t{uuid.uuid4().hex}"))
