"""Which issuer is asked: the first for as long as it is worth waiting for."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from certd.model import NO_ATTEMPT, Attempt, LineageFacts
from certd.planning.issuers import choose_issuer, issuer_of, switch_issuer
from certd.planning.renewal import renewal_moment
from tests.unit.cases import NOW, certificate, facts, order

BOTH = ("first", "second")
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def failed(ago: timedelta, kind: str = "serverInternal", *, issuer: str = "first", held: timedelta = MINUTE) -> Attempt:
    """A failure that began so long ago."""
    return Attempt(
        failures=2,
        kind=kind,
        message="x",
        first_failed_at=NOW - ago,
        failed_at=NOW,
        not_before=NOW + held,
        issuer=issuer,
    )


def in_margin(share: float, attempt: Attempt, *others: Attempt) -> LineageFacts:
    """A lineage of which this share of the margin is gone."""
    made = certificate()
    start = renewal_moment(made).at
    shift = NOW - (start + (made.not_after - start) * share)
    moved = replace(
        made, not_before=made.not_before + shift, not_after=made.not_after + shift, issued_at=made.issued_at + shift
    )
    return LineageFacts(link="a", current=moved, attempt=attempt, others=others)


def first(attempt: Attempt, *others: Attempt) -> LineageFacts:
    """A lineage without a certificate."""
    return LineageFacts(link="a", attempt=attempt, others=others)


DAY = timedelta(days=1)
CASES: dict[str, tuple[LineageFacts, dict[str, datetime], str]] = {
    "nothing failed": (first(NO_ATTEMPT), {}, "first"),
    "it failed a moment ago": (first(failed(MINUTE)), {}, "first"),
    "an hour of failing without a certificate": (first(failed(HOUR)), {}, "second"),
    "it asks for a wait beyond that hour": (first(failed(MINUTE, "rateLimited", held=2 * HOUR)), {}, "second"),
    "it says that it will not": (first(failed(MINUTE, "rejectedIdentifier")), {}, "second"),
    "paused": (in_margin(0.01, failed(MINUTE, "paused")), {}, "second"),
    "the DNS is wrong, for everybody": (first(failed(5 * HOUR, "dns")), {}, "first"),
    "a day of a long margin": (in_margin(0.05, failed(DAY)), {}, "first"),
    "a quarter of the margin": (in_margin(0.26, failed(9 * DAY)), {}, "second"),
    "failed long before it mattered": (in_margin(0.05, failed(20 * DAY)), {}, "first"),
    "half of the margin is gone": (in_margin(0.51, failed(MINUTE)), {}, "second"),
    "away for a minute": (first(NO_ATTEMPT), {"first": NOW - MINUTE}, "first"),
    "away for an hour": (first(NO_ATTEMPT), {"first": NOW - HOUR}, "second"),
    "both failed, the first may be asked sooner": (
        first(failed(HOUR, held=MINUTE), failed(HOUR, issuer="second", held=HOUR)),
        {},
        "first",
    ),
    "both failed, the second may be asked sooner": (
        first(failed(HOUR, held=2 * HOUR), failed(HOUR, issuer="second", held=MINUTE)),
        {},
        "second",
    ),
    "an open order goes on where it is": (
        replace(first(NO_ATTEMPT), order=replace(order(), issuer="second")),
        {},
        "second",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_which(name: str) -> None:
    """A table of situations."""
    facts, away, expected = CASES[name]
    assert choose_issuer(BOTH, facts, NOW, away) == expected


def test_the_probe_of_one_that_is_away() -> None:
    """It is asked, however long it has been away; what it has itself refused counts all the same."""
    away = {"first": NOW - DAY}
    assert choose_issuer(BOTH, first(NO_ATTEMPT), NOW, away, "second") == "second"
    assert choose_issuer(BOTH, first(NO_ATTEMPT), NOW, away, issuer_of("issuer:first")) == "first"
    assert choose_issuer(BOTH, first(failed(MINUTE, "paused")), NOW, away, "first") == "second"
    assert issuer_of("dns:own") == ""


def test_one_issuer_is_never_given_up() -> None:
    """There is no other."""
    assert choose_issuer(("first",), first(failed(9 * DAY, "paused")), NOW) == "first"


def test_failures_are_kept_apart() -> None:
    """Turning to another issuer and back loses nothing; a failure without a name is the preferred one's."""
    facts = first(replace(failed(HOUR), issuer=""))
    turned = switch_issuer(facts, "second", "first")
    assert turned.attempt == NO_ATTEMPT
    assert [(one.issuer, one.failures) for one in turned.others] == [("first", 2)]
    back = switch_issuer(turned, "first", "first")
    assert (back.attempt.issuer, back.attempt.failures, back.others) == ("first", 2, ())


def renewing(attempt: Attempt, *, days: int, **changes: Any) -> LineageFacts:
    """A certificate of the issuer before, of this age, whose link is to have one of the first issuer."""
    return facts(current=certificate(age=days * DAY, issuer="before"), attempt=attempt, **changes)


LAST: dict[str, tuple[LineageFacts, dict[str, datetime], str]] = {
    "nothing failed": (renewing(NO_ATTEMPT, days=64), {}, "first"),
    "it will not, and nothing is due": (renewing(failed(DAY, "externalAccountRequired"), days=40), {}, "first"),
    "it will not, and the renewal is due": (renewing(failed(DAY, "externalAccountRequired"), days=64), {}, "before"),
    "it fails, a little of the margin is used": (renewing(failed(HOUR), days=64), {}, "first"),
    "it fails for a quarter of the margin": (renewing(failed(9 * DAY), days=72), {}, "before"),
    "it does not answer for a quarter of the margin": (
        renewing(NO_ATTEMPT, days=72),
        {"first": NOW - 9 * DAY},
        "before",
    ),
    "an open order is gone on with": (renewing(NO_ATTEMPT, days=64, order=order(issuer="before")), {}, "before"),
    "no certificate": (first(failed(9 * DAY, "paused")), {}, "first"),
}


@pytest.mark.parametrize("name", LAST)
def test_the_issuer_before_renews_what_is_served(name: str) -> None:
    """Another issuer in the configuration is a wish, too: it gives way before a lapse."""
    given, away, expected = LAST[name]
    assert choose_issuer(("first",), given, NOW, away, "first", "before") == expected


def test_of_issuers_that_are_given_up_the_next_free_one_is_asked() -> None:
    """The failure of an order for less counts, where there is one."""
    held = replace(failed(DAY, "rejectedIdentifier"), issuer="first", relaxed=True, not_before=NOW + 9 * DAY)
    second = replace(failed(DAY, "rejectedIdentifier"), issuer="second", not_before=NOW + DAY)
    given = replace(first(failed(DAY, "rejectedIdentifier")), others=(held, second))
    assert choose_issuer(BOTH, given, NOW) == "second"
