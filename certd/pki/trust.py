"""What a chain must lead to."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from certd.errors import GateRefused
from certd.pki.chain import BEGIN, UNREADABLE, load_chain

SERVER_PURPOSES = frozenset({ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE})


@dataclass(frozen=True, slots=True)
class Trust:
    """The roots that the certificates of an issuer must chain to.

    The path is walked here, by signature, dates and basicConstraints, instead of by ``cryptography.x509.verification``:
    that one also refuses, by CA/Browser Forum profile, chains that every client accepts (private CAs, test CAs).
    Clients' own verification is looked at by handshake afterwards.

    Attributes:
        roots: Trust anchors; empty with ``checked`` false.
        checked: False for a CA whose roots are in no store (staging): the chain must hold in itself only.
    """

    roots: tuple[x509.Certificate, ...] = ()
    checked: bool = True

    @staticmethod
    def of(pem: str) -> Trust:
        """The roots in a PEM bundle. What cannot be read in a system's bundle is passed over.

        Raises:
            GateRefused: there is none.
        """
        roots = []
        for block in pem.split(BEGIN)[1:]:
            try:
                root = x509.load_pem_x509_certificate((BEGIN + block).encode())
                _ = root.subject
                roots.append(root)
            except UNREADABLE:
                continue
        if not roots:
            raise GateRefused("there is no trust anchor in the roots file")
        return Trust(roots=tuple(roots))

    @staticmethod
    def unchecked() -> Trust:
        """The chain must hold in itself; its end is not compared with anything."""
        return Trust(checked=False)

    def verify(self, chain_pem: str, now: datetime) -> None:
        """Judge a chain, leaf first, whose links a client could follow at ``now``.

        Raises:
            GateRefused: naming the link that does not hold.
        """
        chain = load_chain(chain_pem)
        for index, (below, above) in enumerate(itertools.pairwise(chain)):
            if not issued(below, above):
                raise GateRefused(f"the chain is out of order: {name(above)} did not issue {name(below)}")
            between = sum(link.subject != link.issuer for link in chain[1 : index + 1])
            _judge_issuer(above, now, between)
        if self.checked and not self._is_anchored(chain, now):
            raise GateRefused(
                f"the chain ends at {name(chain[-1])}, which leads to none of the expected roots",
                hint="where its CA is a private one, name the CA's certificate in issuer.NAME.roots",
            )

    def needed(self, chain_pem: str, now: datetime) -> tuple[x509.Certificate, ...]:
        """The issuers of a chain up to the first that leads to an expected root; what follows is for older clients.
        Raises GateRefused.
        """
        chain = load_chain(chain_pem)
        for count in range(1, len(chain) + 1):
            if self.checked and self._is_anchored(chain[:count], now):
                return chain[1:count]
        return chain[1:]

    @staticmethod
    def judge_issuer(issuer: x509.Certificate, now: datetime, between: int = 0) -> None:
        """Dates, basicConstraints and purpose of one issuer. Raises GateRefused.

        Args:
            between: How many intermediates stand between it and the leaf.
        """
        _judge_issuer(issuer, now, between)

    def _is_anchored(self, chain: tuple[x509.Certificate, ...], now: datetime) -> bool:
        """Some link is a root, or was issued by one: what follows it (a cross-sign) is for older clients."""
        marks = {fingerprint(root) for root in self.roots}
        for link in chain:
            if fingerprint(link) in marks:
                return True
            for root in self.roots:
                if root.subject == link.issuer and _is_in_its_dates(root, now) and issued(link, root):
                    return True
        return False


def fingerprint(certificate: x509.Certificate) -> bytes:
    """SHA-256."""
    return certificate.fingerprint(hashes.SHA256())


def name(certificate: x509.Certificate) -> str:
    """Its common name, or what there is of its subject."""
    common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    if common:
        return f'"{common[0].value!s}"'
    return f'"{certificate.subject.rfc4514_string()}"' if certificate.subject.rdns else "the leaf"


def issued(below: x509.Certificate, above: x509.Certificate) -> bool:
    """Whether ``above`` signed ``below``: names and signature."""
    try:
        below.verify_directly_issued_by(above)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _is_in_its_dates(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc


def _judge_issuer(issuer: x509.Certificate, now: datetime, between: int) -> None:
    """Dates and basicConstraints, with ``between`` intermediates between this issuer and the leaf."""
    if not _is_in_its_dates(issuer, now):
        raise GateRefused(f"the chain holds {name(issuer)}, which is not valid now")
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, ValueError) as error:
        raise GateRefused(f"the chain holds {name(issuer)}, which is no CA") from error
    if not constraints.ca:
        raise GateRefused(f"the chain holds {name(issuer)}, which is no CA")
    _judge_purpose(issuer)
    if constraints.path_length is not None and between > constraints.path_length:
        raise GateRefused(f"the chain is too long: {name(issuer)} may have {constraints.path_length} CAs below it")


def _judge_purpose(issuer: x509.Certificate) -> None:
    """RFC 5280 sections 4.2.1.3 and 4.2.1.12; clients apply the purposes of a CA to what is below it."""
    try:
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
        if not usage.key_cert_sign:
            raise GateRefused(f"the chain holds {name(issuer)}, which may not sign certificates (key usage)")
    except (x509.ExtensionNotFound, ValueError):
        pass
    try:
        purposes = set(issuer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except (x509.ExtensionNotFound, ValueError):
        return
    if not purposes & SERVER_PURPOSES:
        raise GateRefused(f"the chain holds {name(issuer)}, which is not meant for TLS servers (extended key usage)")
