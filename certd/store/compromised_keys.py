"""Keys that were reported compromised: never used again, by whatever link."""

from __future__ import annotations

from certd.model import Secret
from certd.store.codec import key_mark
from certd.store.database import Transaction


def is_compromised(transaction: Transaction, key: Secret) -> bool:
    """Whether a key is one of them. A key is only read where there is such a one at all."""
    if transaction.one("SELECT 1 FROM burnt_key LIMIT 1") is None:
        return False
    return transaction.one("SELECT 1 FROM burnt_key WHERE mark = ?", key_mark(key)) is not None
