"""The pair gate: nothing that fails it reaches a proxy (design.md, Gate).

It is the only protection where a proxy's own check is blind: Apache calls a mismatched pair "Syntax OK" and dies of it,
nginx and HAProxy accept expired certificates and wrong names.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from certd.errors import GateRefused
from certd.model import Certificate
from certd.pki.chain import load_chain, names_of
from certd.pki.keys import load_key
from certd.pki.placeholder import is_placeholder
from certd.pki.trust import Trust, fingerprint


def judge(certificate: Certificate, *, domains: Sequence[str], now: datetime, trust: Trust) -> None:
    """Key matches leaf, leaf first, chain in order and valid, names covered, in its dates, trusted as expected.

    Raises:
        GateRefused: naming the first thing that is wrong.
    """
    chain = load_chain(certificate.chain_pem)
    leaf = chain[0]
    if is_placeholder(certificate.chain_pem):
        raise GateRefused("this is certd's own placeholder")
    if leaf.serial_number < 0:
        raise GateRefused("the leaf has a negative serial number, which RFC 5280 forbids (section 4.1.2.2)")
    if _is_ca(leaf):
        raise GateRefused("the chain does not begin with the leaf, but with a CA")
    if _public(load_key(certificate.key).public_key()) != _public(leaf.public_key()):
        raise GateRefused("the private key does not match the leaf")
    if len({fingerprint(link) for link in chain}) != len(chain):
        raise GateRefused("the chain holds a certificate twice")
    missing = sorted({domain.lower() for domain in domains} - set(names_of(leaf)))
    if missing:
        raise GateRefused(f"the certificate does not cover {', '.join(missing)}")
    if now < leaf.not_valid_before_utc:
        hint = "is this machine's clock right?"
        raise GateRefused(
            f"the certificate is valid only from {leaf.not_valid_before_utc:%Y-%m-%d %H:%M:%SZ}", hint=hint
        )
    if now >= leaf.not_valid_after_utc:
        raise GateRefused(f"the certificate expired at {leaf.not_valid_after_utc:%Y-%m-%d %H:%M:%SZ}")
    trust.verify(certificate.chain_pem, now)


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _public(key: object) -> bytes:
    encode = getattr(key, "public_bytes", None)
    if encode is None:
        return b""
    encoded: bytes = encode(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return encoded
