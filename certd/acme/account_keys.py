"""Account keys: made, read as the library wants them, and named by their thumbprint.

certd makes ECDSA P-256 (a signature costs a third of RSA 2048's); what was brought from another client may be RSA
(certbot's default before 2.0, and its accounts until today) or ECDSA P-384.
"""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from josepy import b64
from josepy.jwa import ES256, ES384, RS256, JWASignature
from josepy.jwk import JWK, JWKEC, JWKRSA

from certd.errors import SealBroken
from certd.model import Secret

LEAST_RSA = 2048


def new_account_key() -> Secret:
    """A fresh ECDSA P-256 key."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Secret(pem.decode())


def as_jwk(key: Secret) -> JWK:
    """An account key as the library wants it. Raises SealBroken for one that CAs do not take."""
    try:
        loaded = serialization.load_pem_private_key(key.reveal().encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SealBroken("an account key cannot be read") from error
    if isinstance(loaded, ec.EllipticCurvePrivateKey) and isinstance(loaded.curve, ec.SECP256R1 | ec.SECP384R1):
        return JWKEC(key=loaded)
    if isinstance(loaded, rsa.RSAPrivateKey) and loaded.key_size >= LEAST_RSA:
        return JWKRSA(key=loaded)
    raise SealBroken("an account key is neither ECDSA P-256 or P-384 nor RSA of 2048 bits or more")


def algorithm_of(key: JWK) -> JWASignature:
    """What a key signs with (RFC 7518 section 3.1)."""
    if isinstance(key, JWKRSA):
        return RS256
    return ES384 if key.to_partial_json().get("crv") == "P-384" else ES256


def kind_of(key: JWK) -> str:
    """In words."""
    return {"RS256": "RSA", "ES384": "ECDSA P-384"}.get(str(algorithm_of(key)), "ECDSA P-256")


def thumbprint(key: JWK) -> str:
    """RFC 7638, base64url: what two people compare."""
    return b64.b64encode(key.thumbprint()).decode()
