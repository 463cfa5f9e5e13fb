"""Due work and fenced leases (design.md, Fenced): implements ``ports.WorkStore`` for both schemas.

A stale holder's write is refused because every write begins with an UPDATE of the lease row that must find owner,
generation and an end in the future. A ``WHERE EXISTS`` beside the write would not fence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from certd.errors import LeaseLost
from certd.model import DependencyState, Lease, Rank
from certd.store.codec import epoch, moment
from certd.store.database import MOST_VALUES, Database, Row, Transaction

# Renewed by the daemon while its worker is alive; a dead holder's subject waits for no longer than this.
LEASE = timedelta(seconds=30)

# A claim that died (the process was killed in the middle) counts as a failure: the next try waits longer each time.
CRASH_WAITS = (0.0, 5.0, 30.0, 120.0, 600.0)

NO_WORK_SECONDS = 3650 * 86400.0

# A Retry-After is at most eight days.
LONGEST_AWAY = timedelta(days=9)

# So many rows are woken in one transaction: a tenth of the time that a statement may take on PostgreSQL.
WAKE_BATCH = 5_000


class Work:
    """Rows of one work table and its lanes.

    Args:
        prefix: Of the tables' names, "" or "node_".
        owner: Of the leases taken here; it names node and boot, so that a restarted node knows its own old ones.
    """

    def __init__(self, database: Database, owner: str, *, prefix: str = "") -> None:
        self.database = database
        self.owner = owner
        self._work = f"{prefix}work"
        self._lane = f"{prefix}lane"

    # ------------------------------------------------------------------------------------ claiming

    def claim(self, *, limit: int, dependencies: Mapping[str, int] | None = None, subject: str = "") -> list[Lease]:
        """See ``ports.WorkStore``."""
        with self.database.writing() as transaction:
            if subject:
                return self._claim_one(transaction, subject)
            away = {dependency.dependency: dependency for dependency in self._dependencies(transaction)}
            now = self._now(transaction) if away else 0.0
            candidates: list[Row] = []
            for dependency in dependency_names(transaction, self._work):
                room = min((dependencies or {}).get(dependency, limit), limit)
                if dependency in away:
                    room = min(room, int(away[dependency].probe_at.timestamp() <= now))
                if room > 0:
                    found = self._due_in(transaction, dependency, room)
                    if found and dependency in away:
                        # One probe at a time, also where two nodes look at once.
                        won = transaction.execute(
                            f"UPDATE {self._lane} SET probe_at = {{now}} + ? WHERE lane = ? AND probe_at <= {{now}}",
                            LEASE.total_seconds(),
                            dependency,
                        )
                        found = found if won else []
                    candidates += found
            candidates.sort(key=lambda row: (row[2], row[3]))
            return self._taken(transaction, candidates[:limit])

    def _claim_one(self, transaction: Transaction, subject: str) -> list[Lease]:
        row = transaction.one(
            f"SELECT {COLUMNS} FROM {self._work} WHERE subject = ? AND (lease_until IS NULL OR lease_until <= {{now}})",
            subject,
        )
        return self._taken(transaction, [row] if row else [])

    def _taken(self, transaction: Transaction, rows: Sequence[Row]) -> list[Lease]:
        leases = (self._take(transaction, row) for row in rows)
        return [lease for lease in leases if lease is not None]

    def _due_in(self, transaction: Transaction, dependency: str, room: int) -> list[Row]:
        found: list[Row] = []
        for rank in Rank:
            if len(found) < room:
                found += transaction.all(
                    f'SELECT {COLUMNS} FROM {self._work} WHERE lane = ? AND "rank" = ? AND due <= {{now_once}} '
                    "ORDER BY due LIMIT ? {skip_locked}",
                    dependency,
                    int(rank),
                    room - len(found),
                )
        return found

    def _take(self, transaction: Transaction, row: Row) -> Lease | None:
        """Take it, unless somebody was quicker: on PostgreSQL two claims may read the same row."""
        subject, dependency, _, _, lease_until, generation, crashes, died = row
        expired = lease_until is not None
        count = int(crashes or 0) + int(expired)
        taken = transaction.execute(
            f"UPDATE {self._work} SET owner = ?, generation = generation + 1, lease_until = {{now}} + ?, "
            "due = {now} + ?, crashes = ?, died = 0, woken = 0 WHERE subject = ? AND generation = ? "
            "AND (lease_until IS NULL OR lease_until <= {now})",
            self.owner,
            LEASE.total_seconds(),
            LEASE.total_seconds(),
            count,
            str(subject),
            generation,
        )
        if not taken:
            return None
        return Lease(
            subject=str(subject),
            owner=self.owner,
            generation=int(generation or 0) + 1,
            dependency=str(dependency),
            taken_over=expired or bool(died),
            crashes=count,
        )

    def break_own_leases(self, node: str) -> int:
        """At the start: nobody else works under this node's name, so what it held is free at once, and counts as a
        crash. Returns how many there were.

        Args:
            node: Empty where nobody shares the store: then every lease is a predecessor's, also one whose host had
                another name, as containers have at each start.
        """
        with self.database.writing() as transaction:
            rows = transaction.all(
                f"SELECT subject, crashes FROM {self._work} WHERE lease_until IS NOT NULL AND owner LIKE ? ESCAPE '~'",
                like(node) + "/%" if node else "%",
            )
            for subject, crashes in rows:
                wait = CRASH_WAITS[min(int(crashes or 0), len(CRASH_WAITS) - 1)]
                transaction.execute(
                    f"UPDATE {self._work} SET lease_until = NULL, due = {{now}} + ?, crashes = crashes + 1, "
                    "died = 1, generation = generation + 1 WHERE subject = ?",
                    wait,
                    str(subject),
                )
        return len(rows)

    # ------------------------------------------------------------------------------------ holding

    def fence(self, transaction: Transaction, lease: Lease) -> None:
        """Renew the lease as the first statement of a transaction. Raises LeaseLost."""
        held = transaction.execute(
            f"UPDATE {self._work} SET lease_until = {{now}} + ?, due = {{now}} + ? "
            "WHERE subject = ? AND owner = ? AND generation = ? AND lease_until > {now}",
            LEASE.total_seconds(),
            LEASE.total_seconds(),
            lease.subject,
            lease.owner,
            lease.generation,
        )
        if held != 1:
            raise LeaseLost(f"{lease.subject}: the lease is another's now, or ran out")

    def extend(self, lease: Lease) -> None:
        """See ``ports.WorkStore``."""
        with self.database.writing() as transaction:
            self.fence(transaction, lease)

    def release(self, lease: Lease, *, due: datetime, rank: Rank, because: str, dependency: str = "") -> None:
        """See ``ports.WorkStore``."""
        with self.database.writing() as transaction:
            self.fence(transaction, lease)
            self.give_back(transaction, lease, due=due, rank=rank, because=because, dependency=dependency)

    def give_back(
        self, transaction: Transaction, lease: Lease, *, due: datetime, rank: Rank, because: str, dependency: str
    ) -> None:
        """Release within a fenced transaction; a subject that was woken meanwhile is due at once."""
        transaction.execute(
            f"UPDATE {self._work} SET lease_until = NULL, owner = '', crashes = 0, because = ?, "
            'due = CASE WHEN woken > 0 THEN {now} ELSE ? END, "rank" = CASE WHEN woken > 1 THEN 0 ELSE ? END, '
            "lane = CASE WHEN ? = '' THEN lane ELSE ? END, woken = 0 WHERE subject = ?",
            because,
            epoch(due),
            int(rank),
            dependency,
            dependency,
            lease.subject,
        )

    # ------------------------------------------------------------------------------------ from outside

    def ensure(self, subject: str, dependency: str, rank: Rank, because: str = "") -> bool:
        """Create a row where there is none, due now; True when it was created."""
        with self.database.writing() as transaction:
            return self.ensure_in(transaction, subject, dependency, rank, because)

    def ensure_in(self, transaction: Transaction, subject: str, dependency: str, rank: Rank, because: str = "") -> bool:
        """The same within a transaction."""
        made = transaction.execute(
            f'INSERT INTO {self._work} (subject, lane, "rank", due, because) VALUES (?, ?, ?, {{now}}, ?) '
            "ON CONFLICT (subject) DO NOTHING",
            subject,
            dependency,
            int(rank),
            because,
        )
        return made == 1

    def wake(self, subject: str, *, rank: Rank | None = None, because: str = "") -> None:
        """See ``ports.WorkStore``; one that is being worked on is due again as soon as it is given back."""
        with self.database.writing() as transaction:
            self.wake_in(transaction, subject, rank=rank, because=because)

    def wake_impossible(self, longest: timedelta) -> int:
        """See ``ports.WorkStore``; lanes that would be away for longer than any Retry-After are asked again, too."""
        with self.database.writing() as transaction:
            transaction.execute(
                f"UPDATE {self._lane} SET probe_at = {{now}} WHERE probe_at > {{now}} + ?",
                LONGEST_AWAY.total_seconds(),
            )
            dependencies = dependency_names(transaction, self._work)
        return sum(self._wake_far(dependency, rank, longest) for dependency in dependencies for rank in Rank)

    def _wake_far(self, dependency: str, rank: Rank, longest: timedelta) -> int:
        """The same for one rank of a lane, the latest due first, in transactions that are short however many rows there
        are: what one of them did stands when a later one fails.
        """
        count = 0
        while True:
            with self.database.writing() as transaction:
                rows = transaction.all(
                    f'SELECT subject FROM {self._work} WHERE lane = ? AND "rank" = ? AND due > {{now_once}} + ? '
                    "AND lease_until IS NULL ORDER BY due DESC LIMIT ? {skip_locked}",
                    dependency,
                    int(rank),
                    longest.total_seconds(),
                    WAKE_BATCH,
                )
                # By their names: PostgreSQL would join a subquery with all rows of the table.
                for start in range(0, len(rows), MOST_VALUES):
                    some = [str(subject) for (subject,) in rows[start : start + MOST_VALUES]]
                    marks = ", ".join("?" * len(some))
                    transaction.execute(f"UPDATE {self._work} SET due = {{now}} WHERE subject IN ({marks})", *some)
            count += len(rows)
            if len(rows) < WAKE_BATCH:
                return count

    def wake_in(
        self,
        transaction: Transaction,
        subject: str,
        *,
        rank: Rank | None = None,
        because: str = "",
        due_since: datetime | None = None,
    ) -> None:
        """The same within a transaction.

        Args:
            due_since: Since when there is something to do: of several that wait, the earliest is taken first.
        """
        self.ensure_in(transaction, subject, "", Rank.FIRST if rank is None else rank, because)
        transaction.execute(
            f"UPDATE {self._work} SET woken = CASE WHEN woken > ? THEN woken ELSE ? END "
            "WHERE subject = ? AND lease_until IS NOT NULL",
            1 + int(rank is Rank.OPERATOR),
            1 + int(rank is Rank.OPERATOR),
            subject,
        )
        transaction.execute(
            f"UPDATE {self._work} SET due = CASE WHEN due > {{now}} THEN {{now}} ELSE due END, "
            '"rank" = CASE WHEN "rank" > ? THEN ? ELSE "rank" END WHERE subject = ? AND lease_until IS NULL',
            *((int(Rank.FIRST),) * 2 if rank is None else (int(rank),) * 2),
            subject,
        )
        if due_since is not None:
            transaction.execute(
                f"UPDATE {self._work} SET due = CASE WHEN due > ? THEN ? ELSE due END WHERE subject = ? "
                "AND lease_until IS NULL",
                epoch(due_since),
                epoch(due_since),
                subject,
            )

    def next_due(self) -> datetime | None:
        """See ``ports.WorkStore``."""
        with self.database.reading() as transaction:
            away = {dependency.dependency: dependency.probe_at for dependency in self._dependencies(transaction)}
            dues: list[datetime] = []
            for dependency in dependency_names(transaction, self._work):
                row = transaction.one(
                    "SELECT min(due) FROM ("
                    + " UNION ALL ".join(
                        f'SELECT min(due) AS due FROM {self._work} WHERE lane = ? AND "rank" = {int(rank)}'
                        for rank in Rank
                    )
                    + ") AS dues",
                    *(dependency,) * len(Rank),
                )
                if row and row[0] is not None:
                    due = moment(row[0])
                    dues.append(max(due, away[dependency]) if dependency in away else due)
        return min(dues, default=None)

    def because(self, subject: str) -> tuple[datetime, str] | None:
        """When a subject is due and why, for ``status``; None where there is no row."""
        with self.database.reading() as transaction:
            row = transaction.one(f"SELECT due, because FROM {self._work} WHERE subject = ?", subject)
        return (moment(row[0]), str(row[1])) if row else None

    def resting(self, subject: str) -> tuple[datetime, str] | None:
        """Until when a subject was left, and why; None where it is due, worked on, or has no row."""
        with self.database.reading() as transaction:
            row = transaction.one(
                f"SELECT due, because FROM {self._work} WHERE subject = ? AND lease_until IS NULL AND due > {{now}}",
                subject,
            )
        return (moment(row[0]), str(row[1])) if row else None

    # ------------------------------------------------------------------------------------ lanes

    def dependency_away(self, dependency: str, because: str, probe_at: datetime) -> None:
        """See ``ports.WorkStore``."""
        with self.database.writing() as transaction:
            transaction.execute(
                f"INSERT INTO {self._lane} (lane, away_since, probe_at, failures, because) "
                "VALUES (?, {now}, ?, 1, ?) ON CONFLICT (lane) DO UPDATE SET "
                f"probe_at = excluded.probe_at, failures = {self._lane}.failures + 1, because = excluded.because",
                dependency,
                epoch(probe_at),
                because,
            )

    def dependency_back(self, dependency: str) -> None:
        """See ``ports.WorkStore``."""
        with self.database.writing() as transaction:
            transaction.execute(f"DELETE FROM {self._lane} WHERE lane = ?", dependency)

    def dependencies(self) -> list[DependencyState]:
        """See ``ports.WorkStore``."""
        with self.database.glancing() as transaction:
            return self._dependencies(transaction)

    def _dependencies(self, transaction: Transaction) -> list[DependencyState]:
        rows = transaction.all(f"SELECT lane, away_since, probe_at, failures, because FROM {self._lane}")
        return [
            DependencyState(
                dependency=str(dependency),
                away_since=moment(since),
                probe_at=moment(probe),
                failures=int(failures or 0),
                because=str(because),
            )
            for dependency, since, probe, failures, because in rows
        ]

    def _now(self, transaction: Transaction) -> float:
        row = transaction.one("SELECT {now}")
        return float(row[0] or 0.0) if row else 0.0


COLUMNS = 'subject, lane, "rank", due, lease_until, generation, crashes, died'


def dependency_names(transaction: Transaction, table: str) -> list[str]:
    """The distinct lanes of a work table, one index probe each: a plain DISTINCT reads every row."""
    rows = transaction.all(
        f"WITH RECURSIVE l(lane) AS (SELECT min(lane) FROM {table} UNION ALL "
        f"SELECT (SELECT min(w.lane) FROM {table} w WHERE w.lane > l.lane) FROM l WHERE l.lane IS NOT NULL) "
        "SELECT lane FROM l WHERE lane IS NOT NULL"
    )
    return [str(dependency) for (dependency,) in rows]


def like(text: str) -> str:
    """A text for LIKE, its own wildcards taken literally (ESCAPE '~')."""
    return text.replace("~", "~~").replace("%", "~%").replace("_", "~_")
