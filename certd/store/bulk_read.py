"""Many links read at once, for pages and figures: a handful of statements for hundreds of links; no key is opened."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from certd.model import (
    NO_ATTEMPT,
    Certificate,
    CertificateSpec,
    Deployment,
    LineageFacts,
    Rank,
    Request,
    Secret,
    Slot,
    TxtCleanup,
)
from certd.planning.generation_choice import to_deploy
from certd.store.codec import (
    CLEANUP,
    DEPLOYMENT,
    SPEC,
    WINDOW,
    attempts_of,
    certificate_of,
    chain_repair_of,
    generation_of,
    moment,
    moment_or_none,
    order_of,
)
from certd.store.database import Database, Row, select_in
from certd.store.lineages import IMPORTED, WEEK
from certd.store.node import GENERATION_COLUMNS
from certd.store.work import dependency_names

UNREAD = Secret("")

# The certificate without its key, and without the chain: tens of megabytes for ten thousand links.
COLUMNS = (
    "link, generation, fingerprint, issuer, names, key_type, not_before, not_after, issued_at, '' AS chain, "
    "'' AS sealed_key, ari_id, renewal_window, window_look_at, revoked_because, profile, "
    "url, chain_repair"
)


@dataclass(frozen=True, slots=True)
class BulkReader:
    """Reads; never writes.

    Args:
        shared: The shared store.
        own: This node's.
    """

    shared: Database
    own: Database

    def specs(self, links: Sequence[str]) -> dict[str, CertificateSpec]:
        """The stored wishes; orphans and strangers are left out."""
        found = {}
        with self.shared.reading() as transaction:
            query = "SELECT link, spec FROM wish WHERE orphan_since IS NULL AND link IN "
            for link, spec in select_in(transaction, query, links):
                found[str(link)] = SPEC.validate_json(str(spec))
        return found

    def uncopied(self, links: Sequence[str]) -> list[str]:
        """Those that go by a certificate of which this node has no copy."""
        with self.own.reading() as transaction:
            copied = {fingerprint for (fingerprint,) in transaction.all("SELECT fingerprint FROM copy")}
        with self.shared.reading() as transaction:
            query = "SELECT link, current FROM lineage WHERE current <> '' AND link IN "
            return [str(link) for link, current in select_in(transaction, query, links) if current not in copied]

    def last_sequence(self) -> int:
        """The highest sequence number that a certificate was given."""
        with self.shared.glancing() as transaction:
            row = transaction.one("SELECT value FROM counter WHERE name = 'certificate'")
        return int(row[0] or 0) if row else 0

    def lineages(self, links: Sequence[str]) -> dict[str, LineageFacts]:
        """What is recorded of lineages, all of them; one with a row that cannot be read is as if nothing were known.

        Keys and chains are empty in it.
        """
        with self.shared.reading() as transaction:
            known = {
                str(link): (str(current), str(attempt))
                for link, current, attempt in select_in(
                    transaction, "SELECT link, current, attempt FROM lineage WHERE link IN ", links
                )
            }
            fingerprints = [current for current, _ in known.values() if current]
            certificates = {
                str(row[2]): row
                for row in select_in(
                    transaction, f"SELECT {COLUMNS} FROM certificate WHERE fingerprint IN ", fingerprints
                )
            }
            found = select_in(transaction, "SELECT link, body FROM orders WHERE link IN ", links)
            orders = {str(link): str(body) for link, body in found}
            cleanups = _gathered(select_in(transaction, "SELECT link, body FROM debt WHERE link IN ", links))
            requests = {
                str(row[0]): row
                for row in select_in(transaction, "SELECT link, by_whom, at, forced FROM request WHERE link IN ", links)
            }
            slots = {
                str(link): Slot(issuer=str(issuer), at=moment(at))
                for link, issuer, at in select_in(
                    transaction, "SELECT link, issuer, at FROM slot WHERE link IN ", links
                )
            }
            lately = (
                "SELECT link, names, issued_at FROM certificate "
                "WHERE issuer <> ? AND issued_at > {now} - ? AND link IN "
            )
            issued = _gathered(select_in(transaction, lately, links, IMPORTED, WEEK.total_seconds()))
        facts = {}
        for link in links:
            current, attempt = known.get(link, ("", ""))
            read = _facts(
                link,
                certificates.get(current),
                attempt,
                orders.get(link, ""),
                cleanups[link],
                requests.get(link),
                issued[link],
            )
            facts[link] = replace(read, slot=slots.get(link))
        return facts

    def deployments(self, links: Mapping[str, tuple[str, ...]]) -> dict[str, dict[str, Deployment]]:
        """By link and proxy, what this node knows.

        Args:
            links: Names and domains.
        """
        found: dict[str, dict[str, Deployment]] = {link: {} for link in links}
        names = list(links)
        with self.own.reading() as transaction:
            bodies = list(select_in(transaction, "SELECT link, proxy, body FROM deployment WHERE link IN ", names))
            query = f"SELECT {GENERATION_COLUMNS}, position FROM copy WHERE link IN "
            copies = defaultdict(list)
            for row in sorted(select_in(transaction, query, names), key=lambda row: int(row[7] or 0)):
                copies[str(row[0])].append(generation_of(row[:7]))
            held = {
                (str(proxy), str(link)): moment(until)
                for proxy, link, until in transaction.all("SELECT proxy, link, until FROM hold WHERE until > {now}")
            }
        for link, proxy, body in bodies:
            try:
                known = DEPLOYMENT.validate_json(str(body))
            except ValueError:
                continue
            mine = copies[str(link)]
            found[str(link)][str(proxy)] = replace(
                known,
                domains=links[str(link)],
                wanted=to_deploy(mine, links[str(link)]),
                ours=frozenset(copy.fingerprint for copy in mine),
                hold_until=max(
                    (until for (on, of), until in held.items() if of == link and on in {"", proxy}), default=None
                ),
            )
        return found

    def spent(self) -> list[tuple[str, str, str, datetime]]:
        """The CAs' limits that something was taken of lately: issuer, kind, whose, and when it is full again."""
        with self.shared.reading() as transaction:
            rows = transaction.all("SELECT issuer, kind, subject, spent FROM bucket WHERE spent > {now}")
        return [(str(issuer), str(kind), str(subject), moment(spent)) for issuer, kind, subject, spent in rows]

    def due(self) -> dict[str, int]:
        """How many subjects are due in each lane and held by nobody: the queue."""
        found: Counter[str] = Counter()
        for database, table in ((self.shared, "work"), (self.own, "node_work")):
            with database.reading() as transaction:
                for dependency, rank in itertools.product(dependency_names(transaction, table), Rank):
                    row = transaction.one(
                        f'SELECT count(*) FROM {table} WHERE lane = ? AND "rank" = ? AND due <= {{now_once}} '
                        "AND lease_until IS NULL",
                        dependency,
                        int(rank),
                    )
                    if row and row[0]:
                        found[dependency] += int(row[0])
        return found


