"""What is wanted, stored once with who set it: a node with another configuration alarms and orders nothing
(design.md, Facts, not nodes).
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from certd.model import CertificateSpec, Rank
from certd.store.codec import SPEC
from certd.store.database import Transaction
from certd.store.work import Work

# A node that has not said for so long that it still wants its links is gone; another may set their wishes.
GONE_AFTER = timedelta(days=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What setting the wishes of a node did.

    Attributes:
        disagree: Links that another node wants otherwise, with its name; its wish stands.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    orphaned: tuple[str, ...] = ()
    disagree: Mapping[str, str] | None = None


class SpecTable:
    """The wish table, and the work rows that follow from it."""

    def __init__(self, work: Work, node: str, *, is_shared: bool = True) -> None:
        """``is_shared``: False where one node alone has the store. Then every wish is its own, whatever its host was
        called when it was set: a container has another name at each start.
        """
        self._work = work
        self._node = node
        self._is_shared = is_shared

    def _is_ours(self, node: str) -> bool:
        return not self._is_shared or node == self._node

    def set(self, specs: Sequence[CertificateSpec]) -> Change:
        """Make this node's links those, and no others of its own."""
        added, changed = [], []
        disagree: dict[str, str] = {}
        with self._work.database.writing() as transaction:
            rows = transaction.all(
                "SELECT link, hash, by_node, confirmed_at < {now} - ?, orphan_since FROM wish",
                GONE_AFTER.total_seconds(),
            )
            known = {
                str(link): (str(digest), str(node), bool(gone), orphan) for link, digest, node, gone, orphan in rows
            }
            for spec in specs:
                digest = digest_of(spec)
                before = known.get(spec.link)
                if before is not None and not self._is_ours(before[1]) and not before[2] and before[3] is None:
                    if before[0] != digest:
                        disagree[spec.link] = before[1]
                    continue
                is_same = before is not None and before[0] == digest and before[3] is None
                self._keep(transaction, spec, digest, confirm_only=is_same)
                if before is None:
                    added.append(spec.link)
                elif not is_same:
                    changed.append(spec.link)
                    self._work.wake_in(transaction, spec.subject, because="the configuration changed")
                    # What failed with the old wish says nothing of the new one; the CA's own waits stand.
                    transaction.execute(
                        "UPDATE lineage SET attempt = '' WHERE link = ? AND attempt NOT LIKE ? AND attempt NOT LIKE ?",
                        spec.link,
                        '%"kind":"rateLimited"%',
                        '%"kind":"paused"%',
                    )
            wanted = {spec.link for spec in specs}
            orphaned = [
                link
                for link, (_, node, _, orphan) in known.items()
                if self._is_ours(node) and orphan is None and link not in wanted
            ]
            for link in orphaned:
                transaction.execute("UPDATE wish SET orphan_since = {now} WHERE link = ?", link)
        return Change(added=tuple(added), changed=tuple(changed), orphaned=tuple(orphaned), disagree=disagree)

    def _keep(self, transaction: Transaction, spec: CertificateSpec, digest: str, *, confirm_only: bool) -> None:
        if confirm_only:
            # Also where it was set by a node that has gone: whoever wants it now may change it, and lets go of it.
            transaction.execute(
                "UPDATE wish SET confirmed_at = {now}, by_node = ? WHERE link = ?", self._node, spec.link
            )
            return
        transaction.execute(
            "INSERT INTO wish (link, spec, hash, by_node, set_at, confirmed_at) VALUES (?, ?, ?, ?, {now}, {now}) "
            "ON CONFLICT (link) DO UPDATE SET spec = excluded.spec, hash = excluded.hash, by_node = excluded.by_node, "
            "set_at = excluded.set_at, confirmed_at = excluded.confirmed_at, orphan_since = NULL",
            spec.link,
            SPEC.dump_json(spec).decode(),
            digest,
            self._node,
        )
        dependency = f"issuer:{spec.issuers[0]}"
        if not self._work.ensure_in(transaction, spec.subject, dependency, Rank.FIRST, "nothing issued yet"):
            self._work.wake_in(transaction, spec.subject, because="wanted again")

    def of(self, link: str) -> CertificateSpec | None:
        """The stored wish; None for an orphan or a stranger."""
        with self._work.database.glancing() as transaction:
            row = transaction.one("SELECT spec FROM wish WHERE link = ? AND orphan_since IS NULL", link)
        return _read(str(row[0])) if row else None

    def orphans(self) -> tuple[str, ...]:
        """Links that nobody wants any more, until they are forgotten."""
        with self._work.database.reading() as transaction:
            rows = transaction.all("SELECT link FROM wish WHERE orphan_since IS NOT NULL ORDER BY link")
        return tuple(str(link) for (link,) in rows)

    def release(self) -> None:
        """At an orderly end: another node may change what this one wanted, as one that starts in its place, under
        another name, must. It stays wanted.
        """
        with self._work.database.writing() as transaction:
            transaction.execute("UPDATE wish SET confirmed_at = 0 WHERE by_node = ?", self._node)


@functools.lru_cache(maxsize=256)
def _read(text: str) -> CertificateSpec:
    """Remembered: each step of an order asks anew what is wanted, and is hardly ever told anything else."""
    return SPEC.validate_json(text)


def digest_of(spec: CertificateSpec) -> str:
    """Two nodes with the same configuration have the same."""
    return hashlib.sha256(SPEC.dump_json(spec)).hexdigest()
