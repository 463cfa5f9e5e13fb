"""The placeholder lets a proxy start and is never taken for more."""

from __future__ import annotations

import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from certd.errors import GateRefused
from certd.pki.chain import load_chain
from certd.pki.keys import load_key
from certd.pki.placeholder import is_marked, is_placeholder, make_placeholder
from tests.lab.authority import damaged
from tests.lab.certificates import DAY, NOW, make_ca, make_leaf


def test_a_server_can_start_with_it(tmp_path: Path) -> None:
    """Key and certificate fit, by OpenSSL's own judgement."""
    made = make_placeholder("link", ["link.example.com", "*.example.com"], NOW)
    (tmp_path / "chain.pem").write_text(made.chain_pem)
    (tmp_path / "key.pem").write_text(made.key.reveal())
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / "chain.pem", tmp_path / "key.pem")
    assert made.domains == ("*.example.com", "link.example.com")
    assert load_chain(made.chain_pem)[0].public_key() == load_key(made.key).public_key()


def test_it_outlives_every_proxy_and_clocks_that_are_slow() -> None:
    """Valid from an hour ago for ten years: its end must never be what stops a proxy."""
    made = make_placeholder("link", ["link.example.com"], NOW)
    assert made.not_before == NOW - timedelta(hours=1)
    assert made.not_after == NOW + 3650 * DAY
    assert made.issuer == "placeholder"
    assert made.ari_id == ""


def test_it_has_a_common_name() -> None:
    """Pound does not start with a certificate that has none; a long domain would not fit into it."""
    leaf = load_chain(make_placeholder("link", [f"{'a' * 60}.link.example.com"], NOW).chain_pem)[0]
    (common,) = leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    assert common.value == "certd placeholder"
    assert is_marked(leaf)


def test_it_is_no_ca() -> None:
    """Whoever trusted it by accident trusts one name and no issuer."""
    leaf = load_chain(make_placeholder("link", ["link.example.com"], NOW).chain_pem)[0]
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_the_mark_is_the_leafs() -> None:
    """Of what is issued none bears it, also when a placeholder follows it."""
    made = make_placeholder("link", ["link.example.com"], NOW)
    leaf = make_leaf(make_ca("certd placeholder"), "link.example.com")
    assert is_placeholder(made.chain_pem)
    assert not is_placeholder(leaf.pem)
    assert not is_placeholder(leaf.pem + made.chain_pem)
    with pytest.raises(GateRefused):
        is_placeholder("hello")


def test_what_a_stranger_serves_is_not_marked_whatever_it_is() -> None:
    """A subject that cannot be read is no mark, and no exception."""
    odd = damaged(make_ca("R").pem, "0c0152", "0c01ff")
    assert not is_marked(x509.load_pem_x509_certificate(odd.encode()))
