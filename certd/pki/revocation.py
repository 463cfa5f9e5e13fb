"""Certificate revocation lists (RFC 5280 section 5): read with suspicion, believed only as far as they are signed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from certd.errors import GateRefused
from certd.pki.chain import UNREADABLE, load_chain
from certd.pki.trust import fingerprint, issued, name

# Let's Encrypt shards its lists; a whole one of a large CA is some megabytes.
MOST_LIST = 8 * 1024 * 1024

# A machine whose clock is a little slow.
SLACK = timedelta(hours=1)

PEM = b"-----BEGIN X509 CRL-----"


@dataclass(frozen=True, slots=True)
class Suspect:
    """A certificate of a chain, who may revoke it, and where that would be written.

    Attributes:
        urls: Of its distribution points that are fetched over HTTP; empty: it names none, which is no fault.
    """

    certificate: x509.Certificate
    issuer: x509.Certificate
    urls: tuple[str, ...]
    is_leaf: bool

    @property
    def mark(self) -> str:
        """SHA-256 of its DER in hex."""
        return fingerprint(self.certificate).hex()


def suspects(chain_pem: str, roots: Sequence[x509.Certificate] = ()) -> tuple[Suspect, ...]:
    """The leaf and every intermediate whose issuer is in the chain or among the roots. Raises GateRefused."""
    chain = load_chain(chain_pem)
    pairs = list(itertools.pairwise(chain))
    last = chain[-1]
    above = next((root for root in roots if root.subject == last.issuer and issued(last, root)), None)
    if above is not None and above != last:
        pairs.append((last, above))
    return tuple(
        Suspect(below, issuer, distribution_points(below), below is chain[0])
        for below, issuer in pairs
        if issued(below, issuer)
    )


def distribution_points(certificate: x509.Certificate) -> tuple[str, ...]:
    """Where its list is fetched; at most four."""
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (x509.ExtensionNotFound, *UNREADABLE):
        return ()
    urls = [
        str(each.value)
        for point in points
        for each in point.full_name or ()
        if isinstance(each, x509.UniformResourceIdentifier)
    ]
    return tuple(url for url in urls if url.startswith(("http://", "https://")))[:4]


def leafs_list(chain_pem: str) -> str:
    """Where a leaf would be listed first; empty where it names no place, or cannot be read."""
    try:
        return next(iter(distribution_points(load_chain(chain_pem)[0])), "")
    except GateRefused:
        return ""


def read_list(body: bytes, issuer: x509.Certificate, now: datetime) -> x509.CertificateRevocationList:
    """A list that this issuer signed and that is in force.

    Raises:
        GateRefused: it cannot be read, is of somebody else, or out of its dates. It then says nothing.
    """
    if len(body) > MOST_LIST:
        raise GateRefused(f"the revocation list is larger than {MOST_LIST} bytes")
    try:
        found = x509.load_pem_x509_crl(body) if body.startswith(PEM) else x509.load_der_x509_crl(body)
        is_of_issuer = found.issuer == issuer.subject
        _ = found.extensions
        since, until = found.last_update_utc, found.next_update_utc
    except UNREADABLE as error:
        raise GateRefused(f"the revocation list cannot be read: {error}") from error
    if not is_of_issuer:
        raise GateRefused(f"the revocation list is not of {name(issuer)}")
    if not _is_signed(found, issuer.public_key()):
        raise GateRefused(f"the revocation list is not signed by {name(issuer)}")
    if now < since - SLACK or (until is not None and now >= until + SLACK):
        raise GateRefused("the revocation list is not in force now", hint="is this machine's clock right?")
    return found


def _is_signed(found: x509.CertificateRevocationList, key: CertificatePublicKeyTypes) -> bool:
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        return False
    try:
        return found.is_signature_valid(key)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False


def why_revoked(found: x509.CertificateRevocationList, certificate: x509.Certificate) -> str:
    """When and why, in words; empty where the list does not hold it."""
    entry = found.get_revoked_certificate_by_serial_number(certificate.serial_number)
    if entry is None:
        return ""
    reason = _reason(entry)
    return "" if reason == "removeFromCRL" else f"revoked at {entry.revocation_date_utc:%Y-%m-%d %H:%M:%SZ} ({reason})"


def _reason(entry: x509.RevokedCertificate) -> str:
    try:
        return str(entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value)
    except (x509.ExtensionNotFound, *UNREADABLE):
        return "unspecified"
