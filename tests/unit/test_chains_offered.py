"""What a CA offers for download of an order that is valid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest

from certd.acme.account import Registration
from certd.acme.issuer import AcmeIssuer
from certd.acme.session import Session, Signer
from certd.errors import AcmeProblem, AcmeRequest
from certd.system.egress import Response
from tests.lab.certificates import make_ca

CHAIN = make_ca("Ours").pem
OTHER = make_ca("Other").pem
LINKS = {"alternate": ("https://ca/gone", "https://ca/page", "https://ca/other")}


@dataclass
class Shelf:
    """A session with what stands at each URL."""

    bodies: dict[str, str]
    name: str = "ca"

    def wrong_with(self, url: str) -> tuple[str, str]:
        return "", ""

    def post(
        self, url: str, payload: bytes, signer: Signer, *, most: int, request: AcmeRequest = AcmeRequest.UNKNOWN
    ) -> Response:
        if url not in self.bodies:
            raise AcmeProblem(type="malformed", detail="no such certificate", status=404)
        return Response(status=200, headers={}, body=self.bodies[url].encode(), links=LINKS)


class Nobody:
    """An account that signs nothing."""

    def signer(self) -> Any:
        return None

    def has_changed(self, signer: Any) -> bool:
        return False


def collected(bodies: dict[str, str], preferred: str = "") -> str:
    authority = AcmeIssuer(cast(Session, Shelf(bodies)), cast(Registration, Nobody()))
    return authority.collect("https://ca/cert", preferred_chain=preferred)


def test_an_alternate_that_cannot_be_had() -> None:
    """The next one is looked at; where none is the preferred one, what is at hand is taken."""
    offered = {"https://ca/cert": CHAIN, "https://ca/page": "<html>"}
    assert collected(offered, "Other") == CHAIN
    assert collected(offered | {"https://ca/other": OTHER}, "Other") == OTHER


def test_a_page_where_the_chain_should_be() -> None:
    """It says something about this order, and not that the CA is away."""
    with pytest.raises(AcmeProblem, match="0 certificates"):
        collected({"https://ca/cert": "<html>"})
