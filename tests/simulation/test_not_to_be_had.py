"""An order that is valid, and whose certificate nobody can get."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from certd.errors import AcmeProblem, AcmeUnreachable
from certd.ports import OrderSeen
from tests.simulation.models import ModelCa
from tests.simulation.world import NOTHING, World


class Unkind(ModelCa):
    """Says of its fourth order that it is signed, and not where what it signed is."""

    def _bare(self, seen: OrderSeen) -> OrderSeen:
        return replace(seen, certificate_url="") if seen.url == "order/3" and seen.status == "valid" else seen

    def read_order(self, url: str) -> OrderSeen:
        return self._bare(super().read_order(url))

    def finalize(self, finalize_url: str, csr_der: bytes) -> OrderSeen:
        return self._bare(super().finalize(finalize_url, csr_der))


class Garbled(ModelCa):
    """What it signed for its fourth order cannot be downloaded."""

    def collect(self, certificate_url: str, *, preferred_chain: str = "") -> str:
        if certificate_url.endswith("/3"):
            self._reached()
            raise AcmeProblem(
                type="serverInternal", detail="answers 0 certificates where a chain should be", status=200
            )
        return super().collect(certificate_url, preferred_chain=preferred_chain)


class Walled(ModelCa):
    """Where its fourth certificate lies nobody answers."""

    def collect(self, certificate_url: str, *, preferred_chain: str = "") -> str:
        if certificate_url.endswith("/3"):
            raise AcmeUnreachable("answers 502 (text/html)")
        return super().collect(certificate_url, preferred_chain=preferred_chain)


@pytest.mark.parametrize("kind", [Unkind, Garbled, Walled])
def test_what_was_signed_and_cannot_be_had(kind: type[ModelCa]) -> None:
    """Another one is ordered while there is time for it."""
    world = World(1, years=0.05, life=timedelta(hours=160))
    world.ca.__class__ = kind
    world.run()
    assert world.lapsed == timedelta(0), "\n".join(world.journal.lines[-20:])
    assert len(world.ca.orders) > 4
    assert world.dns.published() == 0


class Tired(ModelCa):
    """Asks for eight days of patience in the middle of its fourth order, and of each one after it."""

    def read_order(self, url: str) -> OrderSeen:
        if int(url.rpartition("/")[2]) >= 3:
            self._reached()
            raise AcmeProblem(type="serverInternal", detail="later", status=500, retry_after=timedelta(days=8))
        return super().read_order(url)


def test_a_wait_in_the_middle_of_an_order_that_outlasts_it() -> None:
    """The order is not waited for in vain: the link's other issuer is asked while this one has its peace."""
    world = World(1, years=0.1, life=timedelta(hours=160), fallback_away=NOTHING)
    world.ca.__class__ = Tired
    world.run()
    assert world.lapsed == timedelta(0), "\n".join(world.journal.lines[-20:])
    assert world.cas["fallback"].issued
    assert world.dns.published() == 0
