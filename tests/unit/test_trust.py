"""Where a chain leads: roots, cross-signs, bundles as systems have them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from certd.errors import GateRefused
from certd.pki.trust import Trust
from tests.lab.authority import cross_signed, damaged, make_leaf_with_serial, make_limited_ca
from tests.lab.certificates import DAY, NOW, Issuer, make_ca, make_leaf

NAME = "link.example.com"
ROOT = make_ca("Test Root")
OLD_ROOT = make_ca("Old Root")
MIDDLE = make_ca("Test Intermediate", ROOT)
LEAF = make_leaf(MIDDLE, NAME).pem
TRUST = Trust.of(ROOT.pem)


def leaf_below(issuer: Issuer) -> str:
    return make_leaf(issuer, NAME).pem


def test_a_cross_sign_at_the_end_serves_older_clients() -> None:
    """The chain leads to the new root, and by the same root's other certificate to the old one."""
    chain = LEAF + MIDDLE.pem + cross_signed(ROOT, OLD_ROOT).pem
    TRUST.verify(chain, NOW)
    Trust.of(OLD_ROOT.pem).verify(chain, NOW)
    with pytest.raises(GateRefused, match="none of the expected roots"):
        Trust.of(make_ca("Other Root").pem).verify(chain, NOW)


def test_a_root_of_the_same_name_is_not_the_root() -> None:
    """The signature counts, not what somebody calls himself."""
    with pytest.raises(GateRefused, match="none of the expected roots"):
        Trust.of(make_ca("Test Root").pem).verify(LEAF + MIDDLE.pem, NOW)


@pytest.mark.parametrize("start", [NOW - 3651 * DAY, NOW + DAY])
def test_a_root_counts_in_its_dates_only(start: object) -> None:
    """Neither expired nor still to come."""
    root = make_ca("Root", start=start)  # type: ignore[arg-type]
    with pytest.raises(GateRefused, match="none of the expected roots"):
        Trust.of(root.pem).verify(leaf_below(root), NOW)


def test_an_issuer_is_in_its_dates() -> None:
    """Not yet, in its last second, expired."""
    chain = LEAF + MIDDLE.pem
    begins, ends = MIDDLE.certificate.not_valid_before_utc, MIDDLE.certificate.not_valid_after_utc
    for moment in (begins - timedelta(seconds=1), ends):
        with pytest.raises(GateRefused, match="not valid now"):
            TRUST.verify(chain, moment)
    TRUST.verify(chain, begins)


def test_a_leaf_is_no_issuer() -> None:
    """Whoever got a certificate cannot make others with it."""
    got = make_leaf(MIDDLE, "thief.example.com")
    thief = Issuer(
        certificate=Trust.of(got.pem).roots[0],
        key=MIDDLE.key,  # its signature does not fit either
    )
    with pytest.raises(GateRefused, match="out of order"):
        TRUST.verify(LEAF + thief.pem + MIDDLE.pem, NOW)


def test_no_more_cas_than_an_issuer_may_have_below_it() -> None:
    """Clients count them (RFC 5280 section 4.2.1.9), so certd does."""
    limited = make_limited_ca("Limited", ROOT, 0)
    below = make_ca("Below", limited)
    TRUST.verify(leaf_below(limited) + limited.pem, NOW)
    with pytest.raises(GateRefused, match='"Limited" may have 0 CAs below it'):
        TRUST.verify(leaf_below(below) + below.pem + limited.pem, NOW)
    wider = make_limited_ca("Wider", ROOT, 1)
    below = make_ca("Below", wider)
    TRUST.verify(leaf_below(below) + below.pem + wider.pem, NOW)


def test_a_link_that_is_missing_is_named() -> None:
    """The intermediate between two is."""
    with pytest.raises(GateRefused, match=r'"Test Root" did not issue the leaf'):
        TRUST.verify(LEAF + ROOT.pem, NOW)


def test_a_systems_bundle_is_read_as_far_as_it_can_be() -> None:
    """Comments, rubbish, roots of an unknown kind are passed over."""
    rubbish = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    odd = damaged(OLD_ROOT.pem, "a003020102", "a003020107")
    nameless = damaged(OLD_ROOT.pem, b"Old Root".hex(), "ff" + b"ld Root".hex())
    bundle = Trust.of(f"# ours\n{rubbish}{odd}{nameless}# Test Root\n{ROOT.pem}# end\n")
    assert len(bundle.roots) == 1
    bundle.verify(LEAF + MIDDLE.pem, NOW)


@pytest.mark.parametrize("text", ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_bundle_without_a_root_is_a_mistake(text: str) -> None:
    """It would refuse every certificate there is."""
    with pytest.raises(GateRefused, match="no trust anchor"):
        Trust.of(text)


def test_a_leaf_may_itself_be_what_is_trusted() -> None:
    """One self-signed certificate, named as the root: private, but agreed."""
    alone = make_leaf_with_serial(ROOT, NAME, 7, None)
    Trust.of(alone).verify(alone, NOW)
