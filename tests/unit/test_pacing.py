"""How often the way of a click is looked at, and a host examined, where there are few and where there are many."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from certd.clicks.model import CheckFinding, ClickFacts, ClickLook, Direction, Pointing
from certd.daemon.token_bucket import TokenBucket
from certd.planning.probe_rate import examination_is_due, next_look, stretch

NOW = datetime(2027, 3, 1, tzinfo=UTC)
FIVE = timedelta(minutes=5)


def facts(
    *, failures: int = 0, examined: timedelta | None = timedelta(0), found: timedelta | None = None, trouble: str = ""
) -> ClickFacts:
    """Looked at now; examined, and something found first, so long ago."""
    pointing = Pointing(speaker="192.0.2.1", trouble=trouble)
    finding = CheckFinding(name="dns.caa", words="w", hint="m", is_failure=True, since=NOW - (found or timedelta(0)))
    return ClickFacts(
        link="a",
        host="a",
        failures=failures,
        findings=() if found is None else (finding,),
        examined_at=None if examined is None else NOW - examined,
        look=ClickLook(at=NOW, pointing=pointing, direction=Direction.HERE, words=""),
    )


def away(failures: int) -> ClickFacts:
    """DNS was seen leading to the e-mail service, so often in a row."""
    look = ClickLook(at=NOW, pointing=Pointing(speaker="192.0.2.1"), direction=Direction.SERVICE, words="")
    return replace(facts(failures=failures), look=look, arrived_at=NOW)


@pytest.mark.parametrize(
    ("hosts", "every", "by"),
    [(0, FIVE, 1), (1, FIVE, 1), (300, FIVE, 1), (600, FIVE, 2), (10_000, FIVE, 100 / 3), (10_000, 40 * FIVE, 1)],
)
def test_intervals_stretch_where_there_are_many(hosts: int, every: timedelta, by: float) -> None:
    """Up to 300 hosts of five minutes each keep them; whoever asks for less often has it with more of them."""
    assert stretch([every] * hosts) == pytest.approx(by)


NEXT: dict[str, tuple[ClickFacts, float, timedelta]] = {
    "few links": (facts(), 1, FIVE),
    "many links": (facts(), 33, 33 * FIVE),
    "new trouble, among many": (facts(failures=1), 33, FIVE / 4),
    "pointing away, among many": (away(1), 33, timedelta(seconds=3)),
    "pointing away for longer": (away(2), 33, FIVE),
    "trouble that lasts, among many": (facts(failures=9), 33, FIVE),
    "a new finding, among many": (facts(found=timedelta(0)), 33, timedelta(minutes=10)),
    "a new finding": (facts(found=timedelta(0)), 1, FIVE),
    "an old finding, among many": (facts(found=timedelta(hours=6)), 33, 33 * FIVE),
}


@pytest.mark.parametrize("name", NEXT)
def test_the_next_look(name: str) -> None:
    """What is wrong is looked at as often as configured, however many others there are."""
    what, stretched, after = NEXT[name]
    assert next_look(what, FIVE, stretched) == after


HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DUE: dict[str, tuple[ClickFacts, int, bool]] = {
    "never before": (facts(examined=None), 10_000, True),
    "never before, and no resolver answers": (facts(examined=None, trouble="x"), 1, True),
    "an hour ago": (facts(examined=HOUR), 1, False),
    "six hours ago": (facts(examined=6 * HOUR), 1, True),
    "six hours ago, of seven hundred": (facts(examined=6 * HOUR), 700, True),
    "six hours ago, of ten thousand": (facts(examined=6 * HOUR), 10_000, False),
    "84 hours ago, of ten thousand": (facts(examined=84 * HOUR), 10_000, True),
    "news of a moment ago": (facts(examined=HOUR / 12, found=HOUR / 12), 1, False),
    "news of ten minutes ago, of ten thousand": (facts(examined=HOUR / 6, found=HOUR / 6), 10_000, True),
    "news, and no resolver answers": (facts(examined=HOUR / 6, found=HOUR / 6, trouble="x"), 1, False),
    "seven hours ago, and no resolver answers": (facts(examined=7 * HOUR, trouble="x"), 1, False),
    "a day ago, and no resolver answers": (facts(examined=DAY, trouble="x"), 1, True),
}


@pytest.mark.parametrize("name", DUE)
def test_an_examination_is_due(name: str) -> None:
    """Every six hours up to seven hundred hosts; what it found is not forgotten because no resolver answers."""
    what, hosts, due = DUE[name]
    assert examination_is_due(what, hosts, NOW) is due


def test_an_allowance() -> None:
    """Some at once, then so many a second; what cannot wait is had on credit, and paid back."""
    now = [0.0]
    allowed = TokenBucket(0.5, 3, lambda: now[0])
    assert [allowed.take() for _ in range(4)] == [True, True, True, False]
    now[0] = 2.0
    assert (allowed.left(), allowed.take(), allowed.take()) == (1, True, False)
    assert [allowed.take(on_credit=True) for _ in range(4)] == [True, True, True, False]
    now[0] = 7.0
    assert not allowed.take()
    now[0] = 10.0
    assert (allowed.take(), allowed.take()) == (True, False)
    now[0] = 1000.0
    assert allowed.left() == 3
    allowed.spend(2)
    assert allowed.left() == 1
