"""Private keys and the requests made from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from certd.errors import GateRefused
from certd.model import KeyType, Secret

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def make_key(key_type: str) -> Secret:
    """A fresh private key, PKCS#8 PEM. An RSA one takes 50 to 450 ms."""
    kind = KeyType(key_type)
    key: PrivateKey
    match kind:
        case KeyType.ECDSA_P256:
            key = ec.generate_private_key(ec.SECP256R1())
        case KeyType.ECDSA_P384:
            key = ec.generate_private_key(ec.SECP384R1())
        case KeyType.RSA_2048 | KeyType.RSA_3072 | KeyType.RSA_4096:
            key = rsa.generate_private_key(public_exponent=65537, key_size=int(kind.value.removeprefix("rsa-")))
        case _:
            assert_never(kind)
    return Secret(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
    )


def load_key(pem: Secret) -> PrivateKey:
    """The key itself.

    Raises:
        GateRefused: it is no private key, has a passphrase, or is of a kind that no certificate is ordered for.
    """
    try:
        key = serialization.load_pem_private_key(pem.reveal().encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # The library's own words may quote the material; they are not passed on.
        raise GateRefused("the private key is not a PEM private key without passphrase") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise GateRefused("the private key is neither ECDSA nor RSA")
    return key


def key_type_of(pem: Secret) -> str:
    """Its type in certd's words, such as ``ecdsa-p256``; the library's name for one that certd does not offer."""
    return public_key_type(load_key(pem).public_key())


def public_key_type(key: object) -> str:
    """The same of a public key."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return {"secp256r1": "ecdsa-p256", "secp384r1": "ecdsa-p384"}.get(key.curve.name, key.curve.name)
    if isinstance(key, rsa.RSAPublicKey):
        return f"rsa-{key.key_size}"
    return type(key).__name__


def csr_der(key: Secret, domains: Sequence[str]) -> bytes:
    """A minimal request: empty subject, the names as subject alternative names, nothing that a CA could withdraw."""
    names = x509.SubjectAlternativeName([x509.DNSName(domain) for domain in domains])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(names, critical=False)
    return builder.sign(load_key(key), hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def key_mark(key: Secret) -> str:
    """SHA-256 of its public half in hex: tells a key without holding it. Raises GateRefused for what is none."""
    public = (
        load_key(key)
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    digest = hashes.Hash(hashes.SHA256())
    digest.update(public)
    return digest.finalize().hex()
