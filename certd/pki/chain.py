"""Chains as a CA returns them: split, read, and put together again."""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization

from certd.errors import GateRefused
from certd.model import Certificate, Secret
from certd.pki.keys import public_key_type

# Caps before anything is parsed (CVE-2024-12401 is a PEM parser that was given megabytes).
MOST_BYTES = 256 * 1024
MOST_CERTIFICATES = 10

BEGIN = "-----BEGIN CERTIFICATE-----"
BLOCK = re.compile(BEGIN + r"\s[A-Za-z0-9+/=\s]+?-----END CERTIFICATE-----")

# What the library raises for a certificate that is odd: half of it when it is read, half of it when it is looked into.
UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


def split_chain(pem: str) -> tuple[str, ...]:
    """The PEM blocks of a chain, each ending in one line break, without blank lines.

    Raises:
        GateRefused: nothing in it, too much, or a certificate that does not end or holds what is not base64: without it
            the rest might pass for a whole chain.
    """
    if len(pem) > MOST_BYTES:
        raise GateRefused(f"the chain is larger than {MOST_BYTES} bytes")
    blocks = tuple(_without_blank_lines(block) for block in BLOCK.findall(pem))
    if len(blocks) != pem.count(BEGIN):
        raise GateRefused("a certificate of the chain is cut off or damaged")
    if not blocks:
        raise GateRefused("there is no certificate in the chain")
    if len(blocks) > MOST_CERTIFICATES:
        raise GateRefused(f"the chain has more than {MOST_CERTIFICATES} certificates")
    return blocks


def whole(pem: str) -> str:
    """A chain as certd keeps it: its PEM blocks and nothing between them. Raises GateRefused."""
    return "".join(split_chain(pem))


def _without_blank_lines(block: str) -> str:
    return "".join(line.strip() + "\n" for line in block.splitlines() if line.strip())


@functools.lru_cache(maxsize=8)
def load_chain(pem: str) -> tuple[x509.Certificate, ...]:
    """The certificates, leaf first as far as the sender kept to it. Raises GateRefused.

    Remembered: between its download and the disk a chain is asked for half a dozen times.
    """
    try:
        return tuple(_load(block) for block in split_chain(pem))
    except UNREADABLE as error:
        raise GateRefused(f"a certificate of the chain cannot be read: {error}") from error


def _load(block: str) -> x509.Certificate:
    """The library reads key, names and extensions when they are asked for; whoever asks later must not stumble."""
    certificate = x509.load_pem_x509_certificate(block.encode())
    certificate.public_key()
    _ = (certificate.subject, certificate.issuer, certificate.extensions, certificate.serial_number)
    return certificate


def read_certificate(chain_pem: str, key: Secret, *, link: str, issuer: str, issued_at: datetime) -> Certificate:
    """A chain and its key as a certificate of a lineage; nothing is judged yet, see :mod:`certd.pki.gate`.

    Raises:
        GateRefused: it cannot be read.
    """
    leaf = load_chain(chain_pem)[0]
    fingerprint = fingerprint_of(leaf.public_bytes(serialization.Encoding.DER))
    return Certificate(
        link=link,
        generation=generation_name(leaf.not_valid_before_utc, fingerprint),
        fingerprint=fingerprint,
        issuer=issuer,
        domains=names_of(leaf),
        key_type=public_key_type(leaf.public_key()),
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
        chain_pem=whole(chain_pem),
        key=key,
        issued_at=issued_at,
        ari_id=ari_id(leaf),
    )


def generation_name(not_before: datetime, fingerprint: str) -> str:
    """``<notBefore>-<fingerprint8>``: names sort by age."""
    return f"{not_before:%Y%m%dT%H%M%SZ}-{fingerprint[:8]}"


def repaired_generation(certificate: Certificate, chain_pem: str) -> str:
    """The name of the generation that has the same leaf with another chain."""
    base = generation_name(certificate.not_before, certificate.fingerprint)
    return f"{base}-{chain_mark(load_chain(chain_pem)[1:])}"


def chain_mark(issuers: Sequence[x509.Certificate]) -> str:
    """The mark of what is sent beside a leaf; a root in it does not count, as some servers add or leave it out.

    Returns:
        Eight hexadecimal digits; for no issuer at all, those of nothing.
    """
    sent = [each.public_bytes(serialization.Encoding.DER) for each in issuers if each.subject != each.issuer]
    return fingerprint_of(b"".join(sent))[:8]


def fingerprint_of(der: bytes) -> str:
    """SHA-256 of a certificate's DER, lower-case hex."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(der)
    return digest.finalize().hex()


def serial_of(chain_pem: str) -> str:
    """The serial number of a leaf, lower-case hex in whole octets, as CAs and `openssl x509 -serial` show it; empty
    for what cannot be read.
    """
    try:
        number = f"{load_chain(chain_pem)[0].serial_number:x}"
    except GateRefused:
        return ""
    return number if len(number) % 2 == 0 else f"0{number}"


def names_of(leaf: x509.Certificate) -> tuple[str, ...]:
    """The DNS names of its subject alternative names, sorted, in lower case; the common name counts for nothing."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return tuple(sorted({name.lower() for name in names.get_values_for_type(x509.DNSName)}))
    except (x509.ExtensionNotFound, *UNREADABLE):
        return ()


def ari_id(leaf: x509.Certificate) -> str:
    """The renewal information identifier (RFC 9773 section 4.1): base64url of the authority key identifier, a dot,
    base64url of the serial's DER contents, a leading zero octet kept. Empty where there is no such extension.
    """
    try:
        identifier = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except (x509.ExtensionNotFound, *UNREADABLE):
        return ""
    if identifier is None:
        return ""
    serial = leaf.serial_number
    if serial < 0:
        # The gate refuses it in words; here it has no octets.
        return ""
    octets = serial.to_bytes((serial.bit_length() + 8) // 8, "big")
    return f"{_base64url(identifier)}.{_base64url(octets)}"


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def leaf_pem(certificate: Certificate) -> str:
    """The leaf alone."""
    return split_chain(certificate.chain_pem)[0]


def issuers_pem(certificate: Certificate) -> str:
    """Everything but the leaf; may be empty."""
    return "".join(split_chain(certificate.chain_pem)[1:])


def combined_pem(certificate: Certificate) -> Secret:
    """Leaf, issuers, key in one text without blank lines: what HAProxy reads from one file, in one open."""
    key = "\n".join(line for line in certificate.key.reveal().splitlines() if line.strip())
    return Secret(certificate.chain_pem + key + "\n")


def covered_by(names: Sequence[str], domain: str) -> bool:
    """Whether a client that asks for ``domain`` accepts one of these names (RFC 6125: one label under a wildcard)."""
    if domain in names:
        return True
    _, _, parent = domain.partition(".")
    return not domain.startswith("*.") and f"*.{parent}" in names


def is_preferred(chain_pem: str, preferred: str) -> bool:
    """Whether the chain ends under this issuer's common name, or holds a certificate of this fingerprint."""
    try:
        chain = load_chain(chain_pem)
    except GateRefused:
        return False
    wanted = preferred.replace(":", "").lower()
    if any(certificate.fingerprint(hashes.SHA256()).hex() == wanted for certificate in chain):
        return True
    names = chain[-1].issuer.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return any(str(name.value).lower() == preferred.lower() for name in names)
