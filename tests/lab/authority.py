"""CAs and certificates that are not the plain case: what :mod:`tests.lab.certificates` makes, bent."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.lab.certificates import DAY, NOW, Issuer


def make_limited_ca(name: str, parent: Issuer, path_length: int) -> Issuer:
    """An intermediate that may have so many CAs below it."""
    return _signed(_name(name), ec.generate_private_key(ec.SECP256R1()), parent, path_length=path_length)


def cross_signed(issuer: Issuer, by: Issuer, *, start: datetime = NOW - DAY, life: timedelta = 3650 * DAY) -> Issuer:
    """The same CA, name and key, with another CA's signature instead of its own."""
    return _signed(issuer.certificate.subject, issuer.key, by, start=start, life=life)


def make_leaf_with_serial(issuer: Issuer, name: str, serial: int, authority_key: bytes | None) -> str:
    """A leaf with this serial number; without an authority key identifier where there is none."""
    builder = _builder(x509.Name([]), ec.generate_private_key(ec.SECP256R1()), issuer, NOW - DAY, 90 * DAY)
    builder = builder.serial_number(serial).add_extension(
        x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False
    )
    if authority_key is not None:
        identifier = x509.AuthorityKeyIdentifier(authority_key, None, None)
        builder = builder.add_extension(identifier, critical=False)
    return _pem(builder.sign(issuer.key, hashes.SHA256()))


def damaged(pem: str, old: str, new: str) -> str:
    """A certificate with some octets of its DER (in hex) changed: it still looks like one."""
    der = x509.load_pem_x509_certificate(pem.encode()).public_bytes(serialization.Encoding.DER)
    assert bytes.fromhex(old) in der
    return armoured("CERTIFICATE", der.replace(bytes.fromhex(old), bytes.fromhex(new)))


def armoured(label: str, der: bytes) -> str:
    """DER as PEM, whatever it holds."""
    text = base64.b64encode(der).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


def _signed(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    parent: Issuer,
    *,
    path_length: int | None = None,
    start: datetime = NOW - DAY,
    life: timedelta = 3650 * DAY,
) -> Issuer:
    builder = _builder(subject, key, parent, start, life).serial_number(x509.random_serial_number())
    constraints = x509.BasicConstraints(ca=True, path_length=path_length)
    return Issuer(builder.add_extension(constraints, critical=True).sign(parent.key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, parent: Issuer, start: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(parent.certificate.subject)
        .public_key(key.public_key())
        .not_valid_before(start)
        .not_valid_after(start + life)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
