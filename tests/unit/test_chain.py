"""Chains: split, read and put together again; odd ones are refused in words, never by a library's exception."""

from __future__ import annotations

import pytest

from certd.errors import GateRefused
from certd.model import Certificate, Secret
from certd.pki.chain import (
    MOST_BYTES,
    MOST_CERTIFICATES,
    combined_pem,
    covered_by,
    issuers_pem,
    leaf_pem,
    load_chain,
    read_certificate,
    split_chain,
)
from certd.pki.gate import judge
from certd.pki.keys import load_key
from certd.pki.trust import Trust
from tests.lab.authority import damaged, make_leaf_with_serial
from tests.lab.certificates import NOW, make_ca, make_leaf

NAME = "link.example.com"
ROOT = make_ca("Test Root")
MIDDLE = make_ca("Test Intermediate", ROOT)
LEAF = make_leaf(MIDDLE, NAME)
GOOD = LEAF.pem + MIDDLE.pem


def certificate(chain: str, key: Secret = LEAF.key) -> Certificate:
    return read_certificate(chain, key, link="link", issuer="test", issued_at=NOW)


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\n\n"),
        GOOD.replace("\n", " \n"),
        "subject=/CN=link\n" + LEAF.pem + "\n\n  issuer:\n" + MIDDLE.pem.rstrip(),
    ],
)
def test_a_chain_is_written_one_way_however_it_came(text: str) -> None:
    """Line breaks, blank lines and text between are the sender's; the files are ours."""
    assert split_chain(text) == (LEAF.pem, MIDDLE.pem)
    assert certificate(text).chain_pem == GOOD


def test_one_that_is_cut_off_is_no_chain() -> None:
    """Neither in its last certificate, nor in the middle: what is left would pass for a whole one."""
    for text in (GOOD[:-200], GOOD[:-2], LEAF.pem[:200] + "\n" + MIDDLE.pem, GOOD.replace("M", "-", 1)):
        with pytest.raises(GateRefused, match="cut off or damaged"):
            split_chain(text)


def test_chains_are_bounded_before_they_are_read() -> None:
    """A megabyte, or a certificate eleven times."""
    with pytest.raises(GateRefused, match="larger than"):
        split_chain(GOOD + " " * MOST_BYTES)
    with pytest.raises(GateRefused, match="more than"):
        split_chain(LEAF.pem * (MOST_CERTIFICATES + 1))
    assert len(split_chain(LEAF.pem * MOST_CERTIFICATES)) == MOST_CERTIFICATES


ODD = {
    "an unknown version": ("a003020102", "a003020107"),
    "an unknown kind of key": ("2a8648ce3d0201", "2a8648ce3d0207"),
    "an unknown curve": ("2a8648ce3d030107", "2a8648ce3d03017f"),
    "an extension twice": ("551d23", "551d11"),
    "a name that is no text": (NAME.encode().hex(), "ff" + NAME[1:].encode().hex()),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_certificate_is_refused_in_words(name: str) -> None:
    """As a leaf and above one."""
    odd = damaged(LEAF.pem, *ODD[name])
    for chain in (odd + MIDDLE.pem, LEAF.pem + odd):
        with pytest.raises(GateRefused, match="cannot be read"):
            load_chain(chain)


def test_an_unknown_signature_leads_nowhere() -> None:
    """It can be read; that is all."""
    odd = damaged(LEAF.pem, "2a8648ce3d040302", "2a8648ce3d04037f")
    with pytest.raises(GateRefused, match="out of order"):
        judge(certificate(odd + MIDDLE.pem), domains=[NAME], now=NOW, trust=Trust.of(ROOT.pem))


def test_the_renewal_information_identifier() -> None:
    """The example of RFC 9773 section 4.1: a leading zero octet of the serial number is kept."""
    identifier = bytes.fromhex("69885b6b87464041e1b37b847ba0ae2cde01c8d4")
    leaf = make_leaf_with_serial(MIDDLE, NAME, 0x87654321, identifier)
    assert certificate(leaf).ari_id == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"
    assert certificate(make_leaf_with_serial(MIDDLE, NAME, 0x7F, identifier)).ari_id.endswith(".fw")
    assert certificate(make_leaf_with_serial(MIDDLE, NAME, 0x7F, None)).ari_id == ""


def test_names_are_small_sorted_and_once_each() -> None:
    """The common name counts for nothing."""
    leaf = make_leaf(MIDDLE, "B.example.com", "a.example.com", "b.example.com")
    assert certificate(leaf.pem).domains == ("a.example.com", "b.example.com")
    assert certificate(MIDDLE.pem).domains == ()


def test_the_parts_are_what_the_whole_is_made_of() -> None:
    """Leaf and issuers make the chain; one file holds both and the key, without a blank line."""
    key = Secret(LEAF.key.reveal().replace("\n", "\r\n\r\n"))
    read = certificate(GOOD, key)
    assert leaf_pem(read) + issuers_pem(read) == read.chain_pem == GOOD
    assert issuers_pem(certificate(LEAF.pem)) == ""
    combined = combined_pem(read)
    assert combined.reveal() == GOOD + LEAF.key.reveal()
    assert load_key(combined) is not None
    assert "PRIVATE" not in repr(combined)


@pytest.mark.parametrize(
    ("names", "domain", "expected"),
    [
        ((NAME,), NAME, True),
        ((NAME,), "other.example.com", False),
        (("*.example.com",), NAME, True),
        (("*.example.com",), "example.com", False),
        (("*.example.com",), "a.link.example.com", False),
        (("*.example.com",), "*.example.com", True),
        (("*.example.com",), "*.link.example.com", False),
        (("*.com",), "com", False),
        ((), NAME, False),
    ],
)
def test_what_a_client_accepts(names: tuple[str, ...], domain: str, expected: bool) -> None:
    """A wildcard stands for exactly one label (RFC 6125)."""
    assert covered_by(names, domain) is expected
