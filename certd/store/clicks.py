"""What this node saw of each link's clicks, and when it looks again: the node's own table, found by an index."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from certd.clicks.model import CheckFinding, ClickFacts, CutoverNotes
from certd.store.codec import Body, epoch
from certd.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What of a host's facts an examination left."""

    findings: tuple[CheckFinding, ...]
    examined_at: datetime | None


FACTS = Body(ClickFacts)
EXAMINED = Body(Examined)
NOTES = Body(CutoverNotes)


class ClickTable:
    """By host. A row that cannot be read is one that was never looked at."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, link: str) -> tuple[ClickFacts, ...]:
        """What is known of a link, one for each of its hosts."""
        with self._database.reading() as transaction:
            rows = transaction.all("SELECT host, body FROM click WHERE link = ? ORDER BY host", link)
        return tuple(_facts(link, str(host), str(body)) for host, body in rows)

    def among(self, links: Sequence[str]) -> dict[str, tuple[ClickFacts, ...]]:
        """The same of up to 500 links at once; those without a row are left out."""
        marks = ", ".join("?" * len(links))
        if not links:
            return {}
        with self._database.reading() as transaction:
            query = f"SELECT link, host, body FROM click WHERE link IN ({marks}) ORDER BY link, host"
            rows = transaction.all(query, *links)
        found: dict[str, tuple[ClickFacts, ...]] = {}
        for link, host, body in rows:
            found[str(link)] = (*found.get(str(link), ()), _facts(str(link), str(host), str(body)))
        return found

    def troubled(self) -> tuple[ClickFacts, ...]:
        """Those whose last look found something wrong."""
        # As FACTS writes it. Those with findings alone may be all, and each row that is read in full costs.
        rows = self._amiss("AND instr(body, '\"failures\":0,') = 0")
        return tuple(_facts(link, host, body) for link, host, body in rows)

    def with_findings(self) -> tuple[ClickFacts, ...]:
        """Those whose last examination found something wrong, without their look: reading it would be most of what
        this costs.
        """
        found = []
        for link, host, body in self._amiss("AND instr(body, '\"findings\":[]') = 0"):
            # A row that cannot be read is one that was never looked at.
            with contextlib.suppress(ValueError):
                known = EXAMINED.validate_json(body)
                found.append(ClickFacts(link=link, host=host, findings=known.findings, examined_at=known.examined_at))
        return tuple(found)

    def amiss(self) -> int:
        """How many those are."""
        with self._database.reading() as transaction:
            row = transaction.one("SELECT count(*) FROM click WHERE failures > 0")
        return int(row[0] or 0) if row else 0

    def _amiss(self, more: str) -> list[tuple[str, str, str]]:
        with self._database.reading() as transaction:
            # Ordered otherwise, SQLite reads every row instead of the index of these.
            rows = transaction.all(f"SELECT link, host, body FROM click WHERE failures > 0 {more} ORDER BY due")
        return sorted((str(link), str(host), str(body)) for link, host, body in rows)

    def due(self, now: datetime, most: int) -> tuple[ClickFacts, ...]:
        """The hosts that are to be looked at, the longest due first; up to half of them are such as something was wrong
        with, however long the others have waited.
        """
        columns = "SELECT link, host, body FROM click WHERE"
        with self._database.reading() as transaction:
            rows = transaction.all(f"{columns} failures > 0 AND due <= ? ORDER BY due LIMIT ?", epoch(now), most // 2)
            rows += transaction.all(f"{columns} due <= ? ORDER BY due LIMIT ?", epoch(now), most)
        found = {str(host): _facts(str(link), str(host), str(body)) for link, host, body in rows}
        return tuple(found.values())[:most]

    def keep(self, facts: ClickFacts, due: datetime) -> None:
        """Remember a look, and when the next one is. A host that was forgotten meanwhile stays forgotten."""
        with self._database.writing() as transaction:
            transaction.execute(
                "UPDATE click SET body = ?, failures = ?, due = ? WHERE host = ?",
                FACTS.dump_json(facts).decode(),
                facts.failures + len(facts.findings),
                epoch(due),
                facts.host,
            )

    def found_well(self, host: str, names: Collection[str]) -> None:
        """Checks of these names were just found well: what was found wrong before is over."""
        with self._database.writing() as transaction:
            row = transaction.one("SELECT link, body FROM click WHERE host = ?", host)
            if row is None:
                return
            facts = _facts(str(row[0]), host, str(row[1]))
            left = tuple(finding for finding in facts.findings if finding.name not in names)
            if left != facts.findings:
                transaction.execute(
                    "UPDATE click SET body = ?, failures = ? WHERE host = ?",
                    FACTS.dump_json(replace(facts, findings=left)).decode(),
                    facts.failures + len(left),
                    host,
                )

    def want(self, hosts: Iterable[tuple[str, str, timedelta]], now: datetime) -> None:
        """Exactly these hosts, as link, host and interval: new ones are spread over their interval, gone ones go."""
        wanted = list(hosts)
        with self._database.writing() as transaction:
            known = {str(host): str(link) for host, link in transaction.all("SELECT host, link FROM click")}
            for index, (link, host, every) in enumerate(wanted):
                before = known.pop(host, None)
                if before is None:
                    due = now + every * index / max(len(wanted), 1)
                    transaction.execute(
                        "INSERT INTO click (host, link, due, failures, body) VALUES (?, ?, ?, 0, ?)",
                        host,
                        link,
                        epoch(due),
                        FACTS.dump_json(ClickFacts(link=link, host=host)).decode(),
                    )
                elif before != link:
                    transaction.execute("UPDATE click SET link = ? WHERE host = ?", link, host)
            for host in known:
                transaction.execute("DELETE FROM click WHERE host = ?", host)

    # ------------------------------------------------------------------------------------ the switch

    def notes(self, host: str) -> CutoverNotes:
        """What a walk through the switch remembers."""
        with self._database.reading() as transaction:
            row = transaction.one("SELECT body FROM cutover WHERE host = ?", host)
        try:
            return NOTES.validate_json(str(row[0])) if row else CutoverNotes(host=host)
        except ValueError:
            return CutoverNotes(host=host)

    def note(self, notes: CutoverNotes) -> None:
        """Remember it."""
        with self._database.writing() as transaction:
            transaction.execute(
                "INSERT INTO cutover (host, body) VALUES (?, ?) ON CONFLICT (host) DO UPDATE SET body = excluded.body",
                notes.host,
                NOTES.dump_json(notes).decode(),
            )


def _facts(link: str, host: str, body: str) -> ClickFacts:
    try:
        return FACTS.validate_json(body)
    except ValueError:
        return ClickFacts(link=link, host=host)
