"""What the ``acme`` library alone does in one process on the same machine: nothing is decided, published, looked up in
the DNS, written down or verified. No program on top of it is quicker, so certd's own share shows beside it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from acme import challenges, client, messages
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from certd.model.certificate import KeyType
from certd.pki.keys import csr_der, make_key
from tests.lab.pebble import Pebble

# More bring nothing: one of them runs at a time.
THREADS = 8
SECONDS = 10.0


def alone(folder: Path, domains: Sequence[str]) -> float:
    """Certificates a second, by a CA that believes every challenge."""
    with Pebble(folder, dns="127.0.0.1:9", nonce_reject=0, reuse=0, retry_after=0, always_valid=True) as pebble:
        key = JWKEC(key=ec.generate_private_key(ec.SECP256R1()))
        # requests takes a file there, too.
        net = client.ClientNetwork(key, alg=ES256, verify_ssl=str(pebble.ca_file))  # type: ignore[arg-type]
        acme = client.ClientV2(client.ClientV2.get_directory(pebble.directory, net), net)
        acme.new_account(messages.NewRegistration.from_data(terms_of_service_agreed=True))
        started = time.monotonic()
        with ThreadPoolExecutor(THREADS) as pool:
            chains = list(pool.map(lambda domain: bought(acme, key, domain), domains))
        took = time.monotonic() - started
    assert all("BEGIN CERTIFICATE" in chain for chain in chains)
    return len(chains) / took


def bought(acme: client.ClientV2, key: JWKEC, domain: str) -> str:
    """One certificate, by seven requests."""
    net, nonces = acme.net, acme.directory["newNonce"]

    def read(url: str) -> requests.Response:
        return net.post(url, None, new_nonce_url=nonces)

    def until(status: str, url: str) -> messages.Order:
        deadline = time.monotonic() + SECONDS
        while True:
            order: messages.Order = messages.Order.from_json(read(url).json())
            if order.status == messages.Status(status):
                return order
            assert time.monotonic() < deadline, f"{url} is {order.status}"

    desired = messages.NewOrder(identifiers=[messages.Identifier(typ=messages.IDENTIFIER_FQDN, value=domain)])
    made = net.post(acme.directory["newOrder"], desired, new_nonce_url=nonces)
    url, order = made.headers["Location"], messages.Order.from_json(made.json())
    authorization = messages.Authorization.from_json(read(order.authorizations[0]).json())
    challenge = next(each for each in authorization.challenges if isinstance(each.chall, challenges.DNS01))
    acme.answer_challenge(challenge, challenge.chall.response(key))
    until("ready", url)
    request = messages.CertificateRequest(csr=x509.load_der_x509_csr(csr_der(make_key(KeyType.ECDSA_P256), [domain])))
    net.post(order.finalize, request, new_nonce_url=nonces)
    certificate = until("valid", url).certificate
    assert certificate is not None
    return read(certificate).text
