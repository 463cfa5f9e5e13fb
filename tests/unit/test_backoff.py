"""How long what failed is left alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from certd.model import IssuerTerms
from certd.planning import after_failure
from certd.planning.backoff import in_time
from tests.unit.cases import DAY, NOW, TERMS, certificate

MINUTE = timedelta(minutes=1)
NO_LIMITS = IssuerTerms(name="test")

CASES = {
    "first failure: a minute": ({"failures": 1, "kind": "serverInternal"}, MINUTE),
    "second: ten minutes": ({"failures": 2, "kind": "serverInternal"}, 10 * MINUTE),
    "third: a hundred minutes": ({"failures": 3, "kind": "serverInternal"}, 100 * MINUTE),
    "from the fourth on: a day": ({"failures": 9, "kind": "serverInternal"}, DAY),
    "a day never outlives an eighth of what is left": (
        {"failures": 9, "kind": "serverInternal", "current": certificate(age=86 * DAY)},
        4 * DAY / 8,
    ),
    "a failed validation pauses for the CA's refill": ({"failures": 1, "kind": "unauthorized"}, 12 * MINUTE),
    "Retry-After is obeyed": (
        {"failures": 1, "kind": "rateLimited", "retry_after": timedelta(hours=34)},
        timedelta(hours=34),
    ),
    "a short Retry-After does not shorten the ladder": (
        {"failures": 2, "kind": "rateLimited", "retry_after": timedelta(seconds=1)},
        10 * MINUTE,
    ),
    "a certificate of a minute scales the least delay": (
        {"failures": 4, "kind": "x", "current": certificate(age=timedelta(seconds=59), life=MINUTE)},
        timedelta(seconds=1),
    ),
    "a thousand in a row, before the CA pauses the name: once a day, whatever is left": (
        {"failures": 1000, "kind": "unauthorized", "current": certificate(age=89 * DAY)},
        DAY,
    ),
    "one fewer: an eighth of what is left": (
        {"failures": 999, "kind": "unauthorized", "current": certificate(age=89 * DAY)},
        DAY / 8,
    ),
    "expired: the least delay": ({"failures": 9, "kind": "x", "current": certificate(age=91 * DAY)}, MINUTE),
}


@pytest.mark.parametrize("name", CASES)
def test_after_failure(name: str) -> None:
    """Each named case waits exactly so long."""
    given, delay = CASES[name]
    asked = {"current": None, "terms": TERMS, "now": NOW, **given}
    assert after_failure(**asked) - NOW == delay  # type: ignore[arg-type]


def test_no_limits_no_pause() -> None:
    """A CA that states no limit on failed validations gets the plain ladder."""
    terms = replace(NO_LIMITS)
    asked = after_failure(failures=1, kind="unauthorized", terms=terms, current=None, now=NOW)
    assert asked - NOW == MINUTE


SECOND = timedelta(seconds=1)
SHORT = certificate(age=80 * SECOND, life=120 * SECOND)

IN_TIME = {
    "much is left: the ladder": ({"wait": 5 * MINUTE, "ends": certificate()}, 5 * MINUTE),
    "nothing is served: the ladder": ({"wait": 5 * MINUTE, "ends": None}, 5 * MINUTE),
    "forty seconds are left: five": ({"wait": 5 * MINUTE, "ends": SHORT}, 5 * SECOND),
    "a shorter wait stays": ({"wait": 2 * SECOND, "ends": SHORT}, 2 * SECOND),
    "never less than a second": (
        {"wait": MINUTE, "ends": certificate(age=119 * SECOND, life=120 * SECOND)},
        SECOND,
    ),
    "another one ends sooner": (
        {"wait": 5 * MINUTE, "ends": certificate(), "soonest": NOW + 16 * SECOND},
        2 * SECOND,
    ),
    "another one ends later": (
        {"wait": 5 * MINUTE, "ends": SHORT, "soonest": NOW + DAY},
        5 * SECOND,
    ),
    "expired, of minutes: a sixtieth of its life": (
        {"wait": 5 * MINUTE, "ends": certificate(age=500 * SECOND, life=120 * SECOND)},
        2 * SECOND,
    ),
    "expired, of months: the ladder": ({"wait": 5 * MINUTE, "ends": certificate(age=91 * DAY)}, 5 * MINUTE),
}


@pytest.mark.parametrize("name", IN_TIME)
def test_no_wait_is_longer_than_an_eighth_of_what_is_left(name: str) -> None:
    """Eight tries fit into what is left; nobody is asked more than once a second."""
    given, wait = IN_TIME[name]
    assert in_time(now=NOW, **given) == wait  # type: ignore[arg-type]
