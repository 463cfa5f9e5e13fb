"""This node's own facts: copies of what it deploys, deployments, holds. Implements ``ports.NodeStore``.

Nothing here is shared, so deploying, verifying and alarming go on while the shared store is away (promise 10).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from certd.model import Certificate, Deployment, Generation, Lease, ProxyFacts, Rank
from certd.planning.choosing import to_deploy
from certd.store.codec import (
    CERTIFICATE_COLUMNS,
    DEPLOYMENT,
    PROXY,
    certificate_of,
    certificate_values,
    epoch,
    generation_of,
    moment,
)
from certd.store.database import Database, Transaction
from certd.store.seal import Seal
from certd.store.work import Work

GENERATION_COLUMNS = "link, generation, fingerprint, issuer, names, not_before, not_after"

# A hold without a link is on the whole proxy; one without a proxy is on the link wherever it is deployed.
ALL = ""


class Node(Work):
    """The node's store."""

    def __init__(self, database: Database, owner: str, seal: Seal) -> None:
        super().__init__(database, owner, prefix="node_")
        self._seal = seal

    def proxy_facts(self, proxy: str, links: Sequence[tuple[str, tuple[str, ...]]]) -> ProxyFacts:
        """See ``ports.NodeStore``."""
        with self.database.reading() as transaction:
            row = transaction.one("SELECT body FROM proxy WHERE proxy = ?", proxy)
            kept = _proxy(str(row[0]), proxy) if row else ProxyFacts(proxy=proxy)
            # One link of a proxy with thousands is read without the others.
            one = "SELECT link, body FROM deployment WHERE proxy = ? AND link = ?"
            if len(links) == 1:
                rows = transaction.all(one, proxy, links[0][0])
            else:
                rows = transaction.all("SELECT link, body FROM deployment WHERE proxy = ?", proxy)
            known = {str(link): read for link, body in rows if (read := _deployment(str(body))) is not None}
            copies = self._copies(transaction, links[0][0] if len(links) == 1 else ALL)
            holds = self._holds(transaction)
        deployments = tuple(
            completed(proxy, known.get(link, Deployment(link=link, domains=domains)), domains, copies, holds)
            for link, domains in links
        )
        return replace(kept, deployments=deployments, hold_until=holds.get((proxy, ALL)))

    def _copies(self, transaction: Transaction, link: str) -> dict[str, list[Generation]]:
        """What this node has of a link, or of all, each in the order in which it came; one statement for thousands."""
        if link == ALL:
            rows = transaction.all(f"SELECT {GENERATION_COLUMNS} FROM copy ORDER BY position")
        else:
            rows = transaction.all(f"SELECT {GENERATION_COLUMNS} FROM copy WHERE link = ? ORDER BY position", link)
        found: dict[str, list[Generation]] = {}
        for row in rows:
            found.setdefault(str(row[0]), []).append(generation_of(row))
        return found

    def _holds(self, transaction: Transaction) -> dict[tuple[str, str], datetime]:
        """Until when, by proxy and link; there are few."""
        found: dict[tuple[str, str], datetime] = {}
        for proxy, link, until in transaction.all("SELECT proxy, link, until FROM hold WHERE until > {now}"):
            key = str(proxy), str(link)
            found[key] = max(moment(until), found.get(key, moment(until)))
        return found

    def keep(self, lease: Lease, facts: ProxyFacts) -> None:
        """See ``ports.NodeStore``."""
        with self.database.writing() as transaction:
            self._keep(transaction, lease, facts)

    def leave(
        self, lease: Lease, facts: ProxyFacts, *, until: datetime, rank: Rank, because: str, lane: str = ""
    ) -> None:
        """See ``ports.NodeStore``."""
        with self.database.writing() as transaction:
            self._keep(transaction, lease, facts)
            self.give_back(transaction, lease, due=until, rank=rank, because=because, lane=lane)

    def _keep(self, transaction: Transaction, lease: Lease, facts: ProxyFacts) -> None:
        self.fence(transaction, lease)
        body = PROXY.dump_json(replace(facts, deployments=(), hold_until=None)).decode()
        transaction.execute(
            "INSERT INTO proxy (proxy, body) VALUES (?, ?) ON CONFLICT (proxy) DO UPDATE SET body = excluded.body",
            facts.proxy, body,
        )  # fmt: skip
        for deployment in facts.deployments:
            # What follows from the copies and the holds is not written down a second time.
            bare = replace(deployment, wanted=None, ours=frozenset(), hold_until=None)
            transaction.execute(
                "INSERT INTO deployment (proxy, link, body) VALUES (?, ?, ?) "
                "ON CONFLICT (proxy, link) DO UPDATE SET body = excluded.body WHERE deployment.body <> excluded.body",
                facts.proxy, deployment.link, DEPLOYMENT.dump_json(bare).decode(),
            )  # fmt: skip

    # ------------------------------------------------------------------------------------ copies

    def copy_in(self, certificate: Certificate, sequence: int) -> None:
        """See ``ports.NodeStore``."""
        self.copy_all((certificate,), sequence)

    def copy_all(self, certificates: Sequence[Certificate], sequence: int) -> None:
        """The same for many, in one transaction: ten thousand need not each wait for the disk."""
        sealed = [self._seal.close(one.key, "copy", "sealed_key", one.fingerprint) for one in certificates]
        with self.database.writing() as transaction:
            for certificate, key in zip(certificates, sealed, strict=True):
                transaction.execute(
                    f"INSERT INTO copy ({CERTIFICATE_COLUMNS}, position) VALUES ({'?, ' * 11}"
                    "(SELECT coalesce(max(position), 0) + 1 FROM copy)) "
                    "ON CONFLICT (link, generation) DO NOTHING",
                    *certificate_values(certificate, key),
                )
            self._copied(transaction, sequence)

    def skip_to(self, sequence: int) -> None:
        """Note that everything up to here was looked at."""
        with self.database.writing() as transaction:
            self._copied(transaction, sequence)

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
                link, generation,
            )  # fmt: skip
        if row is None:
            return None
        return certificate_of(row, self._seal.open(str(row[10]), "copy", "sealed_key", str(row[2])))

    def renew(self, certificate: Certificate) -> None:
        """Write a copy that is there, and cannot be read, anew."""
        sealed = self._seal.close(certificate.key, "copy", "sealed_key", certificate.fingerprint)
        with self.database.writing() as transaction:
            transaction.execute(
                "UPDATE copy SET chain = ?, sealed_key = ? WHERE fingerprint = ?",
                certificate.chain_pem, sealed, certificate.fingerprint,
            )  # fmt: skip

    def copies(self, link: str) -> list[Generation]:
        """What this node has of a link, in the order in which it came."""
        with self.database.reading() as transaction:
            rows = transaction.all(
                f"SELECT {GENERATION_COLUMNS} FROM copy WHERE link = ? ORDER BY position",
                link,
            )
        return [generation_of(row) for row in rows]

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

    def deployments(self) -> list[tuple[str, Deployment]]:
        """See ``ports.NodeStore``."""
        with self.database.reading() as transaction:
            rows = transaction.all("SELECT proxy, body FROM deployment ORDER BY proxy, link")
            found = [(str(proxy), read) for proxy, body in rows if (read := _deployment(str(body))) is not None]
            copies, holds = self._copies(transaction, ALL), self._holds(transaction)
        return [(proxy, completed(proxy, deployment, deployment.domains, copies, holds)) for proxy, deployment in found]

    def troubled(self) -> frozenset[str]:
        """The links that are not proven served, or with which something is wrong."""
        with self.database.reading() as transaction:
            rows = transaction.all(
                "SELECT DISTINCT link FROM deployment WHERE body NOT LIKE ? OR body LIKE ?",
                '%"error":""%',
                '%"served":""%',
            )
        return frozenset(str(link) for (link,) in rows)

    def hold(self, proxy: str, link: str, until: datetime) -> None:
        """Move no pointer and reload nothing before ``until``; a time that has passed ends it."""
        with self.database.writing() as transaction:
            transaction.execute("DELETE FROM hold WHERE until <= {now} OR (proxy = ? AND link = ?)", proxy, link)
            transaction.execute("INSERT INTO hold (proxy, link, until) VALUES (?, ?, ?)", proxy, link, epoch(until))

    def forget(self, link: str) -> None:
        """Drop this node's facts about a link."""
        with self.database.writing() as transaction:
            for table in ("copy", "deployment", "hold", "remote"):
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


def completed(
    proxy: str, known: Deployment, domains: tuple[str, ...], copies: Mapping[str, Sequence[Generation]],
    holds: Mapping[tuple[str, str], datetime],
) -> Deployment:  # fmt: skip
    """A deployment with what follows from the node's copies and holds."""
    mine = copies.get(known.link, ())
    until = [holds[key] for key in ((proxy, known.link), (ALL, known.link)) if key in holds]
    return replace(
        known, domains=domains, wanted=to_deploy(mine, domains), ours=frozenset(copy.fingerprint for copy in mine),
        hold_until=max(until, default=None),
    )  # fmt: skip
