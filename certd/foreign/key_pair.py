"""A chain and its key from two files, and a key from a JWK."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from josepy.errors import Error as JoseError
from josepy.jwk import JWK

from certd.errors import CertdError, GateRefused
from certd.foreign.model import text_of
from certd.model import KeyType, Secret
from certd.pki.chain import read_certificate


def pair(fullchain: Path, key: Path) -> tuple[tuple[str, ...], str, Secret, str]:
    """Names, chain, key, and the key's type in certd's words (empty: it has none). Raises CertdError."""
    chain_pem, secret = text_of(fullchain), Secret(text_of(key))
    try:
        read = read_certificate(chain_pem, secret, link="", issuer="", issued_at=datetime.now(UTC))
    except GateRefused as error:
        raise CertdError(f"{fullchain}: {error}") from error
    if not read.domains:
        raise CertdError(f"{fullchain}: the certificate has no DNS names")
    known = {kind.value for kind in KeyType}
    return read.domains, read.chain_pem, secret, read.key_type if read.key_type in known else ""


def pem_of_jwk(text: str, where: Path) -> Secret:
    """The private key of a JWK (RFC 7517) as PEM. Raises CertdError."""
    try:
        key = JWK.json_loads(text).key
        pem: bytes = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    except (JoseError, ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise CertdError(f"{where}: is no private key") from error
    return Secret(pem.decode())
