"""Certificates that name a revocation list, and the lists."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from certd.model import Secret
from tests.lab.certificates import DAY, NOW, Issuer, Leaf


def make_listed_ca(name: str, parent: Issuer, *urls: str) -> Issuer:
    """An intermediate whose revocation would be written at these addresses."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = _builder(subject, key, parent, NOW - DAY, 3650 * DAY, urls)
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    return Issuer(builder.add_extension(constraints, critical=True).sign(parent.key, hashes.SHA256()), key)


def make_listed_leaf(issuer: Issuer, name: str, *urls: str) -> Leaf:
    """A leaf whose revocation would be written at these addresses."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(x509.Name([]), key, issuer, NOW - DAY, 90 * DAY, urls)
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    built = builder.add_extension(names, critical=False).sign(issuer.key, hashes.SHA256())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return Leaf(built.public_bytes(serialization.Encoding.PEM).decode(), Secret(pem))


def make_list(
    issuer: Issuer,
    revoked: Mapping[int, x509.ReasonFlags | None] | None = None,
    *,
    signed_by: Issuer | None = None,
    start: datetime = NOW - DAY,
    life: timedelta = 7 * DAY,
) -> bytes:
    """A list of this issuer, DER."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(start)
        .next_update(start + life)
    )
    for serial, reason in (revoked or {}).items():
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW - DAY / 2)
        if reason is not None:
            entry = entry.add_extension(x509.CRLReason(reason), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign((signed_by or issuer).key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def serial_of(pem: str) -> int:
    """The first certificate's."""
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


def _builder(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    parent: Issuer,
    start: datetime,
    life: timedelta,
    urls: tuple[str, ...],
) -> x509.CertificateBuilder:
    points = [x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None) for url in urls]
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(parent.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + life)
    )
    return builder.add_extension(x509.CRLDistributionPoints(points), critical=False) if points else builder
