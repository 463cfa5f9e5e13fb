"""What is served already although the store is empty: no order until one is due."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from certd.model import Begin, Health, Request, Served, Wait
from certd.planning.already_served import LOOK_AGAIN, served_well
from certd.planning.issue import plan_issue
from tests.unit.cases import DAY, NOW, WISH, certificate, facts, observation

HOUR = timedelta(hours=1)


def served(age: timedelta, life: timedelta = 90 * DAY) -> Served:
    return Served(not_before=NOW - age, not_after=NOW - age + life, fingerprint="a" * 64, at="127.0.0.1:443")


CASES = {
    "signed an hour ago": (facts(served=served(HOUR)), Wait),
    "signed six days ago": (facts(served=served(6 * DAY)), Wait),
    "signed eight days ago: the CA has forgotten it": (facts(served=served(8 * DAY)), Begin),
    "a six-day one of yesterday": (facts(served=served(DAY, 6 * DAY)), Wait),
    "a six-day one whose renewal is due": (facts(served=served(4 * DAY, 6 * DAY)), Begin),
    "nothing": (facts(), Begin),
    "an operator asks": (facts(served=served(HOUR), request=Request(by="ada", at=NOW)), Begin),
    "ours is due": (facts(served=served(HOUR), current=certificate(age=70 * DAY)), Begin),
}


@pytest.mark.parametrize("name", CASES)
def test_whether_to_order(name: str) -> None:
    """A table of situations."""
    given, kind = CASES[name]
    action = plan_issue(WISH, given, NOW)
    assert type(action) is kind
    if isinstance(action, Wait):
        assert action.until == NOW + LOOK_AGAIN
        assert "whose key is not here" in action.because


GOOD = observation(not_before=NOW - DAY, not_after=NOW + 80 * DAY)


def test_everything_that_answers_must_be_good() -> None:
    """A placeholder, a blind spot or a certificate without dates anywhere: nothing is served well."""
    shorter = replace(GOOD, not_after=NOW + 3 * DAY, not_before=NOW - HOUR)
    found = served_well([GOOD, shorter, observation(Health.BLIND, never_answered=True)])
    assert found is not None
    assert (found.not_before, found.not_after) == (NOW - HOUR, NOW + 3 * DAY)
    for other in (observation(Health.BAD), observation(Health.BLIND), observation()):
        assert served_well([GOOD, other]) is None
    assert served_well([]) is None
