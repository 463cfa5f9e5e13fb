"""The planner of lineages, as a table of named cases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from certd.model import (
    Abandon,
    Answer,
    Attempt,
    Begin,
    CertificateSpec,
    CleanUp,
    Collect,
    Desired,
    Finalize,
    KeyType,
    LineageFacts,
    Present,
    Rank,
    Read,
    Refresh,
    Rehearsal,
    Rehearse,
    Request,
    Wait,
)
from certd.planning import plan_issue, rank_of
from certd.planning.relax import changes_at_renewal
from tests.unit.cases import DAY, NOW, SPEC, TERMS, WISH, certificate, cleanup, facts, order, window

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
fresh = certificate(age=DAY)


REHEARSED = Rehearsal(passed_at=NOW - HOUR)

CASES: dict[str, tuple[LineageFacts, type, str]] = {
    "nothing issued yet: order": (facts(), Begin, "nothing issued yet"),
    "a young certificate: wait for its moment": (facts(current=fresh), Wait, "renewal at 2027-01-24"),
    "past two thirds and a bit: renew": (facts(current=certificate(age=63 * DAY)), Begin, "third of its life"),
    "just past two thirds the CA's window still decides": (
        facts(rehearsal=REHEARSED, current=certificate(age=61 * DAY)),
        Wait,
        "backstop",
    ),
    "a 45-day certificate is not due on its sixteenth day": (
        facts(current=certificate(age=16 * DAY, life=45 * DAY)),
        Wait,
        "renewal at",
    ),
    "a 160-hour certificate is due past its half": (
        facts(current=certificate(age=86 * HOUR, life=160 * HOUR)),
        Begin,
        "half",
    ),
    "a 60-second certificate is due past its half": (
        facts(current=certificate(age=33 * SECOND, life=60 * SECOND)),
        Begin,
        "half",
    ),
    "expired is work, not an error": (facts(current=certificate(age=91 * DAY)), Begin, "expired since"),
    "expired with a window: order all the same": (
        facts(current=certificate(age=91 * DAY, window=window(-DAY, DAY))),
        Begin,
        "expired since",
    ),
    "revoked: replace": (
        facts(current=replace(fresh, revoked_because="revoked: keyCompromise")),
        Begin,
        "keyCompromise",
    ),
    "a name was added": (
        facts(current=replace(fresh, domains=("other.example.com",))),
        Begin,
        "link.example.com added",
    ),
    "the drawn moment has come": (
        facts(current=certificate(age=50 * DAY, window=window(-DAY, HOUR, drawn=0.5))),
        Begin,
        "the CA suggests it",
    ),
    "the drawn moment has not come": (
        facts(rehearsal=REHEARSED, current=certificate(age=50 * DAY, window=window(-HOUR, DAY, drawn=0.5))),
        Wait,
        "renewal information",
    ),
    "a window in the past on the second day: an incident": (
        facts(current=certificate(age=2 * DAY, window=window(-HOUR, -MINUTE * 30))),
        Begin,
        "the CA suggests it now",
    ),
    "a window in the past for what was just signed: not within the hour": (
        facts(current=certificate(age=10 * MINUTE, window=window(-HOUR, -MINUTE * 30))),
        Wait,
        "renewal",
    ),
    "a window far in the future does not postpone the backstop": (
        facts(current=certificate(age=64 * DAY, window=window(20 * DAY, 21 * DAY))),
        Begin,
        "third",
    ),
    "asked by an operator": (facts(current=fresh, request=Request(by="ada", at=NOW)), Begin, "asked for by ada"),
    "held back by the backoff": (
        facts(attempt=Attempt(failures=1, not_before=NOW + MINUTE, failed_at=NOW, kind="dns", message="m")),
        Wait,
        "after dns: m",
    ),
    "an operator who asks after the failure is not held back": (
        facts(
            request=Request(by="ada", at=NOW),
            attempt=Attempt(failures=1, not_before=NOW + HOUR, failed_at=NOW - MINUTE, kind="dns"),
        ),
        Begin,
        "ada",
    ),
    "an operator does not lift a rate limit": (
        facts(
            request=Request(by="ada", at=NOW),
            attempt=Attempt(failures=1, not_before=NOW + HOUR, failed_at=NOW - MINUTE, kind="rateLimited"),
        ),
        Wait,
        "rateLimited",
    ),
    "and is told until when, and that force cannot help": (
        facts(
            request=Request(by="ada", at=NOW),
            attempt=Attempt(failures=1, not_before=NOW + HOUR, failed_at=NOW - MINUTE, kind="rateLimited"),
        ),
        Wait,
        "until 2026-11-23 13:00:00Z, and --force cannot help, after rateLimited",
    ),
    "an operator who asks after the CA paused the account lifts it": (
        facts(
            request=Request(by="ada", at=NOW),
            attempt=Attempt(failures=1, not_before=NOW + DAY, failed_at=NOW - MINUTE, kind="paused"),
        ),
        Begin,
        "ada",
    ),
    "one who asked before that does not": (
        facts(
            request=Request(by="ada", at=NOW - HOUR),
            attempt=Attempt(failures=1, not_before=NOW + DAY, failed_at=NOW - MINUTE, kind="paused"),
        ),
        Wait,
        "paused",
    ),
    "the weekly allowance less the reserve is spent": (
        facts(current=certificate(age=63 * DAY), issued_lately=tuple(NOW - n * HOUR for n in range(1, 5))),
        Wait,
        "allows 5",
    ),
    "an emergency takes the reserve": (
        facts(current=certificate(age=80 * DAY), issued_lately=tuple(NOW - n * HOUR for n in range(1, 5))),
        Begin,
        "third",
    ),
    "even an emergency does not run into the CA's limit": (
        facts(current=certificate(age=91 * DAY), issued_lately=tuple(NOW - n * HOUR for n in range(1, 6))),
        Wait,
        "allows 5",
    ),
    "inside the CA's own window nothing is held back": (
        facts(
            current=certificate(age=63 * DAY, window=window(-HOUR, HOUR, drawn=0.1)),
            issued_lately=tuple(NOW - n * HOUR for n in range(1, 6)),
        ),
        Begin,
        "suggests",
    ),
    "an open order comes first": (facts(current=certificate(age=91 * DAY), order=order()), Answer, "record"),
    "values not seen yet: publish and look": (facts(order=order(), cleanups=(cleanup(),)), Present, "publish"),
    "values seen everywhere: answer": (facts(order=order(), cleanups=(cleanup(seen_at=NOW),)), Answer, "every"),
    "one of two values not seen: look": (
        facts(order=order(), cleanups=(cleanup(seen_at=NOW), cleanup(value="w"))),
        Present,
        "publish",
    ),
    "a debt of an older order is not in the way of answering": (
        facts(order=order(), cleanups=(cleanup(seen_at=NOW), cleanup(value="w", settle_at=NOW - DAY))),
        Answer,
        "every",
    ),
    "DNS has not spread: wait until the next look": (
        facts(order=order(look_at=NOW + MINUTE, because="ns1 lags"), cleanups=(cleanup(),)),
        Wait,
        "ns1 lags",
    ),
    "the order expires: give up": (
        facts(order=order(give_up_at=NOW, because="ns1 lags"), cleanups=(cleanup(),)),
        Abandon,
        "ns1 lags",
    ),
    "published, and not seen within the patience: give up": (
        facts(order=order(because="ns1 lags"), cleanups=(cleanup(added_at=NOW - 10 * MINUTE),)),
        Abandon,
        "ns1 lags",
    ),
    "published, within the patience: look": (
        facts(order=order(), cleanups=(cleanup(added_at=NOW - 9 * MINUTE),)),
        Present,
        "look",
    ),
    "not published for a day: the order is kept": (
        facts(order=order(made_at=NOW - DAY, give_up_at=NOW + DAY), cleanups=(cleanup(),)),
        Present,
        "publish",
    ),
    "answered: read": (facts(order=order(answered_at=NOW)), Read, "how far"),
    "ready: finalize": (facts(order=order(status="ready")), Finalize, "authorized"),
    "ready at once, by reused authorizations": (
        facts(order=order(status="ready"), cleanups=()),
        Finalize,
        "authorized",
    ),
    "processing: read": (facts(order=order(status="processing")), Read, "how far"),
    "valid: collect": (facts(order=order(status="valid")), Collect, "signed"),
    "valid is collected however late": (facts(order=order(status="valid", give_up_at=NOW - DAY)), Collect, "signed"),
    "invalid: abandon": (facts(order=order(status="invalid", problem="no TXT")), Abandon, "no TXT"),
    "its holder died: ask the CA before anything": (facts(order=order(), cleanups=(cleanup(),)).unread(), Read, "died"),
    "its holder died long ago: ask the CA all the same": (
        facts(order=order(give_up_at=NOW - DAY), cleanups=(cleanup(),)).unread(),
        Read,
        "died",
    ),
    "the CA fails at it: read again": (
        facts(order=order(status=None, because="the CA answers serverInternal")),
        Read,
        "serverInternal",
    ),
    "the CA fails at it for ever: give up": (
        facts(order=order(status=None, because="the CA answers serverInternal", give_up_at=NOW)),
        Abandon,
        "serverInternal",
    ),
    "a debt is due": (facts(current=fresh, cleanups=(cleanup(settle_at=NOW),)), CleanUp, "TXT"),
    "a debt is never ahead of issuing": (facts(cleanups=(cleanup(settle_at=NOW),)), Begin, "nothing issued"),
    "held back from ordering, debts still wait their turn": (
        facts(cleanups=(cleanup(settle_at=NOW),), attempt=Attempt(failures=1, not_before=NOW + MINUTE, kind="x")),
        CleanUp,
        "TXT",
    ),
    "a settled debt is swept after a day": (
        facts(current=fresh, cleanups=(cleanup(settled_at=NOW - DAY, settle_at=NOW - DAY),)),
        CleanUp,
        "TXT",
    ),
    "a settled debt rests for a day": (
        facts(current=fresh, cleanups=(cleanup(settled_at=NOW - HOUR, settle_at=NOW - HOUR),)),
        Wait,
        "swept",
    ),
    "the renewal is rehearsed a week ahead": (facts(current=certificate(age=57 * DAY)), Rehearse, "is rehearsed"),
    "not sooner": (facts(current=certificate(age=55 * DAY)), Wait, "is rehearsed"),
    "six days of life are rehearsed hours ahead": (
        facts(current=certificate(age=75 * HOUR, life=160 * HOUR)),
        Rehearse,
        "is rehearsed",
    ),
    "what lives for hours is not rehearsed": (
        facts(current=certificate(age=11 * HOUR, life=23 * HOUR)),
        Wait,
        "renewal at",
    ),
    "a rehearsal that failed is repeated after ten minutes": (
        facts(
            current=certificate(age=57 * DAY),
            rehearsal=Rehearsal(failed_at=NOW - 10 * MINUTE, failures=1, message="no CNAME"),
        ),
        Rehearse,
        "no CNAME",
    ),
    "and then after an hour": (
        facts(current=certificate(age=57 * DAY), rehearsal=Rehearsal(failed_at=NOW - 59 * MINUTE, failures=2)),
        Wait,
        "rehearsal",
    ),
    "one under way waits for its next look": (
        facts(
            current=certificate(age=57 * DAY),
            rehearsal=Rehearsal(began_at=NOW - MINUTE, look_at=NOW + MINUTE, because="ns2 lags"),
        ),
        Wait,
        "ns2 lags",
    ),
    "an order is never held up by one": (
        facts(current=certificate(age=64 * DAY), rehearsal=Rehearsal(began_at=NOW - MINUTE)),
        Begin,
        "third",
    ),
    "an order that is held back is rehearsed": (
        facts(
            current=certificate(age=64 * DAY),
            rehearsal=Rehearsal(passed_at=NOW - DAY),
            attempt=Attempt(failures=4, kind="unauthorized", failed_at=NOW - 10 * MINUTE, not_before=NOW + DAY),
        ),
        Rehearse,
        "the order failed",
    ),
    "not when the CA itself said how long": (
        facts(
            current=certificate(age=64 * DAY),
            rehearsal=Rehearsal(passed_at=NOW - DAY),
            attempt=Attempt(failures=4, kind="rateLimited", failed_at=NOW - HOUR, not_before=NOW + DAY),
        ),
        Wait,
        "rateLimited",
    ),
    "an order of a clock that was ahead and was set back is looked at": (
        facts(order=order(status="processing", made_at=NOW + 40 * DAY, look_at=NOW + 40 * DAY, because="signs")),
        Read,
        "how far",
    ),
    "once it was looked at, it waits like any other": (
        facts(order=order(status="processing", made_at=NOW + 40 * DAY, look_at=NOW + MINUTE, because="signs")),
        Wait,
        "signs",
    ),
    "renewal information is due": (facts(current=replace(fresh, window_look_at=NOW)), Refresh, "asked"),
    "renewal information waits its Retry-After": (
        facts(current=replace(fresh, window_look_at=NOW + HOUR)),
        Wait,
        "the CA is asked again",
    ),
    "no renewal information without an identifier": (
        facts(current=replace(fresh, window_look_at=NOW, ari_id="")),
        Wait,
        "renewal at",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_plan(name: str) -> None:
    """Each named case is answered with that action and that reason."""
    given, kind, because = CASES[name]
    action = plan_issue(WISH, given, NOW)
    assert type(action) is kind, action
    assert because in action.because


REPLACES: dict[str, tuple[dict[str, Any], str]] = {
    "its own CA": ({}, "aki.serial"),
    "never across CAs": ({"issuer": "google"}, ""),
    "never of an expired one": ({"not_after": NOW - DAY}, ""),
}


@pytest.mark.parametrize("name", REPLACES)
def test_replaces(name: str) -> None:
    """``replaces`` names the current certificate only where its CA can know it."""
    changes, expected = REPLACES[name]
    action = plan_issue(WISH, facts(current=replace(certificate(age=63 * DAY), **changes)), NOW)
    assert isinstance(action, Begin)
    assert action.replaces == expected


def test_edits_are_no_bombs() -> None:
    """A changed key type, issuer or profile, or a name taken away, waits for the next renewal."""
    spec = CertificateSpec(link="link.example.com", domains=("link.example.com",), issuers=("google",), dns="corp")
    desired = Desired(spec=spec, issuer=replace(TERMS, name="google", profile="tlsserver"))
    current = replace(fresh, domains=("gone.example.com", "link.example.com"), key_type="rsa-2048")
    assert isinstance(plan_issue(desired, facts(current=current), NOW), Wait)


def test_what_the_next_renewal_changes() -> None:
    """A changed key type and issuer, and a name taken away; nothing where the certificate is as it is wanted."""
    spec = replace(SPEC, issuers=("google",), key_type=KeyType.ECDSA_P384)
    current = replace(fresh, domains=("gone.example.com", "link.example.com"))
    assert changes_at_renewal(spec, "google", facts(current=current)) == (
        "key ecdsa-p384 instead of ecdsa-p256",
        "issuer google instead of letsencrypt",
        "without gone.example.com",
    )
    assert changes_at_renewal(SPEC, "letsencrypt", facts(current=fresh)) == ()
    for ordered, wanted, expected in (
        ("classic", "shortlived", ("profile shortlived instead of classic",)),
        ("", "shortlived", ("profile shortlived instead of the CA's default",)),
        ("shortlived", "", ("profile the CA's default instead of shortlived",)),
        ("shortlived", "shortlived", ()),
        # An older certd did not note it, or somebody else ordered; or it is not known what is asked for.
        (None, "shortlived", ()),
        ("shortlived", None, ()),
    ):
        known = facts(current=replace(fresh, profile=ordered))
        assert changes_at_renewal(SPEC, "letsencrypt", known, wanted) == expected
    # Profiles are each CA's own.
    other = facts(current=replace(fresh, profile="classic"))
    assert changes_at_renewal(SPEC, "google", other, "shortlived") == ("issuer google instead of letsencrypt",)
    assert changes_at_renewal(spec, "google", facts()) == ()


def test_a_settled_value_does_not_hide_the_renewal() -> None:
    """Both are said, the earlier one as what comes before."""
    swept = cleanup(settled_at=NOW - HOUR, settle_at=NOW - HOUR)
    action = plan_issue(WISH, facts(current=replace(fresh, ari_id=""), cleanups=(swept,)), NOW)
    assert isinstance(action, Wait) and action.until == NOW + 23 * HOUR
    assert action.because.startswith("renewal at ")
    assert action.because.endswith("; before that a settled TXT value is swept once more")


def test_waits_for_the_earliest() -> None:
    """The wait ends at the earliest of renewal, renewal information and debts."""
    current = replace(fresh, window_look_at=NOW + 6 * HOUR)
    action = plan_issue(WISH, facts(current=current, cleanups=(cleanup(settle_at=NOW + MINUTE),)), NOW)
    assert isinstance(action, Wait)
    assert action.until == NOW + MINUTE


RANKS = {
    "operator": (facts(current=fresh, request=Request(by="ada", at=NOW)), Rank.OPERATOR),
    "less than a sixth left": (facts(current=certificate(age=80 * DAY)), Rank.URGENT),
    "expired": (facts(current=certificate(age=91 * DAY)), Rank.URGENT),
    "renewal": (facts(current=certificate(age=63 * DAY)), Rank.RENEWAL),
    "first issuance": (facts(), Rank.FIRST),
}


@pytest.mark.parametrize("name", RANKS)
def test_rank(name: str) -> None:
    """Operator's request, urgent, renewal, first issuance."""
    given, rank = RANKS[name]
    assert rank_of(given, NOW) is rank


def test_spec_names_its_subject() -> None:
    """A lineage's work row is keyed by its link."""
    assert SPEC.subject == "issue:link.example.com"


def test_anycast_servers_that_cannot_be_seen_are_given_time() -> None:
    """From the last value that was seen everywhere on; what is not seen yet is published and looked for as ever."""
    desired = replace(WISH, anycast_grace=10 * SECOND)
    given = facts(
        order=order(), cleanups=(cleanup(seen_at=NOW - 12 * SECOND), cleanup(value="w", seen_at=NOW - 4 * SECOND))
    )
    assert plan_issue(desired, given, NOW) == Wait(
        NOW + 6 * SECOND, "every server shows our value; its anycast neighbours are given time"
    )
    assert isinstance(plan_issue(desired, given, NOW + 6 * SECOND), Answer)
    assert isinstance(plan_issue(WISH, given, NOW), Answer)
    assert isinstance(plan_issue(desired, replace(given, cleanups=(cleanup(),)), NOW), Present)
