"""An issuer whose table is taken out of the configuration while something of its is in hand."""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import replace
from datetime import timedelta

from certd.engine import IssueEngine
from certd.errors import CertdError, IssuerUnknown
from certd.model import Lease
from certd.ports import CertificateAuthority
from tests.simulation.clock import EPOCH
from tests.simulation.world import LINK, NOTHING, World

DAY = timedelta(days=1)


def forgets(world: World) -> None:
    """What the wiring does with a name that it does not know, and a worker with what comes of it."""

    def authority(name: str) -> CertificateAuthority:
        if name not in world.cas:
            raise IssuerUnknown(f"issuer.{name} is not in the configuration")
        return world.cas[name]

    class Subject(IssueEngine):
        def reconcile(self, lease: Lease) -> None:
            with contextlib.suppress(CertdError):
                IssueEngine.reconcile(self, lease)

    made = {each.name: getattr(world.issue, each.name) for each in dataclasses.fields(world.issue)}
    world.issue = Subject(**made | {"issuance": replace(world.issue.issuance, authority=authority)})


def test_an_issuer_that_is_taken_out_of_the_configuration_in_the_middle_of_an_order() -> None:
    """Its order cannot be gone on with, and is given up for one of the issuer that is wanted now."""
    world = World(1, years=10 / 365, fallback_away=NOTHING)
    world.dns.lags_for_ever = True
    world.spec = replace(world.spec, issuers=("fallback", "model"))
    world.end = EPOCH + timedelta(minutes=1)
    world.run()
    order = world.lineages.facts(LINK).order
    assert order is not None and order.issuer == "fallback"
    world.dns.lags_for_ever = False
    world.spec = replace(world.spec, issuers=("model",))
    del world.cas["fallback"]
    forgets(world)
    world.end = EPOCH + DAY
    world.run()
    current = world.lineages.facts(LINK).current
    assert current is not None and current.issuer == "model"
    assert world.dns.published() == 0


def test_renewal_information_of_an_issuer_that_is_not_configured_any_more() -> None:
    """It cannot be asked for; the certificate is renewed by its own dates, and the lineage rests meanwhile."""
    world = World(1, years=1, fallback_away=NOTHING)
    world.spec = replace(world.spec, issuers=("fallback", "model"))
    world.end = EPOCH + DAY
    world.run()
    current = world.lineages.facts(LINK).current
    assert current is not None and current.issuer == "fallback"
    world.spec = replace(world.spec, issuers=("model",))
    del world.cas["fallback"]
    forgets(world)
    passes = world.passes
    world.end = EPOCH + 50 * DAY
    world.run()
    assert world.passes - passes < 500
    world.end = EPOCH + 80 * DAY
    world.run()
    current = world.lineages.facts(LINK).current
    assert current is not None and current.issuer == "model"
    assert world.lapsed == timedelta(0)
