"""A wrong clock is an alarm, and orders nothing by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

import pytest

from certd.daemon.active_alarms import ActiveAlarms
from certd.daemon.clock_skew import compare
from certd.planning.clock import in_words, only_by_our_clock
from certd.system.egress import Response
from certd.system.http_headers import date_of
from tests.simulation.clock import EPOCH
from tests.simulation.world import LINK, Event, World
from tests.unit.cases import DAY, NOW, WISH, certificate, facts

HOUR = timedelta(hours=1)

CASES = {
    "right": (facts(current=certificate(age=91 * DAY)), timedelta(0), False),
    "a minute amiss": (facts(current=certificate(age=91 * DAY)), -timedelta(minutes=1), False),
    "two days ahead, expired by it alone": (facts(current=certificate(age=91 * DAY)), -40 * DAY, True),
    "due by both": (facts(current=certificate(age=80 * DAY)), -DAY, False),
    "due by ours alone": (facts(current=certificate(age=63 * DAY)), -3 * DAY, True),
    "behind": (facts(current=certificate(age=63 * DAY)), 3 * DAY, False),
    "nothing issued yet": (facts(), -3 * DAY, False),
}


@pytest.mark.parametrize("name", CASES)
def test_when_the_ca_sees_no_reason(name: str) -> None:
    """A table of situations."""
    given, ahead, expected = CASES[name]
    assert only_by_our_clock(WISH, given, NOW, ahead) is expected


def test_in_words() -> None:
    """Which way, and how far."""
    assert in_words(-3 * HOUR, "ca") == "this machine's clock is 3 h ahead of that of ca"
    assert in_words(10 * DAY, "ca") == "this machine's clock is 10 days behind that of ca"
    assert in_words(timedelta(minutes=7), "ca") == "this machine's clock is 7 min behind that of ca"


def test_a_year_ahead_for_a_day_buys_nothing() -> None:
    """The machine believes that everything has expired: not one order, an attempt of the kind "clock", and all is as
    before when the clock is set.
    """
    wrong = [Event(EPOCH + 30 * DAY, "clock", 400 * DAY), Event(EPOCH + 31 * DAY, "clock")]
    world = World(3, years=0.12, events=wrong)
    world.end = EPOCH + 30 * DAY + 20 * HOUR
    world.run()
    assert world.lineages.facts(LINK).attempt.kind == "clock"
    assert len(world.ca.orders) == 1
    world.end = EPOCH + 64 * DAY
    world.run()
    assert len(world.ca.issued) == 2
    assert world.lapsed == timedelta(0)


class Talked:
    """An authority that was spoken to."""

    def __init__(self, ahead: timedelta) -> None:
        self.ahead = ahead
        self.asked: list[timedelta | None] = []

    def clock_ahead(self, *, no_older_than: timedelta | None = None) -> timedelta:
        self.asked.append(no_older_than)
        return self.ahead


def test_an_alarm_and_its_end() -> None:
    """Told while it lasts; then the CA is asked again, so that the all-clear does not wait for the next order."""
    talked, active_alarms = Talked(-3 * HOUR), ActiveAlarms()
    app: Any = SimpleNamespace(
        authorities=SimpleNamespace(made=lambda: {"ca": talked}), settings=SimpleNamespace(node="n")
    )
    compare(app, active_alarms)
    (alarm,) = active_alarms.all()
    assert "3 h ahead" in alarm.words
    talked.ahead = timedelta(seconds=2)
    compare(app, active_alarms)
    assert talked.asked == [None, timedelta(minutes=10)]
    assert active_alarms.all() == []


NOW_SAID = {"yesterday": -DAY, "": timedelta(0), "soon-ish": timedelta(0)}


@pytest.mark.parametrize("said", NOW_SAID)
def test_the_date_header_is_read(said: str) -> None:
    """From every answer; what is none tells nothing."""
    text = format_datetime(datetime.now(UTC) - DAY, usegmt=True) if said == "yesterday" else said
    found = date_of(Response(status=200, headers={"date": text}, body=b""))
    expected = NOW_SAID[said]
    ahead = (found - datetime.now(UTC)) if found else timedelta(0)
    assert abs(ahead - expected) < timedelta(minutes=5)
