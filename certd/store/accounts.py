"""ACME accounts, their keys sealed: implements ``certd.acme``'s Accounts by shape, without knowing it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from certd.model import Secret
from certd.store.codec import epoch, moment
from certd.store.database import Database, Transaction
from certd.store.seal import Seal


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAccount:
    """One account with one directory; ``url`` is empty until the CA has said it. ``next_key`` is one that the CA is
    being asked to take instead.
    """

    directory: str
    key: Secret
    url: str = ""
    next_key: Secret | None = None


class AccountTable:
    """Accounts by directory URL."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._database = database
        self._seal = seal

    def get(self, directory: str) -> StoredAccount | None:
        """The account with this directory."""
        with self._database.reading() as transaction:
            return self._read(transaction, directory)

    def keep(self, directory: str, key: Secret, url: str) -> StoredAccount:
        """Keep it unless there is one, which is returned; with the same key the URL is taken over."""
        sealed = self._seal.close(key, "account", "sealed_key", directory)
        with self._database.writing() as transaction:
            transaction.execute(
                "INSERT INTO account (directory, url, sealed_key) VALUES (?, ?, ?) ON CONFLICT (directory) DO NOTHING",
                directory,
                url,
                sealed,
            )
            known = self._read(transaction, directory)
            if known is None or known.key != key:
                return known or StoredAccount(directory=directory, key=key, url=url)
            transaction.execute("UPDATE account SET url = ? WHERE directory = ?", url, directory)
            return replace(known, url=url)

    def intend_key(self, directory: str, key: Secret) -> StoredAccount | None:
        """Remember the next key unless there is one; what is remembered now. None: there is no such account."""
        sealed = self._seal.close(key, "account", "next_key", directory)
        with self._database.writing() as transaction:
            transaction.execute(
                "UPDATE account SET next_key = ? WHERE directory = ? AND next_key = ''", sealed, directory
            )
            return self._read(transaction, directory)

    def turn_to_key(self, directory: str, key: Secret) -> None:
        """The next key is the account's key now, in one step; nothing where it is not the next one."""
        sealed = self._seal.close(key, "account", "sealed_key", directory)
        with self._database.writing() as transaction:
            known = self._read(transaction, directory)
            if known is not None and known.next_key == key:
                transaction.execute(
                    "UPDATE account SET sealed_key = ?, next_key = '' WHERE directory = ?", sealed, directory
                )

    def forget_next_key(self, directory: str, key: Secret) -> None:
        """The CA does not take this next key; nothing where another one is next."""
        with self._database.writing() as transaction:
            known = self._read(transaction, directory)
            if known is not None and known.next_key == key:
                transaction.execute("UPDATE account SET next_key = '' WHERE directory = ?", directory)

    def hold_registration(self, directory: str, until: datetime) -> None:
        """The CA takes no new account before then. It is one of the CA's limits, so it stands among the buckets."""
        with self._database.writing() as transaction:
            transaction.execute(
                "INSERT INTO bucket (issuer, kind, subject, spent, queued) VALUES (?, 'registration', '', ?, ?) "
                "ON CONFLICT (issuer, kind, subject) DO UPDATE SET spent = excluded.spent, queued = excluded.queued",
                directory,
                epoch(until),
                epoch(until),
            )

    def registration_held_until(self, directory: str) -> datetime | None:
        """When the CA takes a new account again; None where it never said so."""
        with self._database.reading() as transaction:
            row = transaction.one(
                "SELECT spent FROM bucket WHERE issuer = ? AND kind = 'registration' AND subject = ''", directory
            )
        return moment(row[0]) if row else None

    def drop(self, directory: str, key: Secret) -> None:
        """Forget the account with this key; another one there stays."""
        with self._database.writing() as transaction:
            known = self._read(transaction, directory)
            if known is not None and known.key == key:
                transaction.execute("DELETE FROM account WHERE directory = ?", directory)

    def orders_of(self, issuer: str) -> list[str]:
        """The links that have an order open with this issuer: their validation values hang on the account's key."""
        with self._database.reading() as transaction:
            rows = transaction.all("SELECT link FROM orders WHERE issuer = ? ORDER BY link", issuer)
        return [str(link) for (link,) in rows]

    def _read(self, transaction: Transaction, directory: str) -> StoredAccount | None:
        row = transaction.one("SELECT url, sealed_key, next_key FROM account WHERE directory = ?", directory)
        if row is None:
            return None
        key = self._seal.open(str(row[1]), "account", "sealed_key", directory)
        following = self._seal.open(str(row[2]), "account", "next_key", directory) if row[2] else None
        return StoredAccount(directory=directory, key=key, url=str(row[0]), next_key=following)
