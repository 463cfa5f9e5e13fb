"""Revocation lists read with suspicion."""

from __future__ import annotations

import pytest
from cryptography import x509

from certd.errors import GateRefused
from certd.pki.revocation import PEM, distribution_points, read_list, suspects, why_revoked
from tests.lab.certificates import DAY, NOW, make_ca
from tests.lab.revoking import make_list, make_listed_ca, make_listed_leaf, serial_of

URL = "http://lists.example/1.crl"
root = make_ca("Root")
between = make_listed_ca("Between", root, "http://lists.example/root.crl")
leaf = make_listed_leaf(between, "link.example.com", URL, "ldap://lists.example/x", "http://lists.example/2.crl")
CHAIN = leaf.pem + between.pem
(certificate,) = x509.load_pem_x509_certificates(leaf.pem.encode())


def test_who_may_be_revoked_by_whom() -> None:
    """The leaf by the intermediate, the intermediate by the root, which need not be sent; only HTTP is fetched."""
    below, above = suspects(CHAIN, [root.certificate])
    assert (below.is_leaf, below.urls) == (True, (URL, "http://lists.example/2.crl"))
    assert (above.is_leaf, above.urls) == (False, ("http://lists.example/root.crl",))
    assert [each.is_leaf for each in suspects(CHAIN)] == [True]
    assert distribution_points(root.certificate) == ()


def test_what_a_list_says() -> None:
    """When and why; what is taken off a list again is not revoked."""
    said = {
        x509.ReasonFlags.key_compromise: "(keyCompromise)",
        x509.ReasonFlags.superseded: "(superseded)",
        None: "(unspecified)",
    }
    for reason, words in said.items():
        found = read_list(make_list(between, {certificate.serial_number: reason}), between.certificate, NOW)
        assert why_revoked(found, certificate).endswith(words)
    removed = make_list(between, {certificate.serial_number: x509.ReasonFlags.remove_from_crl})
    assert why_revoked(read_list(removed, between.certificate, NOW), certificate) == ""
    other = read_list(make_list(between, {serial_of(between.pem): None}), between.certificate, NOW)
    assert why_revoked(other, certificate) == ""


WRONG = {
    "signed by somebody else": (make_list(between, signed_by=make_ca("Between")), "not signed by"),
    "of another issuer": (make_list(make_ca("Other")), "not of"),
    "too old": (make_list(between, start=NOW - 10 * DAY), "not in force"),
    "from the future": (make_list(between, start=NOW + 2 * DAY), "not in force"),
    "a page": (b"<html>not found</html>", "cannot be read"),
    "nothing": (b"", "cannot be read"),
    "cut off": (make_list(between)[:-20], "cannot be read"),
    "a certificate": (leaf.pem.encode(), "cannot be read"),
    "PEM of nothing": (PEM + b"\nAAAA\n-----END X509 CRL-----\n", "cannot be read"),
    "nine megabytes": (b"0" * (9 * 1024 * 1024), "larger than"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_list_that_says_nothing(name: str) -> None:
    """What cannot be believed is no revocation, and no proof of the contrary."""
    body, words = WRONG[name]
    with pytest.raises(GateRefused, match=words):
        read_list(body, between.certificate, NOW)


def test_a_clock_that_is_a_little_slow() -> None:
    """Half an hour before its time a list is believed."""
    assert read_list(make_list(between, start=NOW + DAY / 48), between.certificate, NOW) is not None
