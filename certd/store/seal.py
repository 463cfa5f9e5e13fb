"""Sealing private keys before they enter a database: AES-256-GCM, bound to the row they stand in.

``c1.<kid>.<base64url(nonce + ciphertext)>``; the associated data names table, column, row and key id. On one machine
this protects copies of the database, and no more than that: the key lies beside it.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from certd.errors import CertdError, RowDamaged, SealBroken
from certd.model import Secret, Unopened
from certd.system.files import sync_folder
from certd.system.regular_file import read_regular

KEY_BYTES = 32

# Two keys while everything is sealed again; more is no file of keys.
MOST_KEYS = 4096
NONCE_BYTES = 12
CHECK = "certd"


class Seal:
    """Seals with the first key and opens with any.

    Args:
        keys: 32 bytes each, base64; the first is the current one, the others are being retired.

    Raises:
        SealBroken: one of them is no such key.
    """

    def __init__(self, keys: Sequence[Secret]) -> None:
        raw = [_raw(key) for key in keys]
        if not raw:
            raise SealBroken("there is no seal key")
        self._ciphers = {_kid(key): AESGCM(key) for key in raw}
        self.kid = _kid(raw[0])

    @property
    def kids(self) -> tuple[str, ...]:
        """The names of the keys that it opens with."""
        return tuple(self._ciphers)

    def close(self, secret: Secret, table: str, column: str, row: str) -> str:
        """Seal a value for exactly this place."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._ciphers[self.kid].encrypt(nonce, secret.reveal().encode(), _bound(table, column, row, self.kid))
        return f"c1.{self.kid}.{base64.urlsafe_b64encode(nonce + sealed).decode().rstrip('=')}"

    def open(self, sealed: str, table: str, column: str, row: str) -> Secret:
        """Open it. Raises SealBroken when no key fits, RowDamaged when it was moved or changed."""
        parts = sealed.split(".")
        where = f"{table}.{column} of {row}"
        if len(parts) != 3 or parts[0] != "c1":
            raise RowDamaged(f"{where} is not sealed as certd seals")
        cipher = self._ciphers.get(parts[1])
        if cipher is None:
            raise SealBroken(
                f"{where} was sealed with key {parts[1]}, this node has {', '.join(self._ciphers)}",
                hint="give this node the store's seal key; it orders nothing before",
            )
        try:
            octets = base64.urlsafe_b64decode(parts[2] + "=" * (-len(parts[2]) % 4))
            return Secret(
                cipher.decrypt(
                    octets[:NONCE_BYTES], octets[NONCE_BYTES:], _bound(table, column, row, parts[1])
                ).decode()
            )
        except (InvalidTag, ValueError, binascii.Error) as error:
            raise RowDamaged(f"{where} does not open: it was changed or moved") from error


class NoKey(Seal):
    """For whoever only reads, and was not given the key: what is sealed stays so, and says why when it is asked for.

    Args:
        why: Raised by every attempt to seal, and by the secrets that it stands for.
    """

    def __init__(self, why: CertdError) -> None:
        self._why = why
        self._ciphers = {}
        self.kid = ""

    def close(self, secret: Secret, table: str, column: str, row: str) -> str:
        """Raises why not."""
        raise self._why

    def open(self, sealed: str, table: str, column: str, row: str) -> Secret:
        """Something that raises why not where it is used."""
        return Unopened(self._why)


def new_seal_key() -> Secret:
    """A fresh key, base64."""
    return Secret(base64.b64encode(os.urandom(KEY_BYTES)).decode())


def load_or_make(path: Path) -> Secret:
    """The key in a file of ours (mode 0600), made on the first start and on the disk before anything is sealed. The
    file is there whole or not at all, whenever certd dies; of two who make one, both get the first.
    """
    if not path.exists():
        made = path.with_name(f".{path.name}.{os.urandom(8).hex()}.tmp")
        try:
            descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(new_seal_key().reveal() + "\n")
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(made, path)
        finally:
            made.unlink(missing_ok=True)
        sync_folder(path.parent)
    return Secret(read_regular(path, MOST_KEYS).decode("ascii").strip())


def keys_in(path: Path) -> list[Secret]:
    """The keys in a file of ours, one a line: two while everything is sealed anew, the new one first."""
    return [Secret(line) for line in load_or_make(path).reveal().split()]


def _raw(key: Secret) -> bytes:
    try:
        raw = base64.b64decode(key.reveal(), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != KEY_BYTES:
        raise SealBroken("a seal key must be 32 bytes in base64", hint="make one with: openssl rand -base64 32")
    return raw


def _kid(key: bytes) -> str:
    return hashlib.sha256(b"certd seal key id" + key).hexdigest()[:8]


def _bound(table: str, column: str, row: str, kid: str) -> bytes:
    return "\x1f".join(("certd", table, column, row, kid)).encode()
