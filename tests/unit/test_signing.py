"""Requests to a CA are signed as the ACME library signs them (RFC 8555 section 6.2)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from acme import jws
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from josepy import b64
from josepy.jwk import JWK

from certd.ca.keys import algorithm_of, as_jwk
from certd.ca.session import Session, Signer
from certd.model import Secret
from certd.system.egress import Egress, Response

URL = "https://ca.example/order/1"
NONCE = "oFvnlFP1wIhRlYS2jTaXbA"


class Listening(Egress):
    """A server that takes everything and keeps the last body."""

    def __init__(self) -> None:
        self.body = b""

    def send(self, method: str, url: str, **given: Any) -> Response:
        """What certd sends."""
        self.body = given.get("body") or b""
        body = {"newNonce": "https://ca.example/nonce", "newAccount": URL, "newOrder": URL}
        return Response(status=200, headers={"replay-nonce": NONCE}, body=json.dumps(body).encode())


def account_key(kind: str) -> JWK:
    """As an import may bring it."""
    made: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    if kind == "rsa":
        made = rsa.generate_private_key(65537, 2048)
    else:
        made = ec.generate_private_key(ec.SECP256R1() if kind == "p256" else ec.SECP384R1())
    pem = made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )  # fmt: skip
    return as_jwk(Secret(pem.decode()))


@pytest.mark.parametrize("kind", ["p256", "p384", "rsa"])
@pytest.mark.parametrize("kid", ["https://ca.example/account/7", None])
@pytest.mark.parametrize("payload", [b"", b'{"csr": "x"}'], ids=["a look", "a request"])
def test_what_is_signed_is_what_the_library_signs(kind: str, kid: str | None, payload: bytes) -> None:
    """Header, payload and form alike, and the signature holds; the account's URL or, before there is one, its key."""
    key = account_key(kind)
    egress = Listening()
    Session("ca", "https://ca.example/dir", egress).post(URL, payload, Signer(key, kid))
    by_library = jws.JWS.sign(
        payload, key=key, alg=algorithm_of(key), nonce=b64.b64decode(NONCE), url=URL, kid=kid
    )  # fmt: skip
    ours, theirs = json.loads(egress.body), json.loads(by_library.json_dumps())
    assert set(ours) == set(theirs)
    assert ours["payload"] == theirs["payload"]
    headers = [json.loads(b64.b64decode(each["protected"])) for each in (ours, theirs)]
    assert headers[0] == headers[1]
    assert jws.JWS.json_loads(egress.body.decode()).verify(key.public_key())
