"""The self-signed placeholder that lets a proxy start before the first certificate.

Marked by its subject's organization; never good, never served, never something to return to.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from certd.errors import GateRefused
from certd.model import Certificate, KeyType
from certd.pki.chain import load_chain, read_certificate
from certd.pki.keys import load_key, make_key

MARK = "certd placeholder"
LIFE = timedelta(days=3650)
BACKDATED = timedelta(hours=1)


def make_placeholder(link: str, domains: Sequence[str], now: datetime) -> Certificate:
    """A self-signed certificate for these names, EC P-256, good for ten years so that no proxy trips over its end."""
    secret = make_key(KeyType.ECDSA_P256)
    key = load_key(secret)
    # Pound starts with no certificate that lacks a common name; a domain may be too long for one.
    names = (x509.NameOID.ORGANIZATION_NAME, x509.NameOID.COMMON_NAME)
    subject = x509.Name([x509.NameAttribute(name, MARK) for name in names])
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise GateRefused("a placeholder's key is an ECDSA key")
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + LIFE)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(domain) for domain in domains]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = signed.public_bytes(serialization.Encoding.PEM).decode()
    return read_certificate(pem, secret, link=link, issuer="placeholder", issued_at=now)


def is_placeholder(chain_pem: str) -> bool:
    """Whether the leaf bears the mark. Raises GateRefused for what is no chain."""
    return is_marked(load_chain(chain_pem)[0])


def is_marked(leaf: x509.Certificate) -> bool:
    """The same of a certificate, such as one that was served."""
    try:
        attributes = leaf.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)
    except ValueError:
        return False
    return any(attribute.value == MARK for attribute in attributes)
