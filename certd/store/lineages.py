"""The shared store's facts: orders, debts, certificates with sealed keys, attempts (``ports.LineageStore``)."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from certd.errors import GateRefused, RowDamaged
from certd.model import (
    NO_ATTEMPT,
    Bucket,
    Certificate,
    ChainRepair,
    Lease,
    LineageFacts,
    Need,
    Order,
    Rank,
    Request,
    Secret,
    Slot,
    Turn,
    TxtCleanup,
    Unopened,
)
from certd.planning.cleanup import SWEEP_AFTER
from certd.planning.issue import urgency_of
from certd.planning.margin import QUARTER, RENEW_AT, RENEW_AT_SHORT, SHORT_LIFE
from certd.store.codec import (
    CERTIFICATE_COLUMNS,
    CLEANUP,
    WINDOW,
    attempts_body,
    attempts_of,
    certificate_of,
    certificate_values,
    chain_repair_body,
    chain_repair_of,
    epoch,
    epoch_or_none,
    moment,
    moment_or_none,
    order_body,
    order_of,
    rehearsal_body,
    rehearsal_of,
)
from certd.store.compromised_keys import is_compromised
from certd.store.database import Database, Row, Transaction
from certd.store.history import note, note_failure
from certd.store.rate_limits import buckets_of, charge_all, prune_budgets, refund_all, take_turn
from certd.store.repair import repair_lineage
from certd.store.seal import Seal
from certd.store.work import Work

WEEK = timedelta(days=7)

# Who waits for a dependency has just stepped back, or is due; so many of the most urgent are looked at.
SOON = timedelta(minutes=5)
MOST_WAITING = 500

PRUNE_AFTER = timedelta(days=30)

# A CA's own window may begin a little before the planned share of a life.
FILTER_SLACK = 0.03
AWAY_FORGOTTEN_AFTER = timedelta(days=2)
ALL_COLUMNS = (
    f"{CERTIFICATE_COLUMNS}, ari_id, renewal_window, window_look_at, revoked_because, profile, url, chain_repair"
)

# What certd did not order itself says nothing about the CA's allowance.
IMPORTED = "imported"


class Lineages(Work):
    """Lineages by link."""

    def __init__(self, database: Database, owner: str, seal: Seal) -> None:
        super().__init__(database, owner)
        self.seal = seal
        self._node = owner.partition("/")[0]
        # By provider: the mark that they were read under, and the values.
        self._records: dict[str, tuple[str, Mapping[str, frozenset[str]]]] = {}

    # ------------------------------------------------------------------------------------ reading

    def facts(self, link: str) -> LineageFacts:
        """See ``ports.LineageStore``."""
        try:
            return self._facts(link)
        except ValueError as error:
            raise RowDamaged(f"{link}: a row of the store cannot be read ({type(error).__name__})") from error

    def _facts(self, link: str) -> LineageFacts:
        with self.database.reading() as transaction:
            lineage = transaction.one("SELECT current, attempt, rehearsal FROM lineage WHERE link = ?", link)
            order = transaction.one("SELECT body, sealed_key FROM orders WHERE link = ?", link)
            cleanups = transaction.all("SELECT body FROM debt WHERE link = ?", link)
            slot = transaction.one("SELECT issuer, at FROM slot WHERE link = ?", link)
            request = transaction.one("SELECT by_whom, at, forced FROM request WHERE link = ?", link)
            fingerprint = str(lineage[0]) if lineage else ""
            current = transaction.one(
                f"SELECT {ALL_COLUMNS} FROM certificate WHERE fingerprint = ?",
                fingerprint,
            )
            week_ago = (
                "SELECT names, issued_at FROM certificate WHERE link = ? AND issuer <> ? AND issued_at > {now} - ?"
            )
            issued = transaction.all(week_ago, link, IMPORTED, WEEK.total_seconds())
        key = self.seal.open(str(order[1]), "orders", "sealed_key", link) if order else None
        certificate = self._certificate(current) if current else None
        burnt = False
        if certificate is not None and not isinstance(certificate.key, Unopened):
            with self.database.reading() as transaction:
                burnt = is_compromised(transaction, certificate.key)
        attempt, *others = attempts_of(str(lineage[1]) if lineage else "")
        names = certificate.domains if certificate else ()
        return LineageFacts(
            link=link,
            current=certificate,
            key_is_compromised=burnt,
            order=order_of(str(order[0]), key) if order and key else None,
            cleanups=tuple(CLEANUP.validate_json(str(body)) for (body,) in cleanups),
            attempt=attempt,
            others=tuple(others),
            request=Request(by=str(request[0]), at=moment(request[1]), force=bool(request[2])) if request else None,
            slot=Slot(issuer=str(slot[0]), at=moment(slot[1])) if slot else None,
            rehearsal=rehearsal_of(str(lineage[2]) if lineage else ""),
            issued_lately=tuple(sorted(moment(at) for of, at in issued if set(str(of).split()) == set(names))),
        )

    def _certificate(self, row: Row) -> Certificate:
        certificate = certificate_of(row, self._key(row))
        ari_id, window, look_at, revoked, profile, url, repair = row[11:]
        return replace(
            certificate,
            ari_id=str(ari_id),
            window=WINDOW.validate_json(str(window)) if window else None,
            window_look_at=moment_or_none(look_at),
            revoked_because=str(revoked),
            profile=None if profile is None else str(profile),
            url=str(url),
            chain_repair=chain_repair_of(str(repair)),
        )

    def certificates_since(self, sequence: int) -> Iterable[tuple[int, Certificate | None]]:
        """See ``ports.LineageStore``; at most a hundred at a time."""
        with self.database.glancing() as transaction:
            rows = transaction.all(
                f"SELECT {CERTIFICATE_COLUMNS}, sequence FROM certificate WHERE sequence > ? "
                "ORDER BY sequence LIMIT 100",
                sequence,
            )
        return [(int(row[11] or 0), self._readable(row)) for row in rows]

    def _readable(self, row: Row) -> Certificate | None:
        try:
            return certificate_of(row, self._key(row))
        except (ValueError, RowDamaged):
            return None

    def troubled(self) -> frozenset[str]:
        """The links that somebody may have to hear of: something failed, or a quarter of the margin is nearly used.

        A filter: it may name links that turn out to be well, and must not pass over one that is not. So it is reckoned
        from each life, and begins a little before the first alarm.
        """
        short, other = (at + (1 - at) * QUARTER - FILTER_SLACK for at in (RENEW_AT_SHORT, RENEW_AT))
        with self.database.reading() as transaction:
            rows = transaction.all(
                "SELECT l.link FROM lineage l LEFT JOIN certificate c ON c.fingerprint = l.current "
                "WHERE l.attempt <> '' OR l.rehearsal LIKE '!%' "
                "OR {now} > c.not_before + (c.not_after - c.not_before) "
                "* CASE WHEN c.not_after - c.not_before < ? THEN ? ELSE ? END "
                "OR c.revoked_because <> '' OR c.chain_repair LIKE '!%' "
                'OR c.renewal_window LIKE \'%"explanation_url":"http%\'',
                SHORT_LIFE.total_seconds(),
                short,
                other,
            )
        return frozenset(str(link) for (link,) in rows)

    def is_current(self, link: str, fingerprint: str) -> bool:
        """Whether a certificate is the one that its lineage goes by now."""
        with self.database.glancing() as transaction:
            return (
                transaction.one("SELECT 1 FROM lineage WHERE link = ? AND current = ?", link, fingerprint) is not None
            )

    def _key(self, row: Row) -> Secret:
        return self.seal.open(str(row[10]), "certificate", "sealed_key", str(row[2]))

    def records(self, provider: str) -> Mapping[str, frozenset[str]]:
        """The TXT values that this way of publishing owes at present, by the name they stand at; the responder asks for
        them every second.
        """
        mark, (marked, known) = self.database.mark(), self._records.get(provider, ("", {}))
        if mark and mark == marked:
            return known
        with self.database.reading() as transaction:
            rows = transaction.all(
                "SELECT name, target, value FROM debt WHERE provider = ? AND settled_at IS NULL", provider
            )
        values: dict[str, frozenset[str]] = {}
        for name, target, value in rows:
            where = str(target or name)
            values[where] = values.get(where, frozenset()) | {str(value)}
        self._records[provider] = (mark, values)
        return values

    # ------------------------------------------------------------------------------------ writing

    def keep(self, lease: Lease, facts: LineageFacts) -> None:
        """See ``ports.LineageStore``."""
        with self.database.writing() as transaction:
            self._keep(transaction, lease, facts)

    def leave(
        self, lease: Lease, facts: LineageFacts, *, until: datetime, rank: Rank, because: str, dependency: str = ""
    ) -> None:
        """See ``ports.LineageStore``."""
        with self.database.writing() as transaction:
            self._keep(transaction, lease, facts)
            self.give_back(transaction, lease, due=until, rank=rank, because=because, dependency=dependency)

    def _keep(self, transaction: Transaction, lease: Lease, facts: LineageFacts) -> None:
        self.fence(transaction, lease)
        before = transaction.one("SELECT body FROM orders WHERE link = ?", facts.link)
        self._keep_order(transaction, facts.link, facts.order)
        self._keep_cleanups(transaction, facts.link, facts.cleanups)
        current = facts.current
        is_new = current is not None and self._keep_certificate(transaction, current)
        if current is not None and not is_new and current.chain_repair.without:
            self._keep_chain(transaction, current, lease.owner.partition("/")[0])
        if current is not None and is_new:
            because = str(json.loads(str(before[0])).get("reason", "")) if before else ""
            note(transaction, facts.link, "issued", lease.owner.partition("/")[0], because, current)
        if facts.attempt.kind:
            was = transaction.one("SELECT attempt FROM lineage WHERE link = ?", facts.link)
            with contextlib.suppress(ValueError):
                # A row that cannot be read is overwritten a line below.
                known = attempts_of(str(was[0]) if was else "")
                first = next((each for each in known if each.relaxed == facts.attempt.relaxed), NO_ATTEMPT)
                note_failure(transaction, facts.link, lease.owner.partition("/")[0], first, facts.attempt)
        transaction.execute(
            # What the row goes by instead of what was read from it was adopted meanwhile; adopting asks for no lease.
            "INSERT INTO lineage (link, current, attempt, rehearsal) VALUES (?, ?, ?, ?) ON CONFLICT (link) DO UPDATE "
            "SET current = CASE WHEN ? = 1 OR lineage.current = '' THEN excluded.current ELSE lineage.current END, "
            "attempt = CASE WHEN ? = 1 OR lineage.current = '' OR lineage.current = excluded.current "
            "THEN excluded.attempt ELSE lineage.attempt END, rehearsal = excluded.rehearsal",
            facts.link,
            current.fingerprint if current else "",
            attempts_body(facts),
            rehearsal_body(facts.rehearsal),
            int(is_new),
            int(is_new),
        )
        if facts.request is None and current is not None:
            # A request is fulfilled by a certificate that came after it; one made in the meantime stays.
            transaction.execute("DELETE FROM request WHERE link = ? AND at <= ?", facts.link, epoch(current.issued_at))

    def _keep_order(self, transaction: Transaction, link: str, order: Order | None) -> None:
        if order is None:
            transaction.execute("DELETE FROM orders WHERE link = ?", link)
            return
        known = transaction.execute(
            "UPDATE orders SET body = ? WHERE link = ? AND url = ?", order_body(order), link, order.url
        )
        if not known:
            transaction.execute(
                "INSERT INTO orders (link, url, issuer, body, sealed_key) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (link) DO UPDATE SET url = excluded.url, issuer = excluded.issuer, "
                "body = excluded.body, sealed_key = excluded.sealed_key",
                link,
                order.url,
                order.issuer,
                order_body(order),
                self.seal.close(order.key, "orders", "sealed_key", link),
            )

    def _keep_cleanups(self, transaction: Transaction, link: str, cleanups: tuple[TxtCleanup, ...]) -> None:
        kept = {(cleanup.provider, cleanup.name, cleanup.value) for cleanup in cleanups}
        for row in transaction.all("SELECT provider, name, value FROM debt WHERE link = ?", link):
            if row not in kept:
                transaction.execute("DELETE FROM debt WHERE provider = ? AND name = ? AND value = ?", *row)
        for cleanup in cleanups:
            transaction.execute(
                "INSERT INTO debt (provider, name, value, link, target, body, settled_at) VALUES (?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (provider, name, value) DO UPDATE SET link = excluded.link, target = excluded.target, "
                "body = excluded.body, settled_at = excluded.settled_at",
                cleanup.provider,
                cleanup.name,
                cleanup.value,
                link,
                cleanup.target,
                CLEANUP.dump_json(cleanup).decode(),
                epoch_or_none(cleanup.settled_at),
            )

    def _keep_certificate(self, transaction: Transaction, certificate: Certificate) -> bool:
        """Insert it, or note what changes about it; True when it is new."""
        window = WINDOW.dump_json(certificate.window).decode() if certificate.window else ""
        repair = chain_repair_body(certificate.chain_repair)
        known = transaction.execute(
            # Whoever held the facts when somebody else learned of a revocation must not take it back.
            "UPDATE certificate SET renewal_window = ?, window_look_at = ?, "
            "chain_repair = CASE WHEN ? <> '' THEN ? ELSE chain_repair END, "
            "revoked_because = CASE WHEN ? <> '' THEN ? ELSE revoked_because END WHERE fingerprint = ?",
            window,
            epoch_or_none(certificate.window_look_at),
            repair,
            repair,
            certificate.revoked_because,
            certificate.revoked_because,
            certificate.fingerprint,
        )
        if known:
            return False
        # Counted under the row's lock until the commit, so that a reader never sees a later number first.
        transaction.execute("UPDATE counter SET value = value + 1 WHERE name = 'certificate'")
        sealed = self.seal.close(certificate.key, "certificate", "sealed_key", certificate.fingerprint)
        transaction.execute(
            f"INSERT INTO certificate ({ALL_COLUMNS}, sequence) VALUES ("
            + "?, " * 18
            + "(SELECT value FROM counter WHERE name = 'certificate'))",
            *certificate_values(certificate, sealed),
            certificate.ari_id,
            window,
            epoch_or_none(certificate.window_look_at),
            certificate.revoked_because,
            certificate.profile,
            certificate.url,
            repair,
        )
        return True

    def _keep_chain(self, transaction: Transaction, certificate: Certificate, by: str) -> None:
        """Write a chain that was replaced, under its new generation and a new number, so that every node copies it."""
        row = transaction.one("SELECT generation FROM certificate WHERE fingerprint = ?", certificate.fingerprint)
        if row is None or str(row[0]) == certificate.generation:
            return
        transaction.execute("UPDATE counter SET value = value + 1 WHERE name = 'certificate'")
        transaction.execute(
            "UPDATE certificate SET chain = ?, generation = ?, "
            "sequence = (SELECT value FROM counter WHERE name = 'certificate') WHERE fingerprint = ?",
            certificate.chain_pem,
            certificate.generation,
            certificate.fingerprint,
        )
        note(transaction, certificate.link, "chain replaced", by, certificate.generation, certificate)

    def take_turn(self, lease: Lease, issuer: str, needs: Sequence[Need], *, urgent: bool) -> Turn:
        """See ``ports.LineageStore``."""
        with self.database.writing() as transaction:
            self.fence(transaction, lease)
            return take_turn(transaction, lease.subject.removeprefix("issue:"), issuer, needs, urgent=urgent)

    def charge(self, issuer: str, needs: Sequence[Need]) -> None:
        """See ``ports.LineageStore``."""
        with self.database.writing() as transaction:
            charge_all(transaction, issuer, needs)

    def refund(self, issuer: str, needs: Sequence[Need]) -> None:
        """See ``ports.LineageStore``."""
        with self.database.writing() as transaction:
            refund_all(transaction, issuer, needs)

    def buckets(self, issuer: str, needs: Sequence[Need]) -> list[Bucket]:
        """What each of them holds."""
        with self.database.reading() as transaction:
            return buckets_of(transaction, issuer, needs)

    # ------------------------------------------------------------------------------------ from outside

    def with_cleanups(self) -> list[str]:
        """The links, orphans and forgotten ones too, that owe the DNS a value, or a last look after one."""
        with self.database.reading() as transaction:
            rows = transaction.all(
                "SELECT DISTINCT link FROM debt WHERE settled_at IS NULL OR settled_at <= {now} - ?",
                SWEEP_AFTER.total_seconds(),
            )
        return [str(link) for (link,) in rows]

    def soonest_end(self, dependency: str) -> datetime | None:
        """See ``ports.LineageStore``. The most urgent ones are read, not a hundred thousand that all wait."""
        with self.database.reading() as transaction:
            row = transaction.one(
                "SELECT min(c.not_after) FROM (SELECT subject FROM work WHERE lane = ? AND due <= {now_once} + ? "
                'ORDER BY "rank", due LIMIT ?) w JOIN lineage l ON l.link = substr(w.subject, ?) '
                "JOIN certificate c ON c.fingerprint = l.current WHERE c.not_after > {now_once}",
                dependency,
                SOON.total_seconds(),
                MOST_WAITING,
                len("issue:") + 1,
            )
        return moment(row[0]) if row and row[0] is not None else None

    def waiting_in(self, dependency: str, most: int) -> list[str]:
        """Subjects that are due in a lane and that nobody holds, the earliest first."""
        with self.database.reading() as transaction:
            rows = [
                row
                for rank in Rank
                for row in transaction.all(
                    'SELECT due, subject FROM work WHERE lane = ? AND "rank" = ? AND due <= {now_once} '
                    "AND lease_until IS NULL ORDER BY due LIMIT ?",
                    dependency,
                    int(rank),
                    most,
                )
            ]
        return [str(subject) for _, subject in sorted(rows, key=lambda row: float(row[0] or 0))[:most]]

    def move(self, subject: str, dependency: str) -> None:
        """Put a subject that nobody holds into another lane."""
        with self.database.writing() as transaction:
            transaction.execute(
                "UPDATE work SET lane = ? WHERE subject = ? AND lease_until IS NULL", dependency, subject
            )

    def repair(self, lease: Lease) -> str:
        """See ``ports.LineageStore``."""
        with self.database.writing() as transaction:
            self.fence(transaction, lease)
            at = transaction.one("SELECT {now}")
            link = lease.subject.removeprefix("issue:")
            return ", ".join(repair_lineage(transaction, self.seal, link, moment(at[0] if at else 0)))

    def request(self, link: str, request: Request) -> None:
        """See ``ports.LineageStore``."""
        with self.database.writing() as transaction:
            transaction.execute(
                "INSERT INTO request (link, by_whom, at, forced) VALUES (?, ?, ?, ?) ON CONFLICT (link) DO UPDATE SET "
                "by_whom = excluded.by_whom, at = excluded.at, forced = excluded.forced",
                link,
                request.by,
                epoch(request.at),
                int(request.force),
            )
            self.wake_in(transaction, f"issue:{link}", rank=Rank.OPERATOR, because=f"asked for by {request.by}")
            note(transaction, link, "asked", request.by, "a forced renewal" if request.force else "")

    def adopt(self, certificate: Certificate, *, by: str = "") -> bool:
        """See ``ports.LineageStore``; it becomes the current one, and failures are over, where it ends later."""
        with self.database.writing() as transaction:
            if is_compromised(transaction, certificate.key):
                raise GateRefused("its private key was reported compromised", hint="it is never used again")
            if not self._keep_certificate(transaction, certificate):
                return False
            link = certificate.link
            note(transaction, link, "adopted", by or self._node, "", certificate)
            newer = transaction.one(
                "SELECT 1 FROM lineage l JOIN certificate c ON c.fingerprint = l.current "
                "WHERE l.link = ? AND c.not_after >= ?",
                link,
                epoch(certificate.not_after),
            )
            if not newer:
                transaction.execute(
                    "INSERT INTO lineage (link, current) VALUES (?, ?) "
                    "ON CONFLICT (link) DO UPDATE SET current = excluded.current, attempt = ''",
                    link,
                    certificate.fingerprint,
                )
            rank, since = (None, None) if newer else urgency_of(certificate, moment(self._now(transaction)))
            self.wake_in(transaction, f"issue:{link}", rank=rank, because="adopted", due_since=since)
        return True

    def note_revoked(self, certificate: Certificate, because: str, *, by: str = "") -> None:
        """It is not used any more: its lineage, if it still goes by it, orders another at once."""
        with self.database.writing() as transaction:
            transaction.execute(
                "UPDATE certificate SET revoked_because = ? WHERE fingerprint = ?", because, certificate.fingerprint
            )
            note(transaction, certificate.link, "revoked", by or self._node, because, certificate)
            self.wake_in(transaction, f"issue:{certificate.link}", because=because)

    def note_chain_fault(self, certificate: Certificate, repair: ChainRepair, *, by: str = "") -> None:
        """Its leaf is good and its chain is not: its lineage downloads another chain at once."""
        with self.database.writing() as transaction:
            transaction.execute(
                "UPDATE certificate SET chain_repair = ? WHERE fingerprint = ?",
                chain_repair_body(repair),
                certificate.fingerprint,
            )
            note(transaction, certificate.link, "chain fault", by or self._node, repair.reason, certificate)
            self.wake_in(transaction, f"issue:{certificate.link}", because=repair.reason)

    def prune(self) -> int:
        """Drop certificates that expired a month ago and that nothing goes by; returns how many. A lane that nobody
        has asked for two days is none any more: its table was renamed or taken out of the configuration.
        """
        with self.database.writing() as transaction:
            prune_budgets(transaction)
            transaction.execute("DELETE FROM lane WHERE probe_at < {now} - ?", AWAY_FORGOTTEN_AFTER.total_seconds())
            return transaction.execute(
                "DELETE FROM certificate WHERE not_after < {now} - ? "
                "AND fingerprint NOT IN (SELECT current FROM lineage)",
                PRUNE_AFTER.total_seconds(),
            )

    def forget(self, link: str, *, by: str = "") -> None:
        """Drop everything about a link, but what is still owed to the DNS."""
        with self.database.writing() as transaction:
            note(transaction, link, "forgotten", by or self._node)
            for table in ("lineage", "orders", "request", "wish", "certificate", "slot"):
                transaction.execute(f"DELETE FROM {table} WHERE link = ?", link)
            owed = transaction.one("SELECT 1 FROM debt WHERE link = ? AND settled_at IS NULL", link)
            if owed is None:
                transaction.execute("DELETE FROM debt WHERE link = ?", link)
                transaction.execute("DELETE FROM work WHERE subject = ?", f"issue:{link}")
            else:
                self.wake_in(transaction, f"issue:{link}", because="a TXT value of ours may still be published")
