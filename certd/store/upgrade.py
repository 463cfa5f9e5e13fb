"""Bringing the stores of a state folder up to date, with the way back kept.

On one machine both schemas lie in one file, and what a certd can open is decided by both of their versions. So the file
is copied once, as it was before the first step of either, and the copy has the name that the certd which wrote the
store asks for when it refuses a newer one: the version of the schema that it stumbles over. (With a copy before each
step the node's second one was written over the shared schema's second one, and the way back was a newer store.)
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from certd.store.database import Database
from certd.store.schema import NODE, SHARED, known_version, migrate
from certd.store.sqlite import SqliteDatabase
from certd.system.files import sync_folder

Versions = dict[str, int]
Steps = Mapping[str, Sequence[Sequence[str]]]
STEPS: Steps = {"shared": SHARED, "node": NODE}


def upgrade(own: SqliteDatabase, shared: Database | None = None, *, steps: Steps = STEPS) -> None:
    """Make every step that is due. Twice is once, and broken off it is gone on with.

    Args:
        shared: Where several nodes share a store; it is copied by whoever runs it (pg_dump), before an upgrade.
        steps: By schema.

    Raises:
        SchemaTooNew: a newer certd wrote one of them; nothing was changed.
    """
    databases = {"shared": shared or own, "node": own}
    found = {name: known_version(database, name, steps[name]) for name, database in databases.items()}
    here = {name: version for name, version in found.items() if databases[name] is own}
    due = {version for name, version in here.items() if 0 < version < len(steps[name])}
    begun = own.path.with_name(f"{own.path.name}.upgrading")
    if due and not _is_under_way(begun, here):
        for version in sorted(due):
            _copy(own, here, own.path.with_name(f"{own.path.name}.v{version}.backup"))
        begun.write_text(_written(here), encoding="ascii")
        sync_folder(begun.parent)
    for name, database in databases.items():
        migrate(database, name, steps[name])
    if begun.exists():
        # A read-only file system refuses to unlink even what is not there.
        begun.unlink(missing_ok=True)


def _is_under_way(begun: Path, here: Versions) -> bool:
    """Whether an upgrade died between two steps: its copies are the way back, and the store is that no more. One that
    stands where it began was put back since, and has changed.
    """
    return begun.exists() and begun.read_text(encoding="ascii") != _written(here)


def _written(versions: Versions) -> str:
    return " ".join(f"{name} {version}" for name, version in sorted(versions.items()))


def _copy(own: SqliteDatabase, versions: Versions, path: Path) -> None:
    """Put a copy there, unless another process made a step meanwhile: then that one has copied."""
    half = path.with_name(f".{path.name}.{os.urandom(8).hex()}.tmp")
    try:
        own.copy_to(half)
        with contextlib.closing(sqlite3.connect(half)) as connection:
            copied = dict(connection.execute("SELECT schema_name, version FROM schema_version"))
        if copied == versions:
            half.replace(path)
    finally:
        half.unlink(missing_ok=True)
