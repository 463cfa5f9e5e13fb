"""This node's own facts: copies of what it deploys, deployments, holds. Implements ``ports.NodeStore``.

Nothing here is shared, so deploying, checking and alarms go on while the shared store is away (design.md, Store
away).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from certd.model import Certificate, Deployment, Generation, Lease, ProxyFacts, Rank
from certd.planning.generation_choice import to_deploy
from certd.store import deploy_schedule
from certd.store.codec import (
    CERTIFICATE_COLUMNS,
    DEPLOYMENT,
    PROXY,
    certificate_of,
    certificate_values,
    epoch,
    epoch_or_none,
    generation_of,
    moment,
)
from certd.store.database import MOST_VALUES, Database, Transaction, select_in
from certd.store.seal import Seal
from certd.store.work import Work

GENERATION_COLUMNS = "link, generation, fingerprint, issuer, names, not_before, not_after"

# Nothing is held for longer: what would be was held by a clock that was ahead.
LONGEST_HOLD = timedelta(days=7)

# A hold without a link is on the whole proxy; one without a proxy is on the link wherever it is deployed.
ALL = ""


class Node(Work):
    """The node's store."""

    def __init__(self, database: Database, owner: str, seal: Seal) -> None:
        super().__init__(database, owner, prefix="node_")
        self._seal = seal
        self._expected: dict[str, Mapping[str, tuple[str, ...]]] = {}

    def proxy_facts(self, proxy: str, links: Sequence[tuple[str, tuple[str, ...]]]) -> ProxyFacts:
        """See ``ports.NodeStore``."""
        with self.database.reading() as transaction:
            return self._facts(transaction, proxy, links)

    def due_facts(
        self, proxy: str, links: Mapping[str, tuple[str, ...]], *, by: datetime, latest: datetime, most: int
    ) -> ProxyFacts:
        """See ``ports.NodeStore``."""
        self._expect(proxy, links)
        while True:
            with self.database.reading() as transaction:
                chosen = deploy_schedule.choose(transaction, proxy, links, by=by, latest=latest, most=most)
                if not chosen.strangers:
                    facts = self._facts(transaction, proxy, [(link, links[link]) for link in chosen.links])
                    return replace(facts, woken=deploy_schedule.wake_count(transaction), later=chosen.later)
            # They stand before those that are meant, however many there are.
            with self.database.writing() as transaction:
                deploy_schedule.leave_alone(transaction, proxy, chosen.strangers)

    def _expect(self, proxy: str, links: Mapping[str, tuple[str, ...]]) -> None:
        """Once for each configuration, which hands over the same links every time."""
        if self._expected.get(proxy) is not links:
            with self.database.writing() as transaction:
                deploy_schedule.expect(transaction, proxy, links)
            self._expected[proxy] = links

    def _facts(self, transaction: Transaction, proxy: str, links: Sequence[tuple[str, tuple[str, ...]]]) -> ProxyFacts:
        row = transaction.one("SELECT body FROM proxy WHERE proxy = ?", proxy)
        kept = _proxy(str(row[0]), proxy) if row else ProxyFacts(proxy=proxy)
        names = [link for link, _ in links]
        bodies = select_in(transaction, "SELECT link, body FROM deployment WHERE proxy = ? AND link IN ", names, proxy)
        known = {str(link): read for link, body in bodies if (read := _deployment(str(body))) is not None}
        copies = self._copies(transaction, names)
        holds = self._holds(transaction)
        deployments = tuple(
            complete_deployment(proxy, known.get(link, Deployment(link=link, domains=domains)), domains, copies, holds)
            for link, domains in links
        )
        return replace(kept, deployments=deployments, hold_until=holds.get((proxy, ALL)))

    def _copies(self, transaction: Transaction, links: Sequence[str]) -> dict[str, list[Generation]]:
        """What this node has of some links, each in the order in which it came."""
        rows = select_in(transaction, f"SELECT {GENERATION_COLUMNS}, position FROM copy WHERE link IN ", links)
        found: dict[str, list[Generation]] = {}
        for row in sorted(rows, key=lambda row: int(row[-1] or 0)):
            found.setdefault(str(row[0]), []).append(generation_of(row[:-1]))
        return found

    def _holds(self, transaction: Transaction) -> dict[tuple[str, str], datetime]:
        """Until when, by proxy and link; there are few."""
        found: dict[tuple[str, str], datetime] = {}
        for proxy, link, until in transaction.all("SELECT proxy, link, until FROM hold WHERE until > {now}"):
            key = str(proxy), str(link)
            found[key] = max(moment(until), found.get(key, moment(until)))
        return found

    def keep(self, lease: Lease, facts: ProxyFacts, due: Mapping[str, datetime | None] | None = None) -> None:
        """See ``ports.NodeStore``."""
        with self.database.writing() as transaction:
            self._keep(transaction, lease, facts, due)

    def leave(
        self,
        lease: Lease,
        facts: ProxyFacts,
        due: Mapping[str, datetime | None] | None = None,
        *,
        until: datetime,
        rank: Rank,
        because: str,
        dependency: str = "",
    ) -> None:
        """See ``ports.NodeStore``."""
        with self.database.writing() as transaction:
            self._keep(transaction, lease, facts, due)
            self.give_back(transaction, lease, due=until, rank=rank, because=because, dependency=dependency)

    def _keep(
        self, transaction: Transaction, lease: Lease, facts: ProxyFacts, due: Mapping[str, datetime | None] | None
    ) -> None:
        self.fence(transaction, lease)
        body = PROXY.dump_json(replace(facts, deployments=(), hold_until=None, woken=0, later=None)).decode()
        transaction.execute(
            "INSERT INTO proxy (proxy, body) VALUES (?, ?) ON CONFLICT (proxy) DO UPDATE SET body = excluded.body",
            facts.proxy,
            body,
        )
        if deploy_schedule.wake_count(transaction) != facts.woken:
            # Something came in since these were read: planned again from what is there now.
            due = None
        for deployment in facts.deployments:
            # What follows from the copies and the holds is not written down a second time.
            bare = replace(deployment, wanted=None, ours=frozenset(), hold_until=None)
            transaction.execute(
                "INSERT INTO deployment (proxy, link, body, due, trouble) VALUES (?, ?, ?, ?, ?) ON CONFLICT "
                "(proxy, link) DO UPDATE SET body = excluded.body, due = excluded.due, trouble = excluded.trouble",
                facts.proxy,
                deployment.link,
                DEPLOYMENT.dump_json(bare).decode(),
                deploy_schedule.AT_ONCE if due is None else epoch_or_none(due[deployment.link]),
                int(bool(deployment.error) or not deployment.served),
            )

    # ------------------------------------------------------------------------------------ copies

    def copy_in(self, certificate: Certificate, sequence: int) -> None:
        """See ``ports.NodeStore``."""
        self.copy_all((certificate,), sequence)

    def copy_all(self, certificates: Sequence[Certificate], sequence: int, proxies: Collection[str] = ()) -> None:
        """The same for many, in one transaction: ten thousand need not each wait for the disk. These proxies are due in
        the same one: what has been copied is not found a second time.
        """
        sealed = [self._seal.close(one.key, "copy", "sealed_key", one.fingerprint) for one in certificates]
        with self.database.writing() as transaction:
            for certificate, key in zip(certificates, sealed, strict=True):
                transaction.execute(
                    f"INSERT INTO copy ({CERTIFICATE_COLUMNS}, position) VALUES ({'?, ' * 11}"
                    "(SELECT coalesce(max(position), 0) + 1 FROM copy)) "
                    "ON CONFLICT (link, generation) DO NOTHING",
                    *certificate_values(certificate, key),
                )
            if certificates:
                deploy_schedule.wake(transaction, [certificate.link for certificate in certificates])
            for proxy in proxies:
                self.wake_in(transaction, f"deploy:{proxy}")
            self._copied(transaction, sequence)

    def skip_to(self, sequence: int) -> None:
        """Note that everything up to here was looked at."""
        with self.database.writing() as transaction:
            self._copied(transaction, sequence)

    def go_back_to(self, sequence: int) -> None:
        """Note that the shared store has given no higher number: it was put back, or begun anew."""
        with self.database.writing() as transaction:
            transaction.execute("UPDATE node_counter SET value = ? WHERE name = 'copied'", sequence)

    def _copied(self, transaction: Transaction, sequence: int) -> None:
        transaction.execute("UPDATE node_counter SET value = ? WHERE name = 'copied' AND value < ?", sequence, sequence)

    def links(self) -> frozenset[str]:
        """The links that this node has a copy of."""
        with self.database.reading() as transaction:
            return frozenset(str(link) for (link,) in transaction.all("SELECT DISTINCT link FROM copy"))

    def certificate(self, link: str, generation: str) -> Certificate | None:
        """See ``ports.NodeStore``."""
        with self.database.reading() as transaction:
            row = transaction.one(
                f"SELECT {CERTIFICATE_COLUMNS} FROM copy WHERE link = ? AND generation = ?",
                link,
                generation,
            )
        if row is None:
            return None
        return certificate_of(row, self._seal.open(str(row[10]), "copy", "sealed_key", str(row[2])))

    def renew(self, certificate: Certificate) -> None:
        """Write a copy that is there, and cannot be read, anew."""
        sealed = self._seal.close(certificate.key, "copy", "sealed_key", certificate.fingerprint)
        with self.database.writing() as transaction:
            transaction.execute(
                "UPDATE copy SET chain = ?, sealed_key = ? WHERE fingerprint = ? AND generation = ?",
                certificate.chain_pem,
                sealed,
                certificate.fingerprint,
                certificate.generation,
            )

    def copies(self, link: str) -> list[Generation]:
        """What this node has of a link, in the order in which it came."""
        with self.database.reading() as transaction:
            rows = transaction.all(
                f"SELECT {GENERATION_COLUMNS} FROM copy WHERE link = ? ORDER BY position",
                link,
            )
        return [generation_of(row) for row in rows]

    def naming(self, domains: Sequence[str]) -> tuple[str, ...]:
        """Links with a copy that names all of these, or the wildcards above them. The gate has the last word."""
        named = " AND ".join(["(instr(' ' || names || ' ', ?) OR instr(' ' || names || ' ', ?))"] * len(domains))
        either = [f" {name} " for domain in domains for name in (domain, f"*.{domain.partition('.')[2]}")]
        with self.database.reading() as transaction:
            rows = transaction.all(f"SELECT DISTINCT link FROM copy WHERE {named} ORDER BY link", *either)
        return tuple(str(link) for (link,) in rows)

    def sequence(self) -> int:
        """See ``ports.NodeStore``."""
        with self.database.reading() as transaction:
            row = transaction.one("SELECT value FROM node_counter WHERE name = 'copied'")
        return int(row[0] or 0) if row else 0

    def drop_copies(self, link: str, keep: frozenset[str]) -> None:
        """Drop copies that nothing points at any more, of those that came before what is kept: one that came since the
        caller looked is wanted, and would not come a second time.
        """
        with self.database.writing() as transaction:
            rows = transaction.all("SELECT generation FROM copy WHERE link = ? ORDER BY position", link)
            newest = max((number for number, row in enumerate(rows) if str(row[0]) in keep), default=0)
            for (generation,) in rows[:newest]:
                if str(generation) not in keep:
                    transaction.execute("DELETE FROM copy WHERE link = ? AND generation = ?", link, generation)

    # ------------------------------------------------------------------------------------ the rest

    def deployments(self) -> Iterator[tuple[str, Deployment]]:
        """See ``ports.NodeStore``."""
        after = ("", "")
        while True:
            with self.database.reading() as transaction:
                rows = transaction.all(
                    "SELECT proxy, link, body FROM deployment WHERE (proxy, link) > (?, ?) "
                    "ORDER BY proxy, link LIMIT ?",
                    *after,
                    MOST_VALUES,
                )
                copies = self._copies(transaction, sorted({str(link) for _, link, _ in rows}))
                holds = self._holds(transaction)
            for proxy, _, body in rows:
                if (known := _deployment(str(body))) is not None:
                    yield str(proxy), complete_deployment(str(proxy), known, known.domains, copies, holds)
            if len(rows) < MOST_VALUES:
                return
            after = (str(rows[-1][0]), str(rows[-1][1]))

    def deployed(self, proxy: str, links: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Those of some links that were deployed to a proxy, with the names that they had."""
        with self.database.reading() as transaction:
            query = "SELECT link, body FROM deployment WHERE proxy = ? AND link IN "
            rows = list(select_in(transaction, query, links, proxy))
        return {str(link): read.domains for link, body in rows if (read := _deployment(str(body))) is not None}

    def proxies(self) -> frozenset[str]:
        """The proxies that this node deployed to."""
        with self.database.reading() as transaction:
            return frozenset(str(proxy) for (proxy,) in transaction.all("SELECT DISTINCT proxy FROM deployment"))

    def troubled(self) -> frozenset[str]:
        """The links that are not proven served, or with which something is wrong."""
        with self.database.reading() as transaction:
            # Asked for distinct links, SQLite reads every row instead of the index of these.
            rows = transaction.all("SELECT link FROM deployment WHERE trouble > 0")
        return frozenset(str(link) for (link,) in rows)

    def hold(self, proxy: str, link: str, until: datetime) -> None:
        """Move no pointer and reload nothing before ``until``; a time that has passed ends it."""
        with self.database.writing() as transaction:
            transaction.execute("DELETE FROM hold WHERE until <= {now} OR (proxy = ? AND link = ?)", proxy, link)
            transaction.execute("INSERT INTO hold (proxy, link, until) VALUES (?, ?, ?)", proxy, link, epoch(until))
            if link == ALL:
                deploy_schedule.wake_proxy(transaction, proxy)
            else:
                deploy_schedule.wake(transaction, [link])

    def look_again(self, links: Sequence[str]) -> None:
        """Have the endpoints of these links looked at now, whenever the last look was."""
        with self.database.writing() as transaction:
            rows = [*select_in(transaction, "SELECT link, proxy, body FROM deployment WHERE link IN ", links)]
            for link, proxy, body in rows:
                known = _deployment(str(body))
                if known is not None:
                    transaction.execute(
                        "UPDATE deployment SET body = ? WHERE proxy = ? AND link = ?",
                        DEPLOYMENT.dump_json(replace(known, looked_at=None)).decode(),
                        proxy,
                        link,
                    )
            deploy_schedule.wake(transaction, links)
            for proxy in {str(proxy) for _, proxy, _ in rows}:
                self.wake_in(transaction, f"deploy:{proxy}", because="asked for")

    def wake_impossible(self, longest: timedelta) -> int:
        """See ``ports.WorkStore``; holds that no operator can have meant end."""
        with self.database.writing() as transaction:
            transaction.execute("DELETE FROM hold WHERE until > {now} + ?", LONGEST_HOLD.total_seconds())
        return super().wake_impossible(longest)

    def forget(self, link: str) -> None:
        """Drop this node's facts about a link."""
        with self.database.writing() as transaction:
            for table in ("copy", "deployment", "hold", "remote_name", "remote_leftover"):
                transaction.execute(f"DELETE FROM {table} WHERE link = ?", link)


def _deployment(body: str) -> Deployment | None:
    """None for a row that cannot be read: it counts as one that was never written, and is looked at again."""
    try:
        return DEPLOYMENT.validate_json(body)
    except ValueError:
        return None


def _proxy(body: str, proxy: str) -> ProxyFacts:
    try:
        return PROXY.validate_json(body)
    except ValueError:
        return ProxyFacts(proxy=proxy)


def complete_deployment(
    proxy: str,
    known: Deployment,
    domains: tuple[str, ...],
    copies: Mapping[str, Sequence[Generation]],
    holds: Mapping[tuple[str, str], datetime],
) -> Deployment:
    """A deployment with what follows from the node's copies and holds."""
    mine = copies.get(known.link, ())
    until = [holds[key] for key in ((proxy, known.link), (ALL, known.link)) if key in holds]
    return replace(
        known,
        domains=domains,
        wanted=to_deploy(mine, domains),
        ours=frozenset(copy.fingerprint for copy in mine),
        hold_until=max(until, default=None),
    )
