"""The way of a click, judged."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from certd.clicks.judge import (
    all_check_alarms,
    check_alarms,
    click_alarm,
    direction_of,
    in_words,
    remember_look,
    trouble_of,
    with_findings,
    wrong_with_answer,
    wrong_with_click,
)
from certd.clicks.model import CheckFinding, ClickFacts, ClickLook, Direction, Leg, Pointing, Response
from certd.config.esp_presets import PRESETS
from certd.model import Esp, Level

NOW = datetime(2027, 3, 1, tzinfo=UTC)
EVERY = timedelta(minutes=5)
HOST = "link.example.com"
SENDGRID, SPARKPOST = PRESETS["sendgrid"], PRESETS["sparkpost"]
SERVICES = tuple(PRESETS.values())
OURS = frozenset({"aa"})


def at(*addresses: str, aliases: tuple[str, ...] = (), rcode: str = "NOERROR", trouble: str = "") -> Pointing:
    return Pointing(speaker="192.0.2.1", addresses=addresses, aliases=aliases, rcode=rcode, trouble=trouble)


def leg(fingerprint: str = "aa", certificate: str = "", *, is_public: bool = True, **more: object) -> Leg:
    made = Leg(address="192.0.2.10:443", is_public=is_public, fingerprint=fingerprint, certificate=certificate)
    return replace(made, **more)  # type: ignore[arg-type]


DIRECTIONS: dict[str, tuple[Pointing, tuple[Leg, ...], dict[str, object], Direction]] = {
    "at SendGrid": (at("167.89.1.1", aliases=("sendgrid.net",)), (), {}, Direction.SERVICE),
    "at SendGrid by its own subdomain": (at("167.89.1.1", aliases=("u1.wl.sendgrid.net",)), (), {}, Direction.SERVICE),
    "at none, though it ends alike": (at("192.0.2.10", aliases=("notsendgrid.net",)), (leg(),), {}, Direction.HERE),
    "here by our certificate": (at("192.0.2.10"), (leg(),), {}, Direction.HERE),
    "here though it lapsed": (at("192.0.2.10"), (leg(certificate="expired"),), {}, Direction.HERE),
    "here by a CDN's certificate": (at("192.0.2.10"), (leg("cc"),), {"front": "cdn"}, Direction.HERE),
    "here by a load balancer's": (at("192.0.2.10"), (leg("cc"),), {"front": "lb"}, Direction.HERE),
    "a CDN that lapsed": (at("192.0.2.10"), (leg("cc", "expired"),), {"front": "cdn"}, Direction.ELSEWHERE),
    "a CDN that is named, lapsed": (
        at("192.0.2.9", aliases=("cdn.example.net",)),
        (leg("cc", "expired"),),
        {"front": "cdn", "target": ("cdn.example.net",)},
        Direction.HERE,
    ),
    "elsewhere by a stranger's": (at("192.0.2.10"), (leg("cc", "for another"),), {}, Direction.ELSEWHERE),
    "here by the target's name": (
        at("192.0.2.9", aliases=("edge.example.com",)),
        (),
        {"target": ("edge.example.com",)},
        Direction.HERE,
    ),
    "not at the target": (at("192.0.2.9"), (leg(),), {"target": ("192.0.2.10",)}, Direction.ELSEWHERE),
    "nowhere": (at(rcode="NXDOMAIN"), (), {}, Direction.NOWHERE),
    "a dangling alias": (at(aliases=("gone.example.com",)), (), {}, Direction.NOWHERE),
    "servers that fail": (at(rcode="SERVFAIL"), (), {}, Direction.UNKNOWN),
    "no answer": (at(trouble="no resolver answers"), (), {}, Direction.UNKNOWN),
    "unseen from here": (at("192.0.2.10"), (leg("", "no connection", cannot_see=True),), {}, Direction.UNKNOWN),
}


@pytest.mark.parametrize("name", DIRECTIONS)
def test_where_dns_leads(name: str) -> None:
    """By aliases, by the target of the configuration, by what the addresses show."""
    pointing, legs, more, expected = DIRECTIONS[name]
    found, words = direction_of(pointing, legs=legs, ours=OURS, services=SERVICES, **more)  # type: ignore[arg-type]
    assert found is expected
    assert words


ANSWERS: dict[str, tuple[Response, Esp, str]] = {
    "the host was lost": (Response(status=404, body="<h1>Bad Hostname in Link</h1>"), SENDGRID, "Bad Hostname in Link"),
    "SendGrid knows it": (Response(status=404, body="Wrong Link"), SENDGRID, ""),
    "SparkPost knows it": (Response(status=302, headers={"server": "msys-http"}), SPARKPOST, ""),
    "not SparkPost": (Response(status=302, headers={"server": "nginx"}), SPARKPOST, "msys-http"),
    "another status": (Response(status=404, headers={"server": "msys-http"}), SPARKPOST, "expected 302"),
    "none": (Response(trouble="it refuses connections"), SENDGRID, "it refuses connections"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_what_a_service_answers(name: str) -> None:
    """By its documented signs, statuses and headers."""
    answer, esp, words = ANSWERS[name]
    found = wrong_with_answer(answer, esp)
    assert (words in found) if words else (found == "")


def redirect(where: str = "https://shop.example.com/x", status: int = 302) -> Response:
    return Response(status=status, headers={"location": where})


COMPARED: dict[str, tuple[Response, Response | None, str]] = {
    "the same": (redirect(), redirect(), ""),
    "the same place, another token": (redirect("https://shop.example.com/y"), redirect(), ""),
    "the proxy redirects itself": (redirect(f"https://{HOST}/"), redirect(), "redirects to link.example.com"),
    "the proxy cannot reach it": (Response(status=502), redirect(), "the proxy does not reach it?"),
    "nobody reaches it": (Response(status=502), None, "does not reach the e-mail service"),
    "asked by the proxy alone": (redirect(), Response(trouble="no route"), ""),
    "the host was lost": (Response(status=404, body="Bad Hostname in Link"), Response(status=404), "Bad Hostname"),
    "nobody validated the host": (
        Response(status=404, body="Bad Hostname in Link"),
        Response(status=404, body="Bad Hostname in Link"),
        "",
    ),
    "no answer": (Response(trouble="TLS fails"), redirect(), "TLS fails"),
}


@pytest.mark.parametrize("name", COMPARED)
def test_compared_with_asking_directly(name: str) -> None:
    """What differs is the proxy's fault; what does not is the e-mail service's own matter."""
    through, direct, words = COMPARED[name]
    found = wrong_with_click(through, direct, SENDGRID)
    assert (words in found) if words else (found == "")


def look(direction: Direction, *legs: Leg, upstream: str = "", minutes: int = 0) -> ClickLook:
    when = NOW + timedelta(minutes=minutes)
    return ClickLook(
        at=when,
        pointing=at("192.0.2.10"),
        direction=direction,
        words=f"it is {direction.value}",
        legs=legs,
        upstream=upstream,
    )


def test_until_it_was_once_here_nothing_is_an_alarm() -> None:
    """Pointing at the e-mail service, nowhere or elsewhere is waiting; from the first arrival on it is trouble."""
    facts = ClickFacts(link="l", host=HOST)
    for number, direction in enumerate((Direction.SERVICE, Direction.NOWHERE, Direction.ELSEWHERE, Direction.UNKNOWN)):
        facts = remember_look(facts, look(direction, leg(is_public=False), minutes=number))
        assert facts.waits_for_cname and trouble_of(facts) is None and facts.failures == 0
        assert click_alarm(facts, NOW, {}, EVERY) is None
        assert in_words(facts).startswith("ready, waiting for the CNAME")
    facts = remember_look(facts, look(Direction.HERE, leg(), minutes=10))
    assert facts.arrived_at == NOW + timedelta(minutes=10)
    assert trouble_of(facts) is None
    facts = remember_look(facts, look(Direction.SERVICE, minutes=15))
    assert trouble_of(facts) is not None
    assert click_alarm(facts, NOW, {}, EVERY) is None, "one look may be a hiccup"
    facts = remember_look(facts, look(Direction.SERVICE, minutes=16))
    alarm = click_alarm(facts, NOW, {"brand": "x"}, EVERY)
    assert alarm is not None
    assert (alarm.level, alarm.cause, dict(alarm.labels)) == (Level.PAGE, f"click:{HOST}", {"brand": "x"})
    facts = remember_look(facts, look(Direction.HERE, leg(), minutes=20))
    assert (facts.failures, facts.failed_at, click_alarm(facts, NOW, {}, EVERY)) == (0, None, None)


TROUBLES: dict[str, tuple[ClickLook, str, Level]] = {
    "a bad certificate": (look(Direction.HERE, leg(), leg("bb", "it expired")), "it expired", Level.PAGE),
    "one address dead": (
        look(Direction.HERE, leg(), leg("", "nothing listens", cannot_see=True)),
        "nothing listens",
        Level.WARNING,
    ),
    "the service fails": (look(Direction.HERE, leg(), upstream="503"), "asked directly: 503", Level.WARNING),
    "the click fails": (look(Direction.HERE, leg(click="404 for 302")), "does not come through", Level.PAGE),
    "elsewhere": (look(Direction.ELSEWHERE), "it is elsewhere", Level.WARNING),
    "unknown": (look(Direction.UNKNOWN), "it is unknown", Level.NOTE),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_what_is_wrong_on_the_way(name: str) -> None:
    """Each with its loudness and a way out."""
    seen, words, level = TROUBLES[name]
    trouble = trouble_of(ClickFacts(link="l", host=HOST, look=seen, arrived_at=NOW))
    assert trouble is not None
    assert words in trouble.words
    assert trouble.level is level
    assert trouble.hint


def test_what_checks_find_is_told_when_it_lasts() -> None:
    """Once may be a hiccup; found twice it is an alarm of its own, which ends with it."""

    def finding(minutes: int) -> CheckFinding:
        since = NOW + timedelta(minutes=minutes)
        return CheckFinding(name="dns.caa", words="CAA forbids it", hint="add a record", is_failure=True, since=since)

    facts = with_findings(ClickFacts(link="l", host=HOST), [finding(0)], NOW)
    assert check_alarms(facts, {}) == []
    facts = with_findings(facts, [finding(10)], NOW + timedelta(minutes=10))
    (alarm,) = check_alarms(facts, {"brand": "x"})
    assert (alarm.cause, alarm.level, alarm.hint) == (f"check:{HOST}:dns.caa", Level.WARNING, "add a record")
    assert facts.findings[0].since == NOW
    assert check_alarms(with_findings(facts, [], NOW + timedelta(hours=6)), {}) == []


def test_what_many_hosts_have_is_one_alarm() -> None:
    """Up to ten hosts have one each; of more it is the proxy, the node or the zone, and the first is named."""

    def found(count: int) -> list[tuple[ClickFacts, dict[str, str]]]:
        finding = CheckFinding(name="file.mode", words="open to all", hint="close it", is_failure=True, since=NOW)
        alone = replace(finding, name="dns.caa")
        hosts = [
            ClickFacts(link=f"l{n}", host=f"l{n}", findings=(finding,), examined_at=NOW + EVERY) for n in range(count)
        ]
        return [
            (replace(each, findings=(*each.findings, alone) if each.host == "l3" else each.findings), {})
            for each in hosts
        ]

    few = all_check_alarms(found(10))
    assert len(few) == 11
    assert {alarm.cause for alarm in few} == {*(f"check:l{n}:file.mode" for n in range(10)), "check:l3:dns.caa"}
    many = {alarm.cause: alarm for alarm in all_check_alarms(found(5000))}
    assert set(many) == {"check:file.mode", "check:l3:dns.caa"}
    together = many["check:file.mode"]
    assert (together.subject, together.hint) == ("file.mode of many hosts", "close it")
    assert together.words == "l0 and more than 9 others: open to all"


@pytest.mark.parametrize("place", ["https://[", "https://[::1", "https://a]b/", "//[x"])
def test_a_redirect_to_no_address(place: str) -> None:
    """What a stranger writes into a header ends no look: it is told as it stands."""
    there = Response(status=302, headers={"location": "https://shop.example/x", "server": "nginx"})
    here = replace(there, headers={**there.headers, "location": place})
    found = wrong_with_click(here, there, replace(SENDGRID, expect=()))
    assert f"it redirects to {place} where the e-mail service itself redirects to shop.example" in found
    assert wrong_with_click(here, here, replace(SENDGRID, expect=())) == ""


@pytest.mark.parametrize(
    "through",
    [
        Response(status=400, body="<center>No required SSL certificate was sent</center>"),
        Response(trouble="TLS fails: TLSV13_ALERT_CERTIFICATE_REQUIRED"),
    ],
    ids=["nginx", "an alert"],
)
def test_an_endpoint_that_wants_a_client_certificate(through: Response) -> None:
    """Its own sentence, and its own way out."""
    words = wrong_with_click(through, Response(status=302), SENDGRID)
    assert words == "it wants a client certificate, which nobody who clicks has"
    leg = Leg(address="192.0.2.1:443", is_public=True, fingerprint="a", click=words)
    look = ClickLook(
        at=NOW, pointing=Pointing(speaker="192.0.2.53"), direction=Direction.HERE, words="it points here", legs=(leg,)
    )
    trouble = trouble_of(ClickFacts(link="a", host="a", look=look, arrived_at=NOW))
    assert trouble is not None and "ask for no client certificate" in trouble.hint
