"""ACME accounts, their keys sealed: implements ``certd.ca``'s Accounts by shape, without knowing it."""

from __future__ import annotations

from dataclasses import dataclass

from certd.model import Secret
from certd.store.database import Database
from certd.store.seal import Seal


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAccount:
    """One account with one directory; ``url`` is empty until the CA has said it."""

    directory: str
    key: Secret
    url: str = ""


class AccountTable:
    """Accounts by directory URL."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._database = database
        self._seal = seal

    def get(self, directory: str) -> StoredAccount | None:
        """The account with this directory."""
        with self._database.reading() as transaction:
            row = transaction.one("SELECT url, sealed_key FROM account WHERE directory = ?", directory)
        if row is None:
            return None
        key = self._seal.open(str(row[1]), "account", "sealed_key", directory)
        return StoredAccount(directory=directory, key=key, url=str(row[0]))

    def keep(self, directory: str, key: Secret, url: str) -> StoredAccount:
        """Keep it unless there is one, which is returned; with the same key the URL is taken over."""
        sealed = self._seal.close(key, "account", "sealed_key", directory)
        with self._database.writing() as transaction:
            transaction.execute(
                "INSERT INTO account (directory, url, sealed_key) VALUES (?, ?, ?) ON CONFLICT (directory) DO NOTHING",
                directory, url, sealed,
            )  # fmt: skip
            row = transaction.one("SELECT url, sealed_key FROM account WHERE directory = ?", directory)
            known = self._seal.open(str(row[1]), "account", "sealed_key", directory) if row else key
            if known == key:
                transaction.execute("UPDATE account SET url = ? WHERE directory = ?", url, directory)
                return StoredAccount(directory=directory, key=key, url=url)
        return StoredAccount(directory=directory, key=known, url=str(row[0]) if row else "")
