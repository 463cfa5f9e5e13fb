"""Chains made to order, right and wrong ones, for what judges them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from certd.model import Secret

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Issuer:
    """A CA with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        """Its certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf with its key."""

    pem: str
    key: Secret


def make_ca(
    name: str,
    parent: Issuer | None = None,
    *,
    start: datetime = NOW - DAY,
    life: timedelta = 3650 * DAY,
    key: ec.EllipticCurvePrivateKey | None = None,
    purpose: x509.ExtendedKeyUsage | None = None,
) -> Issuer:
    """A root, or an intermediate below ``parent``.

    Args:
        key: Of an issuer that is signed once more, so that what it signed stands under both.
        purpose: What it says it may sign for.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    above = parent.certificate.subject if parent else subject
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(above)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + life)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    if purpose is not None:
        built = built.add_extension(purpose, critical=False)
    return Issuer(built.sign(parent.key if parent else key, hashes.SHA256()), key)


def make_leaf(
    issuer: Issuer, *names: str, start: datetime = NOW - DAY, life: timedelta = 90 * DAY, key_type: str = "ecdsa-p256"
) -> Leaf:
    """A leaf for these names."""
    key = ec.generate_private_key(ec.SECP384R1() if key_type == "ecdsa-p384" else ec.SECP256R1())
    built = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + life)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
        .sign(issuer.key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return Leaf(built.public_bytes(serialization.Encoding.PEM).decode(), Secret(pem))
