"""When a part of a wish that cannot be had is left out, so that what is served is renewed: a table of named cases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from certd.errors import AcmeProblem
from certd.model import (
    NO_ATTEMPT,
    Abandon,
    Attempt,
    Begin,
    CertificateSpec,
    Deployment,
    Desired,
    KeyType,
    LineageFacts,
    Slot,
    Wait,
)
from certd.planning import plan_issue
from certd.planning.alarms import issue_alarm
from certd.planning.failure import failed_attempt
from certd.planning.generation_choice import names_to_cover
from certd.planning.issuers import switch_issuer
from certd.planning.observations import probe_domain
from certd.planning.relax import after_success, relaxed
from tests.unit.cases import DAY, NOW, SPEC, TERMS, WISH, certificate, facts, generation, order, window

HOUR = timedelta(hours=1)
OLD, ADDED, GONE = "link.example.com", "added.example.com", "gone.example.com"
WIDER = replace(WISH, spec=replace(SPEC, domains=(ADDED, OLD)))

# The margin begins on day 63 of 90; a quarter of it is used on day 70, half of it on day 77.
EARLY, DUE, QUARTER, HALF = (certificate(age=days * DAY) for days in (40, 64, 70, 77))


def failed(kind: str = "rejectedIdentifier", *, again: timedelta = DAY, **changes: Any) -> Attempt:
    """The whole wish failed an hour ago."""
    told = Attempt(
        failures=3,
        kind=kind,
        message=f"{ADDED}: no",
        failed_at=NOW - HOUR,
        first_failed_at=NOW - DAY,
        not_before=NOW + again,
    )
    return replace(told, **changes)


FOR_GOOD = 3650 * DAY

# Facts, the kind of action, what its sentence holds, and the names that are asked for.
CASES: dict[str, tuple[Desired, LineageFacts, type, str, tuple[str, ...]]] = {
    "a name is added: all is asked for": (WIDER, facts(current=EARLY), Begin, f"{ADDED} added", (ADDED, OLD)),
    "it failed, and nothing is due: wait": (
        WIDER,
        facts(current=EARLY, attempt=failed()),
        Wait,
        "after rejectedIdentifier",
        (ADDED, OLD),
    ),
    "the wait says that the old names are renewed meanwhile": (
        WIDER,
        facts(current=EARLY, attempt=failed(again=FOR_GOOD)),
        Wait,
        f"meanwhile {OLD} is renewed without {ADDED}, next at 2026-12-16",
        (ADDED, OLD),
    ),
    "due, and all is tried again tomorrow: the first quarter is for that": (
        WIDER,
        facts(current=DUE, attempt=failed()),
        Wait,
        "after rejectedIdentifier",
        (ADDED, OLD),
    ),
    "due, and refused for good: nothing is won by waiting": (
        WIDER,
        facts(current=DUE, attempt=failed("rejectedIdentifier", again=FOR_GOOD)),
        Begin,
        f"a third of its life is left; renewed without {ADDED}, because that failed (rejectedIdentifier: {ADDED}: no)",
        (OLD,),
    ),
    "a quarter of the margin is used: the old names": (
        WIDER,
        facts(current=QUARTER, attempt=failed()),
        Begin,
        f"renewed without {ADDED}",
        (OLD,),
    ),
    "the same where the whole wish may be tried again": (
        WIDER,
        facts(current=QUARTER, attempt=failed(again=-HOUR)),
        Begin,
        f"renewed without {ADDED}",
        (OLD,),
    ),
    "the whole wish never failed: it is tried": (WIDER, facts(current=QUARTER), Begin, f"{ADDED} added", (ADDED, OLD)),
    "it failed under another configuration: this one is tried": (
        replace(WIDER, mark="new"),
        facts(current=QUARTER, attempt=failed(marks=("old",))),
        Begin,
        f"{ADDED} added",
        (ADDED, OLD),
    ),
    "the CA's limits make the whole wish wait: the old names are exempt": (
        WIDER,
        facts(current=QUARTER, slot=Slot(issuer="letsencrypt", at=NOW + 9 * DAY)),
        Begin,
        "takes no order for it before",
        (OLD,),
    ),
    "the CA was away, nothing else: all is tried": (
        WIDER,
        facts(current=QUARTER, attempt=Attempt(kind="acmeUnreachable", message="away", failed_at=NOW)),
        Begin,
        f"{ADDED} added",
        (ADDED, OLD),
    ),
    "the name server of the added name is away": (
        WIDER,
        facts(current=QUARTER, attempt=Attempt(kind="dnsUnreachable", message="away", failed_at=NOW)),
        Begin,
        f"renewed without {ADDED}",
        (OLD,),
    ),
    "it awaits another team's record": (
        WIDER,
        facts(current=QUARTER, attempt=failed("delegation", failures=0, dns_failures=9, again=HOUR)),
        Begin,
        f"renewed without {ADDED}",
        (OLD,),
    ),
    "revoked: at once": (
        WIDER,
        facts(current=replace(EARLY, revoked_because="revoked: superseded"), attempt=failed()),
        Begin,
        f"superseded; renewed without {ADDED}",
        (OLD,),
    ),
    "called back: at once": (
        WIDER,
        facts(current=replace(EARLY, window=window(-DAY * 12, -DAY * 11)), attempt=failed()),
        Begin,
        f"renewed without {ADDED}",
        (OLD,),
    ),
    "expired: the old names are better than nothing": (
        WIDER,
        facts(current=certificate(age=91 * DAY), attempt=failed()),
        Begin,
        f"renewed without {ADDED}",
        (OLD,),
    ),
    "a name that is wanted no more is not asked for": (
        WIDER,
        facts(current=replace(QUARTER, domains=(GONE, OLD)), attempt=failed()),
        Begin,
        "renewed without",
        (OLD,),
    ),
    "nothing of the current certificate is wanted: there is nothing to fall back on": (
        WIDER,
        facts(current=replace(QUARTER, domains=(GONE,)), attempt=failed()),
        Wait,
        "after rejectedIdentifier",
        (ADDED, OLD),
    ),
    "nothing is wanted beyond it: nothing gives way": (
        WISH,
        facts(current=QUARTER, attempt=failed()),
        Wait,
        "after rejectedIdentifier",
        (OLD,),
    ),
    "the order for the old names failed, too: it has its own ladder": (
        WIDER,
        facts(current=QUARTER, attempt=failed(), others=(failed("busy", again=HOUR, message="ns2", relaxed=True),)),
        Wait,
        "after busy: ns2",
        (OLD,),
    ),
    "which ends": (
        WIDER,
        facts(current=QUARTER, attempt=failed(), others=(failed("dns", again=-HOUR, message="ns2", relaxed=True),)),
        Begin,
        f"renewed without {ADDED}",
        (OLD,),
    ),
    "an open order for all of it that is old is given up": (
        WIDER,
        facts(
            current=QUARTER,
            order=order(domains=(ADDED, OLD), made_at=NOW - 5 * DAY, because="ns1 lags", give_up_at=NOW + DAY),
        ),
        Abandon,
        "ns1 lags",
        (ADDED, OLD),
    ),
    "one that is signed is not": (
        WIDER,
        facts(current=QUARTER, order=order(status="ready", made_at=NOW - 5 * DAY, give_up_at=NOW + DAY)),
        object,
        "authorized",
        (ADDED, OLD),
    ),
    "an open order for the old names is gone on with": (
        WIDER,
        facts(current=QUARTER, order=order(relaxed=True, made_at=NOW - 5 * DAY, give_up_at=NOW + DAY)),
        object,
        "record",
        (OLD,),
    ),
    "a profile that is refused is left out alone first": (
        replace(WIDER, issuer=replace(TERMS, profile="short")),
        facts(current=QUARTER, attempt=failed("invalidProfile", again=-HOUR)),
        Begin,
        f"{ADDED} added",
        (ADDED, OLD),
    ),
    "at half of the margin it is left out whatever failed": (
        replace(WISH, issuer=replace(TERMS, profile="short")),
        facts(current=HALF, attempt=failed("malformed")),
        Begin,
        "renewed without profile short",
        (OLD,),
    ),
    "not before": (
        replace(WISH, issuer=replace(TERMS, profile="short")),
        facts(current=QUARTER, attempt=failed("malformed")),
        Wait,
        "after malformed",
        (OLD,),
    ),
    "another key type": (
        replace(WISH, spec=replace(SPEC, key_type=KeyType.RSA_4096)),
        facts(current=QUARTER, attempt=failed("badKey")),
        Begin,
        "renewed without key type rsa-4096, because that failed (badKey",
        (OLD,),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_plan(name: str) -> None:
    """Each named case is answered with that action, that sentence, and those names."""
    desired, given, kind, because, names = CASES[name]
    action = plan_issue(desired, given, NOW)
    assert isinstance(action, kind), action
    assert because in action.because
    asked, turned = relaxed(desired, given, NOW)
    assert asked.spec.domains == names
    assert turned.attempt.relaxed == asked.is_relaxed
    assert plan_issue(asked, turned, NOW) == action


def test_the_key_type_that_is_served_goes_on() -> None:
    """The key is made for the type of the current certificate."""
    desired = replace(WISH, spec=replace(SPEC, key_type=KeyType.RSA_4096))
    asked, _ = relaxed(desired, facts(current=QUARTER, attempt=failed("badKey")), NOW)
    assert asked.spec.key_type is KeyType.ECDSA_P256


def test_both_ladders_are_kept_apart() -> None:
    """The failure of a relaxed order says nothing about the whole wish, nor the other way round."""
    asked, turned = relaxed(WIDER, facts(current=QUARTER, attempt=failed()), NOW)
    noted = failed_attempt(asked, turned, AcmeProblem(type="dns", detail="SERVFAIL"), NOW)
    assert (noted.relaxed, noted.failures, noted.kind) == (True, 1, "dns")
    back = switch_issuer(replace(turned, attempt=noted), "letsencrypt", "letsencrypt")
    assert back.attempt == failed(issuer="letsencrypt")
    assert [each.kind for each in back.others] == ["dns"]


def test_what_a_success_without_a_name_forgets() -> None:
    """The whole wish keeps its wait, or it would be ordered again at once; with every name nothing is kept."""
    asked, turned = relaxed(WIDER, facts(current=QUARTER, attempt=failed(again=FOR_GOOD)), NOW)
    attempt, others = after_success(asked, turned, ())
    assert (attempt.kind, attempt.failures, attempt.not_before) == ("rejectedIdentifier", 3, NOW + FOR_GOOD)
    assert others == ()
    after = facts(current=certificate(), attempt=attempt)
    action = plan_issue(WIDER, after, NOW)
    assert isinstance(action, Wait)
    assert "meanwhile link.example.com is renewed" in action.because
    assert after_success(WIDER, turned, ("profile: x",)) == (replace(NO_ATTEMPT, dropped=("profile: x",)), ())


def test_the_wait_ends_when_the_old_names_are_due() -> None:
    """However long the whole wish is held back, the renewal of what is served is looked at in time."""
    action = plan_issue(WIDER, facts(current=EARLY, attempt=failed(again=FOR_GOOD)), NOW)
    assert isinstance(action, Wait)
    assert action.until < EARLY.not_after - 25 * DAY


def test_the_alarm_says_that_the_old_names_fail_too() -> None:
    """Both causes, in one alarm."""
    given = facts(current=QUARTER, attempt=failed(), others=(failed("dns", message="ns2 is away", relaxed=True),))
    alarm = issue_alarm(given, None, NOW, {})
    assert alarm is not None
    assert alarm.words == f"{ADDED}: no; the renewal without that fails too: ns2 is away"


WANTED = (ADDED, OLD)
GATE: dict[str, tuple[tuple[str, ...], Any, tuple[str, ...]]] = {
    "all names": ((ADDED, OLD), None, WANTED),
    "without the added one, over what did not have it either": ((OLD,), generation(), (OLD,)),
    "without the added one, where nothing is served yet": ((OLD,), None, (OLD,)),
    "over a placeholder that names all of it": ((OLD,), generation(domains=WANTED, placeholder=True), (OLD,)),
    "not over what has every name and is good": ((OLD,), generation(domains=WANTED), WANTED),
    "over what had every name and has expired": ((OLD,), generation(age=91 * DAY, domains=WANTED), (OLD,)),
    "a stranger's": ((GONE,), generation(), WANTED),
    "not with the loss of the one that is served": ((ADDED,), generation(), WANTED),
}


@pytest.mark.parametrize("name", GATE)
def test_names_that_the_gate_asks_for(name: str) -> None:
    """What was issued without a name is published, unless a name that is served would be lost."""
    offered, pointed, expected = GATE[name]
    assert names_to_cover(WANTED, offered, pointed, NOW) == expected


def test_served_is_looked_at_by_a_name_that_is_covered() -> None:
    """An added name that stands first is not what proves that the old ones are served."""
    assert probe_domain(Deployment(link=OLD, domains=WANTED, wanted=generation())) == OLD
    assert probe_domain(Deployment(link=OLD, domains=WANTED)) == ADDED


def test_a_short_life_does_not_wait_an_hour_for_its_profile() -> None:
    """Certificates of minutes: the refused profile is left out in time."""
    current = certificate(age=timedelta(seconds=66), life=timedelta(seconds=100))
    desired = replace(WISH, issuer=replace(TERMS, profile="short"))
    problem = AcmeProblem(type="invalidProfile", detail="not recognized")
    noted = failed_attempt(desired, facts(current=current), problem, NOW)
    assert noted.not_before is not None
    assert noted.not_before < NOW + timedelta(seconds=5)


def test_what_is_refused_is_not_asked_for_in_a_hurry() -> None:
    """Nothing that is served hangs on it: certificates of seconds are no reason for an order each few seconds."""
    current = certificate(age=timedelta(seconds=20), life=timedelta(seconds=40))
    problem = AcmeProblem(type="rejectedIdentifier", detail="policy forbids it")
    wider = failed_attempt(WIDER, facts(current=current), problem, NOW)
    assert wider.not_before == NOW + timedelta(seconds=40)
    same = failed_attempt(WISH, facts(current=current), problem, NOW)
    assert same.not_before is not None
    assert same.not_before < NOW + timedelta(seconds=5)
    asked, turned = relaxed(WIDER, facts(current=current, attempt=wider), NOW + timedelta(seconds=10))
    assert asked.is_relaxed
    again = failed_attempt(asked, turned, problem, NOW)
    assert again.not_before is not None
    assert again.not_before < NOW + timedelta(seconds=5)


def test_a_spec_is_what_the_file_says() -> None:
    """A relaxed wish remembers the whole one."""
    asked, _ = relaxed(WIDER, facts(current=QUARTER, attempt=failed()), NOW)
    assert isinstance(asked.whole, CertificateSpec)
    assert asked.whole == WIDER.spec
    assert asked.without == (ADDED,)
