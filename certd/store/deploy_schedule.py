"""When each deployment of a node is due, so that of a proxy with thousands of links only those are read and written.

With ten thousand links on one proxy, reading all of them for each look, and writing all of them after it, took certd
more processor time than everything else together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from certd.store.codec import epoch, moment
from certd.store.database import Transaction

# What came in is due before everything that a time was set for.
AT_ONCE = 0.0


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is due of a proxy.

    Attributes:
        links: The longest due first.
        later: The first of the others to fall due, and when.
        strangers: What was found before these, and is not this proxy's any more: a copy for another proxy woke it.
    """

    links: tuple[str, ...]
    later: tuple[str, datetime] | None
    strangers: tuple[str, ...] = ()


def choose(
    transaction: Transaction, proxy: str, links: Collection[str], *, by: datetime, latest: datetime, most: int
) -> Chosen:
    """What is due up to ``by``; up to half of it such as something is wrong with, however long the others have waited:
    a failed deployment is not tried behind thousands of looks.

    Args:
        links: Those that the proxy has; others are passed over, and named.
        latest: No time beyond is meant: it was set by a clock that was ahead, and has come.
    """
    columns = "SELECT link, due FROM deployment WHERE proxy = ? AND"
    ahead = transaction.all(f"{columns} due > ? ORDER BY due, link LIMIT ?", proxy, epoch(latest), most)
    wrong = transaction.all(
        f"{columns} trouble > 0 AND due <= ? ORDER BY due, link LIMIT ?", proxy, epoch(by), most // 2
    )
    by_due = transaction.all(f"{columns} due IS NOT NULL ORDER BY due, link LIMIT ?", proxy, most + 1)
    found = dict.fromkeys(str(link) for link, _ in (*ahead[: most // 2], *wrong))
    found |= dict.fromkeys(str(link) for link, due in by_due if moment(due) <= by)
    chosen = tuple(link for link in found if link in links)[:most]
    taken = frozenset(chosen)
    others = ((str(link), moment(due)) for link, due in by_due if link in links and link not in taken)
    strangers = dict.fromkeys(str(link) for link, _ in (*ahead, *wrong, *by_due) if link not in links)
    return Chosen(chosen, next(others, None), tuple(strangers))


def leave_alone(transaction: Transaction, proxy: str, links: Iterable[str]) -> None:
    """These are not a proxy's, until they are expected there again."""
    for link in links:
        transaction.execute("UPDATE deployment SET due = NULL WHERE proxy = ? AND link = ?", proxy, link)


def expect(transaction: Transaction, proxy: str, links: Collection[str]) -> None:
    """Exactly these links are a proxy's, as far as anything falls due; all of them are due now."""
    known = {str(link) for (link,) in transaction.all("SELECT link FROM deployment WHERE proxy = ?", proxy)}
    transaction.execute("UPDATE deployment SET due = ? WHERE proxy = ?", AT_ONCE, proxy)
    for link in links:
        if link not in known:
            # A body that cannot be read is one that was never written.
            transaction.execute(
                "INSERT INTO deployment (proxy, link, body, due, trouble) VALUES (?, ?, '', ?, 1)", proxy, link, AT_ONCE
            )
    leave_alone(transaction, proxy, known.difference(links))


def wake(transaction: Transaction, links: Sequence[str]) -> None:
    """Make the deployments of some links due now, wherever they are, and before others that are only looked at."""
    for link in links:
        transaction.execute("UPDATE deployment SET due = ?, trouble = 1 WHERE link = ?", AT_ONCE, link)
    _count(transaction)


def wake_proxy(transaction: Transaction, proxy: str) -> None:
    """Make all deployments of a proxy due now."""
    transaction.execute("UPDATE deployment SET due = ? WHERE proxy = ?", AT_ONCE, proxy)
    _count(transaction)


def _count(transaction: Transaction) -> None:
    """Whoever holds facts that were read before does not put it off again."""
    transaction.execute("UPDATE node_counter SET value = value + 1 WHERE name = 'woken'")


def wake_count(transaction: Transaction) -> int:
    """How often something came in so far."""
    row = transaction.one("SELECT value FROM node_counter WHERE name = 'woken'")
    return int(row[0] or 0) if row else 0
