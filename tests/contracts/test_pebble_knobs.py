"""The ACME adapter against Pebble with each of its knobs turned: one issuance each, from account to judged chain."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from certd.pki.chain import read_certificate
from certd.pki.gate import judge
from certd.pki.keys import csr_der, make_key
from certd.pki.trust import Trust
from tests.contracts.test_certificate_authority import Bench
from tests.lab.acme_client import authority
from tests.lab.pebble import Pebble
from tests.lab.txt_server import TxtServer

pytestmark = pytest.mark.lab("pebble-current")

DOMAIN = "link.example.test"
KEY = make_key("ecdsa-p256")

KNOBS: dict[str, dict[str, Any]] = {
    "strict": {"strict": True},
    "it sleeps before it validates": {"knobs": {"PEBBLE_VA_NOSLEEP": "0", "PEBBLE_VA_SLEEPTIME": "3"}},
    "it looks at no value": {"always_valid": True},
    "three of five nonces refused": {"nonce_reject": 60},
    "no nonce refused": {"nonce_reject": 0},
    "every authorization used again": {"reuse": 100},
    "no authorization used again": {"reuse": 0},
    "signed by RSA": {"signs_by": "rsa"},
    "three intermediates": {"knobs": {"PEBBLE_CHAIN_LENGTH": "3"}},
    "wait five seconds": {"retry_after": 5},
    "one order a page": {"knobs": {"PEBBLE_WFE_ORDERS_PER_PAGE": "1"}},
    "two profiles": {"profiles": {"shortlived": 518400}},
}


@pytest.fixture
def names() -> Iterator[TxtServer]:
    """Where values are shown."""
    made = TxtServer()
    yield made
    made.close()


def bench_at(pebble: Pebble, names: TxtServer) -> Bench:
    """The real adapter."""
    ca = authority(pebble.directory, ca_file=str(pebble.ca_file))
    return Bench(ca, names.add, lambda: time.sleep(0.05), lambda domains: csr_der(KEY, domains))


@pytest.mark.parametrize("name", KNOBS)
def test_two_issuances(tmp_path: Path, names: TxtServer, name: str) -> None:
    """Two in a row, so that what is used again is; each passes the gate."""
    with Pebble(tmp_path, dns=f"127.0.0.1:{names.port}", **KNOBS[name]) as pebble:
        bench = bench_at(pebble, names)
        trust = Trust.of(pebble.roots.read_text())
        for _ in range(2):
            order = bench.issued(DOMAIN)
            now = datetime.now(UTC)
            chain = bench.ca.collect(order.certificate_url)
            certificate = read_certificate(chain, KEY, link="l", issuer="pebble", issued_at=now)
            judge(certificate, domains=(DOMAIN,), now=now, trust=trust)
            assert bench.ca.renewal_information(certificate.ari_id)


def test_each_of_several_chains_can_be_preferred(tmp_path: Path, names: TxtServer) -> None:
    """By the common name of its root; what leads to none of them is the main chain."""
    with Pebble(tmp_path, dns=f"127.0.0.1:{names.port}", knobs={"PEBBLE_ALTERNATE_ROOTS": "2"}) as pebble:
        bench = bench_at(pebble, names)
        order = bench.issued(DOMAIN)
        roots = [x509.load_pem_x509_certificate(pebble.root(number).encode()) for number in range(3)]
        for root in roots:
            wanted = str(root.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)
            chain = bench.ca.collect(order.certificate_url, preferred_chain=wanted)
            last = x509.load_pem_x509_certificates(chain.encode())[-1]
            assert last.issuer == root.subject
        main = bench.ca.collect(order.certificate_url, preferred_chain="nobody's")
        assert x509.load_pem_x509_certificates(main.encode())[-1].issuer == roots[0].subject
