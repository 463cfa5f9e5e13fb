"""DNS over virtual time: another team's records, a secondary that nobody repairs, credentials that die unseen."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from certd.planning.alarms import issue_alarm
from certd.planning.rehearsal import rehearsal_alarm
from tests.simulation.clock import EPOCH
from tests.simulation.world import LINK, Outages, World

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def live(world: World, until: timedelta) -> None:
    """Run until so long after the beginning."""
    world.end = EPOCH + until
    world.run()


def test_another_teams_records_are_looked_for_every_minute() -> None:
    """Nothing is ordered meanwhile; a reminder after a week; within two minutes of the record there is an order."""
    world = World(5, years=0)
    world.dns.awaits_delegation = lambda: True
    live(world, 6 * DAY)
    assert world.ca.orders == []
    minutes = 6 * 24 * 60
    assert minutes * 0.9 < world.passes < minutes * 1.1
    facts = world.lineages.facts(LINK)
    assert issue_alarm(facts, None, world.clock.now(), {}) is None
    assert issue_alarm(facts, None, world.clock.now() + 2 * DAY, {}) is not None
    world.dns.awaits_delegation = lambda: False
    live(world, 6 * DAY + timedelta(minutes=2))
    assert len(world.ca.issued) == 1
    assert world.ca.refused == []


def test_a_secondary_that_nobody_mends_lets_nothing_lapse() -> None:
    """It never shows our values. From half of the margin on the CA is asked all the same, and nothing lapses."""
    world = World(6, years=0)
    live(world, 30 * DAY)
    world.dns.lags_for_ever = True
    live(world, 100 * DAY)
    assert world.lapsed == timedelta(0)
    assert len(world.ca.issued) == 2
    assert world.ca.refused == []


def test_credentials_that_die_are_noticed_before_the_renewal() -> None:
    """A rehearsal a week ahead fails, and is told with the whole margin in hand; its canary does not stay."""
    world = World(7, years=0, dns_away=Outages(((EPOCH + 50 * DAY, EPOCH + 56 * DAY),)))
    live(world, 54 * DAY)
    facts = world.lineages.facts(LINK)
    alarm = rehearsal_alarm(facts, world.clock.now(), {})
    assert alarm is not None
    assert "would fail: model: the name server does not answer" in alarm.words
    live(world, 58 * DAY)
    assert rehearsal_alarm(world.lineages.facts(LINK), world.clock.now(), {}) is None
    assert world.dns.published() == 0
    live(world, 70 * DAY)
    assert len(world.ca.issued) == 2
    assert world.lapsed == timedelta(0)


@pytest.mark.parametrize("away", [timedelta(0), 3 * HOUR], ids=["at once", "with the name server away for hours"])
def test_an_orphan_settles_what_it_owes(away: timedelta) -> None:
    """Taken out of the configuration in the middle of an order: nothing is ordered any more, and no value stays."""
    begun = timedelta(minutes=2)
    world = World(8, years=0, dns_away=Outages(((EPOCH + begun, EPOCH + begun + away),)))
    world.dns.delay = 5 * DAY
    live(world, begun)
    assert world.dns.published() == 1
    world.issue = replace(world.issue, desired=lambda link, facts, dependency: None)
    if away:
        live(world, begun + away / 2)
        assert world.dns.published() == 1
    live(world, 2 * DAY)
    assert world.dns.published() == 0
    assert world.ca.issued == []
    facts = world.lineages.facts(LINK)
    assert (facts.order, facts.cleanups) == (None, ())
