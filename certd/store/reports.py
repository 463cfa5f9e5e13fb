"""What each node sees its proxies serve, told to the others by the shared store: for the pages, and for nothing else.

Nothing is decided by it: a node's own facts are its own (design.md, Store away). Nodes that have not been heard of
for three days are forgotten, so that pods with names by chance leave no ghosts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from certd.model import Deployment
from certd.store.codec import Body, moment
from certd.store.database import Database
from certd.store.specs import GONE_AFTER

# A node says that it is there every so often; one that is silent for longer is shown as such.
TOLD_EVERY = timedelta(minutes=2)
SILENT_AFTER = timedelta(minutes=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One link on one proxy of a node.

    Attributes:
        generation: What its pointer names.
        is_verified: The newest certificate was seen on every endpoint that answers.
        good_until: The earliest end of what its endpoints show; None where nothing was seen.
    """

    generation: str
    is_verified: bool
    good_until: datetime | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A report as it was told, and when its node was last heard of."""

    node: str
    proxy: str
    report: Report
    heard_at: datetime


REPORT = Body(Report)


def report_of(deployment: Deployment) -> Report:
    """What is worth telling; a look that changes nothing changes no report."""
    ends = [observation.not_after for observation in deployment.observations if observation.not_after is not None]
    return Report(
        generation=deployment.pointed.name if deployment.pointed else "",
        is_verified=deployment.is_verified,
        good_until=min(ends, default=None),
        error=deployment.error[:500],
    )


class Reports:
    """By node, proxy and link.

    Args:
        node: This one.
    """

    def __init__(self, database: Database, node: str) -> None:
        self._database = database
        self._node = node
        self._told: dict[tuple[str, str], str] | None = None

    def tell(self, deployments: Iterable[tuple[str, Deployment]]) -> int:
        """Make these this node's reports, and say that it is there; returns how many changed."""
        now = {(proxy, each.link): REPORT.dump_json(report_of(each)).decode() for proxy, each in deployments}
        with self._database.writing() as transaction:
            is_known = transaction.one("SELECT 1 FROM node WHERE name = ?", self._node) is not None
            if self._told is None or not is_known:
                # Just started; or it was away for so long that the others forgot it.
                rows = transaction.all("SELECT proxy, link, body FROM report WHERE node = ?", self._node)
                self._told = {(str(proxy), str(link)): str(body) for proxy, link, body in rows}
            changed = {key: body for key, body in now.items() if self._told.get(key) != body}
            gone = [key for key in self._told if key not in now]
            for (proxy, link), body in changed.items():
                transaction.execute(
                    "INSERT INTO report (node, proxy, link, body) VALUES (?, ?, ?, ?) "
                    "ON CONFLICT (node, proxy, link) DO UPDATE SET body = excluded.body",
                    self._node,
                    proxy,
                    link,
                    body,
                )
            for proxy, link in gone:
                transaction.execute(
                    "DELETE FROM report WHERE node = ? AND proxy = ? AND link = ?", self._node, proxy, link
                )
            transaction.execute(
                "INSERT INTO node (name, heard_at) VALUES (?, {now}) "
                "ON CONFLICT (name) DO UPDATE SET heard_at = excluded.heard_at",
                self._node,
            )
            ghosts = "SELECT name FROM node WHERE heard_at < {now} - ?"
            transaction.execute(f"DELETE FROM report WHERE node IN ({ghosts})", GONE_AFTER.total_seconds())
            transaction.execute("DELETE FROM node WHERE heard_at < {now} - ?", GONE_AFTER.total_seconds())
        # Only what was committed counts as told.
        self._told = now
        return len(changed) + len(gone)

    def of_others(self, links: Sequence[str]) -> dict[str, tuple[Told, ...]]:
        """What the other nodes told of up to 500 links."""
        if not links:
            return {}
        marks = ", ".join("?" * len(links))
        with self._database.reading() as transaction:
            rows = transaction.all(
                "SELECT r.link, r.node, r.proxy, r.body, n.heard_at FROM report r JOIN node n ON n.name = r.node "
                f"WHERE r.node <> ? AND r.link IN ({marks}) ORDER BY r.link, r.node, r.proxy",
                self._node,
                *links,
            )
        found: dict[str, tuple[Told, ...]] = {}
        for link, node, proxy, body, heard in rows:
            told = Told(
                node=str(node), proxy=str(proxy), report=REPORT.validate_json(str(body)), heard_at=moment(heard)
            )
            found[str(link)] = (*found.get(str(link), ()), told)
        return found
