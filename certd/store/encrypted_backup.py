"""A backup under a passphrase: AES-256-GCM (NIST SP 800-38D) with a key that scrypt makes of it (RFC 7914).

Nothing of the file is believed before all of it has passed GCM's check.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from certd.errors import CertdError
from certd.model import Secret

MAGIC = b"certd-backup-1\n"
SALT_BYTES, NONCE_BYTES, KEY_BYTES = 16, 12, 32

# 128 MiB of memory and a third of a second for each guess (RFC 7914 section 2: N, r, p).
COST, BLOCK, PARALLEL = 2**17, 8, 1

# One that a person makes up and types; a file of random octets is longer.
LEAST_LETTERS = 12


def is_encrypted(beginning: bytes) -> bool:
    """Whether a backup that begins so needs a passphrase."""
    return beginning.startswith(MAGIC)


def encrypt(data: bytes, passphrase: Secret) -> bytes:
    """The file's content.

    Raises:
        CertdError: the passphrase is too short.
    """
    if len(passphrase.reveal().strip()) < LEAST_LETTERS:
        raise CertdError(
            f"the passphrase has fewer than {LEAST_LETTERS} letters", hint="for example: openssl rand -base64 24"
        )
    salt, nonce = os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES)
    return MAGIC + salt + nonce + AESGCM(_key(passphrase, salt)).encrypt(nonce, data, MAGIC + salt)


def decrypt(content: bytes, passphrase: Secret) -> bytes:
    """What was encrypted.

    Raises:
        CertdError: the passphrase is wrong, or the file is damaged; which of them nobody can say.
    """
    body = content[len(MAGIC) :]
    salt, rest = body[:SALT_BYTES], body[SALT_BYTES:]
    nonce, sealed = rest[:NONCE_BYTES], rest[NONCE_BYTES:]
    try:
        return AESGCM(_key(passphrase, salt)).decrypt(nonce, sealed, MAGIC + salt)
    except (InvalidTag, ValueError) as error:
        raise CertdError(
            "it does not open: the passphrase is wrong, or the file is damaged", hint="nothing was changed"
        ) from error


def _key(passphrase: Secret, salt: bytes) -> bytes:
    """A line break at the end is an editor's, and not of the passphrase."""
    made = Scrypt(salt=salt, length=KEY_BYTES, n=COST, r=BLOCK, p=PARALLEL)
    return made.derive(passphrase.reveal().strip().encode())
