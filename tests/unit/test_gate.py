"""The pair gate: what must not reach a proxy, as a table."""

from __future__ import annotations

import ssl
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from certd.errors import GateRefused
from certd.model import Certificate, Secret
from certd.pki.chain import read_certificate
from certd.pki.gate import judge
from certd.pki.placeholder import is_placeholder, make_placeholder
from certd.pki.trust import Trust
from tests.lab.certificates import DAY, NOW, make_ca, make_leaf

NAME = "link.example.com"
root = make_ca("Test Root")
middle = make_ca("Test Intermediate", root)
other = make_ca("Other Root")
expired_middle = make_ca("Old Intermediate", root, start=NOW - 100 * DAY, life=50 * DAY)
leaf = make_leaf(middle, NAME)
GOOD = leaf.pem + middle.pem
TRUST = Trust.of(root.pem)

CASES: dict[str, tuple[str, Secret, str]] = {
    "another key": (GOOD, make_leaf(middle, NAME).key, "the private key does not match the leaf"),
    "no key": (GOOD, Secret("hello"), "key"),
    "the intermediate first": (middle.pem + leaf.pem, leaf.key, "does not begin with the leaf"),
    "no intermediate": (leaf.pem, leaf.key, "leads to none of the expected roots"),
    "a foreign intermediate": (leaf.pem + other.pem, leaf.key, "out of order"),
    "the leaf twice": (leaf.pem + leaf.pem + middle.pem, leaf.key, "twice"),
    "truncated": (GOOD[:-200], leaf.key, ""),
    "rubbish": ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", leaf.key, ""),
    "nothing": ("", leaf.key, ""),
    "an expired intermediate": (make_leaf(expired_middle, NAME).pem + expired_middle.pem, leaf.key, ""),
}


def certificate(chain: str, key: Secret) -> Certificate:
    return read_certificate(chain, key, link="l", issuer="test", issued_at=NOW)


def test_a_good_pair_passes() -> None:
    """With and without the root at the end."""
    judge(certificate(GOOD, leaf.key), domains=[NAME], now=NOW, trust=TRUST)
    judge(certificate(GOOD + root.pem, leaf.key), domains=[NAME], now=NOW, trust=TRUST)


@pytest.mark.parametrize("name", CASES)
def test_refused(name: str) -> None:
    """Each is refused in words."""
    chain, key, words = CASES[name]
    with pytest.raises(GateRefused) as refused:
        judge(certificate(chain, key), domains=[NAME], now=NOW, trust=TRUST)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("start", "life", "words"),
    [
        (NOW - 10 * DAY, 5 * DAY, "expired at"),
        (NOW + timedelta(hours=1), 5 * DAY, "is valid only from"),
        (NOW - 5 * DAY, 5 * DAY, "expired at"),
    ],
)
def test_dates(start: object, life: timedelta, words: str) -> None:
    """Expired, not yet valid, and expired this very second."""
    bad = make_leaf(middle, NAME, start=start, life=life)  # type: ignore[arg-type]
    with pytest.raises(GateRefused, match=words):
        judge(certificate(bad.pem + middle.pem, bad.key), domains=[NAME], now=NOW, trust=TRUST)


def test_names() -> None:
    """Every wanted name stands in it; a wildcard covers itself only, as a wish."""
    wild = make_leaf(middle, "*.example.com", "example.com")
    judge(certificate(wild.pem + middle.pem, wild.key), domains=["*.example.com"], now=NOW, trust=TRUST)
    with pytest.raises(GateRefused, match=r"does not cover link\.example\.com"):
        judge(certificate(wild.pem + middle.pem, wild.key), domains=[NAME], now=NOW, trust=TRUST)


def test_an_unchecked_end() -> None:
    """A staging CA's chain must hold in itself, and lead nowhere."""
    judge(certificate(GOOD, leaf.key), domains=[NAME], now=NOW, trust=Trust.unchecked())
    with pytest.raises(GateRefused, match="out of order"):
        judge(certificate(leaf.pem + other.pem, leaf.key), domains=[NAME], now=NOW, trust=Trust.unchecked())


def test_the_placeholder_never_passes() -> None:
    """It is marked, whatever it is trusted by."""
    made = make_placeholder("l", [NAME], NOW)
    assert is_placeholder(made.chain_pem)
    assert not is_placeholder(GOOD)
    with pytest.raises(GateRefused, match="placeholder"):
        judge(made, domains=[NAME], now=NOW, trust=Trust.of(made.chain_pem))


def test_what_is_read_of_it() -> None:
    """Generation, names, dates and the renewal information identifier (RFC 9773 section 4.1)."""
    read = certificate(GOOD, leaf.key)
    assert read.domains == (NAME,)
    assert read.generation == f"{read.not_before:%Y%m%dT%H%M%SZ}-{read.fingerprint[:8]}"
    assert read.ari_id.count(".") == 1
    assert "=" not in read.ari_id
    assert "PRIVATE" not in repr(read)


def with_negative_serial(pem: str) -> str:
    """The same leaf with the sign of its serial number turned, whatever its signature says then."""
    made = x509.load_pem_x509_certificate(pem.encode())
    octets = made.serial_number.to_bytes((made.serial_number.bit_length() + 8) // 8, "big")
    der = made.public_bytes(serialization.Encoding.DER)
    place = der.index(b"\x02" + bytes([len(octets)]) + octets) + 2
    return ssl.DER_cert_to_PEM_cert(der[:place] + bytes([0x80 | octets[0] | 0x40]) + der[place + 1 :])


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_a_negative_serial_number_is_refused() -> None:
    """In words, and by everybody who names the certificate before it is judged: renewal information has no octets."""
    odd = certificate(with_negative_serial(leaf.pem) + middle.pem, leaf.key)
    assert odd.ari_id == ""
    with pytest.raises(GateRefused, match="negative serial number"):
        judge(odd, domains=[NAME], now=NOW, trust=TRUST)
