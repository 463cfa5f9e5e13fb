"""Opening the stores of a state folder: locked permissions, migrations, the seal's check."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from certd.errors import CertdError, RowDamaged, SealBroken, StoreDamaged
from certd.model import Secret
from certd.store.accounts import AccountTable
from certd.store.alarms import Alarms
from certd.store.bulk_read import BulkReader
from certd.store.clicks import ClickTable
from certd.store.database import Database, Row
from certd.store.history import History
from certd.store.lineages import Lineages
from certd.store.node import Node
from certd.store.reports import Reports
from certd.store.revocations import Revocations
from certd.store.seal import CHECK, NoKey, Seal, keys_in
from certd.store.specs import SpecTable
from certd.store.sqlite import SqliteDatabase
from certd.store.upgrade import upgrade
from certd.system.files import sync_folder
from certd.system.systemd import boot_id

DATABASE = "certd.db"
NODE_DATABASE = "node.db"
SEAL_KEY = "seal.key"

# Left by `certd restore`: what is newer on the disk is adopted at the next start.
RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class Stores:
    """Everything that remembers."""

    lineages: Lineages
    specs: SpecTable
    accounts: AccountTable
    node: Node
    alarms: Alarms
    clicks: ClickTable
    history: History
    revocations: Revocations
    own: SqliteDatabase
    bulk_reader: BulkReader
    reports: Reports

    def databases(self) -> dict[str, Database]:
        """This node's own, and the shared one where there is one, as an operator calls them."""
        shared = self.lineages.database
        return {"the store of this node": self.own} | ({} if shared is self.own else {"the shared store": shared})

    def close(self) -> None:
        """Give the connections back."""
        self.lineages.database.close()
        self.node.database.close()


def open_stores(
    private: Path,
    node: str,
    *,
    seal_keys: Sequence[Secret] | CertdError = (),
    now: Callable[[], float] = time.time,
    shared: Database | None = None,
    repair: bool = False,
    judge: bool = True,
) -> Stores:
    """Open, or make, the stores of a state folder.

    Args:
        seal_keys: From the configuration; empty: the key file beside the store, made on the first start. Why there are
            none: everything but what is sealed is read.
        shared: Where several nodes share one; None: SQLite in ``<state>/private``, the node's own facts in the same
            file.
        repair: Move a damaged file aside and begin anew; for whoever holds the state's lock.
        judge: Whether the seal key must open what is there; not where it was lost and everything is sealed anew.

    Raises:
        SchemaTooNew, SealBroken, StoreAway, StoreError.
    """
    has_keys = not isinstance(seal_keys, CertdError)
    seal = NoKey(seal_keys) if isinstance(seal_keys, CertdError) else Seal(seal_keys or keys_in(private / SEAL_KEY))
    path = private / (DATABASE if shared is None else NODE_DATABASE)
    own = SqliteDatabase(path, now=now)
    try:
        own.judge()
    except StoreDamaged:
        if not repair:
            raise
        own.close()
        quarantine(path)
        own = SqliteDatabase(path, now=now)

    upgrade(own, shared)
    if judge and has_keys:
        check_seal(shared or own, seal, "seal")
        check_seal(own, seal, "node_seal")
    owner = f"{node}/{boot_id()}/{time.monotonic_ns()}"
    lineages = Lineages(shared or own, owner, seal)
    return Stores(
        lineages=lineages,
        specs=SpecTable(lineages, node, is_shared=shared is not None),
        accounts=AccountTable(shared or own, seal),
        node=Node(own, owner, seal),
        alarms=Alarms(own),
        clicks=ClickTable(own),
        history=History(shared or own),
        revocations=Revocations(lineages),
        own=own,
        bulk_reader=BulkReader(shared or own, own),
        reports=Reports(shared or own, node),
    )


def quarantine(path: Path) -> Path:
    """Move a damaged store aside, with its journal, so that it can be looked at; returns where it is."""
    aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
    for suffix in ("-journal", "-wal", "-shm", ""):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    sync_folder(path.parent)
    return aside


def check_seal(database: Database, seal: Seal, table: str) -> None:
    """A seal key that does not open the check row is a fault of this node, which then orders nothing (design.md,
    Facts, not nodes).

    Raises:
        SealBroken: before anything was written.
    """
    query = f"SELECT sealed FROM {table} ORDER BY kid LIMIT 1"
    with database.reading() as transaction:
        row = transaction.one(query)
    if row is None:
        row = _first_check(database, seal, table, query)
    if row is None:
        return
    try:
        seal.open(str(row[0]), table, "sealed", "check")
    except (SealBroken, RowDamaged) as error:
        raise SealBroken(
            f"the seal key of this node does not open the store ({error})",
            hint="put the right key back; to start over, move the store away: certd adopts what is on disk and served",
        ) from error


def _first_check(database: Database, seal: Seal, table: str, query: str) -> Row | None:
    """Write the check row; None when this was done, else the row that another node wrote meanwhile."""
    with database.writing() as transaction:
        row = transaction.one(query)
        if row is None:
            sealed = seal.close(Secret(CHECK), table, "sealed", "check")
            transaction.execute(f"INSERT INTO {table} (kid, sealed) VALUES (?, ?)", seal.kid, sealed)
    return row