def _gathered(rows: Iterable[Row]) -> defaultdict[str, list[Row]]:
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[str(row[0])].append(row)
    return found


def _facts(
    link: str,
    certificate: Row | None,
    attempt: str,
    order: str,
    cleanups: list[Row],
    request: Row | None,
    issued: list[Row],
) -> LineageFacts:
    try:
        current = _certificate(certificate) if certificate else None
        first, *others = attempts_of(attempt)
        names = set(current.domains) if current else set()
        return LineageFacts(
            link=link,
            current=current,
            order=order_of(order, UNREAD) if order else None,
            cleanups=tuple(_debt(row) for row in cleanups),
            attempt=first,
            others=tuple(others),
            request=Request(by=str(request[1]), at=moment(request[2]), force=bool(request[3])) if request else None,
            issued_lately=tuple(sorted(moment(at) for _, of, at in issued if set(str(of).split()) == names)),
        )
    except ValueError:
        # It is repaired when it is worked on; until then a page shows the others.
        return LineageFacts(link=link, attempt=replace(NO_ATTEMPT, kind="damaged", message="its row cannot be read"))


def _certificate(row: Row) -> Certificate:
    ari_id, window, look_at, revoked, profile, url, repair = row[11:]
    return replace(
        certificate_of(row, UNREAD),
        ari_id=str(ari_id),
        window=WINDOW.validate_json(str(window)) if window else None,
        window_look_at=moment_or_none(look_at),
        revoked_because=str(revoked),
        profile=None if profile is None else str(profile),
        url=str(url),
        chain_repair=chain_repair_of(str(repair)),
    )


def _debt(row: Row) -> TxtCleanup:
    return CLEANUP.validate_json(str(row[1]))
