"""Alarms: what is worth hearing, how loud, and when it is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from certd.alarms.channels import body_of
from certd.model import Alarm, Attempt, Deployment, Health, Level, LineageFacts, Notice, Wait
from certd.planning.alarms import (
    channel_alarm,
    cleanup_alarm,
    dependency_alarm,
    deploy_alarm,
    issue_alarm,
    notices,
    orphan_alarm,
)
from certd.planning.renewal import renewal_moment
from tests.unit.cases import NOW, certificate, cleanup, facts, generation, observation, window

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
WAIT = Wait(NOW + HOUR, "after a failure")
FAILED = Attempt(failures=1, kind="unauthorized", message="the CA refused", hint="mend it", failed_at=NOW)


def facts_at(share: float, attempt: Attempt = FAILED) -> LineageFacts:
    """A lineage of which this share of the margin is gone."""
    made = certificate(age=timedelta(0))
    start = renewal_moment(made).at
    moment = start + (made.not_after - start) * share
    shift = NOW - moment
    moved = replace(
        made, not_before=made.not_before + shift, not_after=made.not_after + shift, issued_at=made.issued_at + shift
    )
    return LineageFacts(link="link.example.com", current=moved, attempt=attempt)


LADDER = {
    "one failure with the whole margin in hand": (0.1, FAILED, None),
    "three failures": (0.1, replace(FAILED, failures=3), Level.NOTE),
    "three failures of the DNS": (0.1, replace(FAILED, failures=0, dns_failures=3), Level.NOTE),
    "a quarter is used": (0.26, FAILED, Level.WARNING),
    "half is used": (0.51, FAILED, Level.PAGE),
    "three quarters are used": (0.76, FAILED, Level.LAST_PAGE),
    "expired": (1.01, FAILED, Level.LAST_PAGE),
    "what only a human can end": (0.0, replace(FAILED, kind="paused"), Level.WARNING),
    "nothing failed, early": (0.1, Attempt(), None),
    "nothing failed, and yet it is late": (0.6, Attempt(), Level.PAGE),
}


@pytest.mark.parametrize("name", LADDER)
def test_the_ladder(name: str) -> None:
    """Shares of the margin, whatever the life."""
    share, attempt, level = LADDER[name]
    alarm = issue_alarm(facts_at(share, attempt), WAIT, NOW, {"brand": "x"})
    assert (alarm.level if alarm else None) == level
    if alarm is not None:
        assert alarm.labels == {"brand": "x"}
        assert "2026" in alarm.next_step or "2027" in alarm.next_step
        assert alarm.good_until is not None


def test_a_first_certificate_that_does_not_come() -> None:
    """An hour of failing is a warning: clicks wait for it."""
    attempt = replace(FAILED, first_failed_at=NOW - 2 * HOUR)
    alarm = issue_alarm(LineageFacts(link="a", attempt=attempt), WAIT, NOW, {})
    assert alarm is not None
    assert (alarm.level, alarm.good_until) == (Level.WARNING, None)


def test_the_rest() -> None:
    """A deployment that fails again and again, an orphan that ends soon, a lane that is away for long."""
    deployment = Deployment(link="a", domains=("a",), error="it serves another", failures=3)
    alarm = deploy_alarm("edge", deployment, NOW, {})
    assert alarm is not None
    assert alarm.words == "it serves another"
    assert deploy_alarm("edge", replace(deployment, failures=1), NOW, {}) is None
    assert deploy_alarm("edge", replace(deployment, error=""), NOW, {}) is None
    proven = generation(age=DAY, mark="b")
    blind = replace(
        deployment,
        wanted=proven,
        pointed=proven,
        served=proven.fingerprint,
        verified_at=NOW,
        error="it is silent",
        observations=(observation(Health.BLIND),),
    )
    unseen = deploy_alarm("edge", blind, NOW, {})
    assert unseen is not None and (unseen.level, unseen.good_until) == (Level.WARNING, proven.not_after)
    assert orphan_alarm(facts_at(-0.5), NOW) is None
    assert orphan_alarm(facts_at(0.5), NOW) is not None
    assert dependency_alarm("issuer:x", "silent", NOW - timedelta(minutes=5), NOW, NOW) is None
    early = dependency_alarm("issuer:x", "silent", NOW - HOUR, NOW, NOW)
    late = dependency_alarm("issuer:x", "silent", NOW - 7 * HOUR, NOW, NOW)
    assert early is not None
    assert late is not None
    assert (early.level, late.level) == (Level.NOTE, Level.WARNING)


OWED: dict[str, tuple[dict[str, Any], bool]] = {
    "an open order needs it": ({}, False),
    "due a moment ago": ({"settle_at": NOW - timedelta(minutes=1)}, False),
    "refused three times": ({"settle_at": NOW + HOUR, "failures": 3}, False),
    "settled after many failures": ({"settle_at": NOW - DAY, "settled_at": NOW - HOUR, "failures": 9}, False),
    "refused for ten minutes": ({"settle_at": NOW + HOUR, "failures": 7}, True),
    "nobody tries": ({"settle_at": NOW - 2 * HOUR}, True),
}


@pytest.mark.parametrize("name", OWED)
def test_what_nobody_can_clean_up(name: str) -> None:
    """Heard when it does not heal by itself in a moment, and only for a value that is still published."""
    changes, is_heard = OWED[name]
    found = cleanup_alarm(facts(cleanups=(cleanup(**changes),)), NOW)
    assert (found is not None) == is_heard
    if found is not None:
        assert "_acme-challenge.link.example.com by dns.corp" in found.words


def alarm(level: Level = Level.NOTE) -> Alarm:
    return Alarm(cause="issue:a", level=level, subject="a", words="broken")


def test_told_once_louder_daily_and_over() -> None:
    """One alarm per cause: a restart tells nothing twice, and one that sways between two levels neither."""
    tell, books = notices({}, [alarm()], NOW)
    assert [notice.is_over for notice in tell] == [False]
    told = {one.alarm.cause: one for one in books}
    tell, books = notices(told, [alarm()], NOW + HOUR)
    assert tell == []
    tell, books = notices(told, [alarm(Level.PAGE)], NOW + HOUR)
    assert len(tell) == 1
    assert tell[0].since == NOW
    told = {one.alarm.cause: one for one in books}
    for level in (Level.NOTE, Level.PAGE, Level.NOTE):
        tell, books = notices(told, [alarm(level)], NOW + 2 * HOUR)
        assert tell == []
        told = {one.alarm.cause: one for one in books}
    assert len(notices(told, [alarm()], NOW + 26 * HOUR)[0]) == 1
    tell, books = notices(told, [], NOW + 3 * HOUR)
    assert [notice.is_over for notice in tell] == [True]
    assert books == []
    assert "all clear" in tell[0].text


def test_the_text_says_what_to_do() -> None:
    """Good until when, what certd does next, and what you can do now."""
    made = issue_alarm(facts_at(0.3), WAIT, NOW, {})
    assert made is not None
    (notice,), _ = notices({}, [made], NOW)
    for words in ("the CA refused", "Good until: ", "Next: it is tried again at ", "You can: mend it"):
        assert words in notice.text
    assert notice.title == "warning: link.example.com: the CA refused"


EVERY_ALARM = {
    "issuing": issue_alarm(facts_at(0.6), WAIT, NOW, {}),
    "issuing, without a hint": issue_alarm(facts_at(0.6, Attempt()), None, NOW, {}),
    "a lane": dependency_alarm("issuer:letsencrypt", "refused", NOW - DAY, NOW, NOW),
    "an orphan": orphan_alarm(facts_at(0.9), NOW),
    "a silent channel": channel_alarm("smtp", "alarms.smtp: refused"),
    "cleaning up": cleanup_alarm(facts(cleanups=(cleanup(settle_at=NOW - DAY),)), NOW),
    "serving": deploy_alarm("nginx", Deployment(link="a", domains=("a",), error="not seen", failures=3), NOW, {}),
}


@pytest.mark.parametrize("name", EVERY_ALARM)
def test_each_says_three_things(name: str) -> None:
    """Good until when, what certd does next, and what you can do now: to people and to programs."""
    alarm = EVERY_ALARM[name]
    assert alarm is not None
    notice = Notice(alarm=alarm, since=NOW)
    for word in ("Good until: ", "Next: ", "You can: ", "Since: "):
        (line,) = [line for line in notice.text.splitlines() if line.startswith(word)]
        assert len(line) > len(word) + 5
    body = body_of(notice, "node")
    assert body["next"]
    assert body["hint"]


def test_a_delegation_that_is_waited_for() -> None:
    """Nobody is bothered for a week; then there is a reminder that says since when and what is wanted."""
    waiting = Attempt(
        kind="delegation",
        dns_failures=9000,
        message="waits for DNS: no CNAME",
        hint="certd dns request",
        first_failed_at=NOW - timedelta(days=6),
    )
    facts = LineageFacts(link="link.example.com", attempt=waiting)
    assert issue_alarm(facts, None, NOW, {}) is None
    late = issue_alarm(facts, None, NOW + timedelta(days=2), {})
    assert late is not None
    assert late.level is Level.WARNING
    assert late.words.startswith("for 8 days: waits for DNS")


def test_what_a_ca_calls_back_is_told_with_its_reason() -> None:
    """A window that lies in the past at a third of a life: a warning with the CA's own explanation, until it is
    replaced; a window in the past at its natural time is no news.
    """
    url = "https://letsencrypt.status.io/incident"
    called = replace(certificate(age=30 * DAY), window=replace(window(-DAY, -DAY / 2), explanation_url=url))
    alarm = issue_alarm(facts(current=called), None, NOW, {})
    assert alarm is not None
    assert alarm.level is Level.WARNING
    assert url in alarm.words
    revoked = issue_alarm(facts(current=replace(certificate(), revoked_because="its CA says so")), None, NOW, {})
    assert revoked is not None
    assert "revoked: its CA says so" in revoked.words
    due = replace(certificate(age=60 * DAY), window=window(-DAY, -DAY / 2))
    assert issue_alarm(facts(current=due), None, NOW, {}) is None
