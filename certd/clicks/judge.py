"""The way of a click, judged. Pure.

Until DNS was once seen leading here a link waits for its CNAME, and nothing of it is an alarm; from then on leading
away is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from certd.clicks.model import CheckFinding, ClickFacts, ClickLook, Direction, Leg, Pointing, Response
from certd.model import Alarm, Esp, Level
from certd.planning.observations import HINTS, WANTS_CLIENT_CERTIFICATE
from certd.timefmt import counted

# One look may meet a reload, a lost packet, a name server that is being restarted.
TELL_AFTER = 2
TELL_UNKNOWN_AFTER = 3

# What a proxy says itself when the e-mail service does not answer it.
GATEWAY = frozenset({502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is wrong with the way of a click.

    Attributes:
        level: How loud, once it lasts.
    """

    words: str
    hint: str
    level: Level


def is_of(host: str, names: Iterable[str]) -> bool:
    """Whether a host is one of these names or below one."""
    return any(host == name or host.endswith("." + name) for name in names)


def direction_of(
    pointing: Pointing,
    *,
    legs: Iterable[Leg] = (),
    ours: frozenset[str] = frozenset(),
    target: Iterable[str] = (),
    services: Iterable[Esp] = (),
    front: str = "",
) -> tuple[Direction, str]:
    """Where DNS leads, and that in words.

    Args:
        legs: What the public addresses were seen to show.
        ours: Fingerprints of our certificates, the placeholder's included.
        target: What DNS should lead to, where the configuration says it.
        services: The e-mail services that a link may still point at.
        front: Somebody else ends TLS at the public name, with a certificate of its own.
    """
    if pointing.trouble:
        return Direction.UNKNOWN, f"nobody says where it points: {pointing.trouble}"
    if pointing.rcode not in {"NOERROR", "NXDOMAIN"}:
        return Direction.UNKNOWN, f"the name servers fail for it ({pointing.rcode})"
    for esp in services:
        for alias in pointing.aliases:
            if is_of(alias, esp.hosts):
                return Direction.SERVICE, f"it points at the e-mail service itself ({alias})"
    if not pointing.addresses:
        way = f" (its CNAME leads to {pointing.aliases[-1]})" if pointing.aliases else ""
        return Direction.NOWHERE, f"it has no address{way}"
    shown = ", ".join((*pointing.aliases[-1:], *pointing.addresses[:3]))
    wanted = tuple(target)
    if wanted:
        if any(each in wanted for each in (*pointing.aliases, *pointing.addresses)):
            return Direction.HERE, f"it points here ({shown})"
        return Direction.ELSEWHERE, f"it points at {shown}, not at {', '.join(wanted)}"
    public = [leg for leg in legs if leg.is_public]
    if any(leg.fingerprint in ours for leg in public if leg.fingerprint):
        return Direction.HERE, f"it points here ({shown})"
    if any(leg.fingerprint and not leg.certificate for leg in public):
        # Whoever can show a valid certificate for the link is no stranger: a CDN, or a node with one of its own.
        return Direction.HERE, f"it points at {'the ' + front.upper() if front else 'a valid certificate'} ({shown})"
    if public and all(leg.cannot_see for leg in public):
        return Direction.UNKNOWN, f"it points at {shown}, and nothing of that can be seen from here"
    why = f": {public[0].certificate}" if public and public[0].certificate else ""
    return Direction.ELSEWHERE, f"it points at {shown}, which shows no valid certificate for it{why}"


def wrong_with_answer(answer: Response, esp: Esp) -> str:
    """What is wrong with an answer to the probe, by what the e-mail service is known to say; empty when nothing is."""
    if answer.trouble:
        return answer.trouble
    for text, meaning in esp.signs:
        if text.lower() in answer.body.lower():
            return f'"{text}": {meaning}'
    statuses = [each for each in esp.expect if ":" not in each]
    if statuses and not any(_fits(each, answer.status) for each in statuses):
        return f"it answers {answer.status}, expected {' or '.join(statuses)}"
    for each in esp.expect:
        name, colon, value = (part.strip() for part in each.partition(":"))
        if colon and value not in answer.headers.get(name.lower(), ""):
            return f'the header "{each}" is missing'
    return ""


# Of a stranger's words in a sentence.
MOST_SHOWN = 200


def _fits(expected: str, status: int) -> bool:
    text = str(status)
    return expected == text or (expected.endswith("xx") and text[:1] == expected[:1])


# nginx's words, with a status of 400.
NO_CLIENT_CERTIFICATE = "No required SSL certificate was sent"


def wrong_with_click(through: Response, direct: Response | None, esp: Esp) -> str:
    """What is wrong with what came back through the proxy; empty when it is the e-mail service's own answer.

    Args:
        direct: What the service answered when it was asked without the proxy; None or without an answer: it counts
            for nothing.
    """
    if "certificate_required" in through.trouble.lower() or NO_CLIENT_CERTIFICATE in through.body:
        return WANTS_CLIENT_CERTIFICATE
    if through.trouble:
        return through.trouble
    asked = direct if direct is not None and not direct.trouble else None
    # A header such as Server may be the proxy's own; what the service was seen to send counts.
    bare = replace(esp, expect=tuple(each for each in esp.expect if ":" not in each))
    wrong = wrong_with_answer(through, bare)
    if wrong and (asked is None or not wrong_with_answer(asked, bare)):
        return wrong
    if asked is None:
        if through.status in GATEWAY:
            return f"the proxy does not reach the e-mail service (it answers {through.status})"
        return ""
    if through.status != asked.status:
        proxy = " the proxy does not reach it?" if through.status in GATEWAY else ""
        return f"it answers {through.status} where the e-mail service itself answers {asked.status}{proxy}"
    here, there = _target(through), _target(asked)
    if here != there:
        return f"it redirects to {here or 'nowhere'} where the e-mail service itself redirects to {there or 'nowhere'}"
    return ""


def _target(answer: Response) -> str:
    """Where it redirects to, without what may differ each time; what is no address stands for itself."""
    place = answer.headers.get("location", "")
    try:
        return urlsplit(place).netloc
    except ValueError:
        return place[:MOST_SHOWN]


def remember_look(before: ClickFacts, look: ClickLook) -> ClickFacts:
    """What is remembered after a look."""
    arrived = before.arrived_at
    if arrived is None and look.direction is Direction.HERE:
        arrived = look.at
    after = replace(before, look=look, arrived_at=arrived)
    if trouble_of(after) is None:
        return replace(after, failures=0, failed_at=None)
    return replace(after, failures=before.failures + 1, failed_at=before.failed_at or look.at)


def trouble_of(facts: ClickFacts) -> Trouble | None:
    """What is wrong now; None when nothing is, or while the link waits for its CNAME."""
    look = facts.look
    if look is None or facts.waits_for_cname:
        return None
    match look.direction:
        case Direction.SERVICE:
            hint = "point the link's CNAME at your proxy again; clients are shown the e-mail service's certificate"
            return Trouble(words=look.words, hint=hint, level=Level.PAGE)
        case Direction.NOWHERE:
            return Trouble(words=look.words, hint="put the link's CNAME back", level=Level.PAGE)
        case Direction.ELSEWHERE:
            hint = "point the link's CNAME at your proxy; where that is right, name it: target = [...] of the link"
            return Trouble(words=look.words, hint=hint, level=Level.WARNING)
        case Direction.UNKNOWN:
            return Trouble(words=look.words, hint="see network.resolvers", level=Level.NOTE)
        case Direction.HERE:
            return _on_the_way(look)


def _on_the_way(look: ClickLook) -> Trouble | None:
    public = [leg for leg in look.legs if leg.is_public]
    for leg in public:
        if leg.certificate and not leg.cannot_see:
            words = f"{leg.address}: {leg.certificate}"
            if WANTS_CLIENT_CERTIFICATE in words:
                return Trouble(words=words, hint=HINTS[WANTS_CLIENT_CERTIFICATE], level=Level.PAGE)
            return Trouble(words=words, hint="`certd check` says what to do", level=Level.PAGE)
    for leg in public:
        if leg.cannot_see and any(not other.cannot_see for other in public):
            hint = "remove that address from DNS, or open it: clients that take it first see nothing"
            return Trouble(words=f"{leg.address}: {leg.certificate}", hint=hint, level=Level.WARNING)
    if look.upstream:
        words = f"the e-mail service does not answer well, asked directly: {look.upstream}"
        hint = "ask it whether it knows this host, and see its status page"
        return Trouble(words=words, hint=hint, level=Level.WARNING)
    for leg in look.legs:
        if leg.click:
            words = f"{leg.address}: a click does not come through: {leg.click}"
            if leg.click == WANTS_CLIENT_CERTIFICATE:
                return Trouble(words=words, hint=HINTS[WANTS_CLIENT_CERTIFICATE], level=Level.PAGE)
            hint = "the e-mail service itself answers well: compare the proxy's configuration with `certd proxy-config`"
            return Trouble(words=words, hint=hint, level=Level.PAGE)
    return None


def click_alarm(facts: ClickFacts, now: datetime, labels: Mapping[str, str], every: timedelta) -> Alarm | None:
    """What is wrong with a link's clicks; None when nothing is worth hearing."""
    trouble = trouble_of(facts)
    if trouble is None or facts.look is None:
        return None
    patience = TELL_UNKNOWN_AFTER if facts.look.direction is Direction.UNKNOWN else TELL_AFTER
    if facts.failures < patience:
        return None
    return Alarm(
        cause=f"click:{facts.host}",
        level=trouble.level,
        subject=f"clicks of {facts.host}",
        words=trouble.words,
        next_step=f"the next look is at {max(facts.look.at + every, now):%Y-%m-%d %H:%M:%SZ}",
        hint=trouble.hint,
        labels=labels,
    )


def with_findings(facts: ClickFacts, found: Iterable[CheckFinding], now: datetime) -> ClickFacts:
    """What is remembered after the doctor's checks: what was found before keeps its first time."""
    since = {finding.name: finding.since for finding in facts.findings}
    findings = tuple(replace(finding, since=since.get(finding.name, finding.since)) for finding in found)
    return replace(facts, findings=findings, examined_at=now)


def check_alarms(facts: ClickFacts, labels: Mapping[str, str]) -> list[Alarm]:
    """What two examinations found wrong, one alarm for each check."""
    return [
        Alarm(
            cause=f"check:{facts.host}:{finding.name}",
            level=Level.WARNING if finding.is_failure else Level.NOTE,
            subject=f"{finding.name} of {facts.host}",
            words=finding.words,
            hint=finding.hint,
            labels=labels,
            next_step="`certd check` looks at it now, certd every six hours",
        )
        for finding in facts.findings
        if facts.examined_at is not None and finding.since < facts.examined_at
    ]


# What a check finds at more hosts than this is of the proxy, the node or the zone.
MOST_ALONE = 10


def all_check_alarms(found: Iterable[tuple[ClickFacts, Mapping[str, str]]]) -> list[Alarm]:
    """The same of many hosts with their labels, in order: what more than ten have is one alarm, naming the first."""
    by_check: dict[str, list[Alarm]] = {}
    for facts, labels in found:
        for alarm in check_alarms(facts, labels):
            alike = by_check.setdefault(alarm.cause.rpartition(":")[2], [])
            if len(alike) <= MOST_ALONE:
                alike.append(alarm)
    alarms: list[Alarm] = []
    for name, alike in by_check.items():
        if len(alike) <= MOST_ALONE:
            alarms += alike
            continue
        first = alike[0]
        host = first.subject.removeprefix(f"{name} of ")
        words = f"{host} and more than {MOST_ALONE - 1} others: {first.words}"
        alarms.append(replace(first, cause=f"check:{name}", subject=f"{name} of many hosts", words=words, labels={}))
    return alarms


def in_words(facts: ClickFacts) -> str:
    """Where a link's clicks stand, in a sentence."""
    look = facts.look
    if look is None:
        return "not looked at yet"
    trouble = trouble_of(facts)
    if trouble is not None:
        return f"NOT well: {trouble.words}"
    proven = [leg for leg in look.legs if not leg.certificate and not leg.click]
    seen = f"seen {look.at:%Y-%m-%d %H:%M:%SZ}"
    if facts.waits_for_cname:
        ready = "ready" if proven and len(proven) == len(look.legs) else "not ready"
        return f"{ready}, waiting for the CNAME: {look.words}; {seen}"
    status = f", {proven[0].status} in {proven[0].milliseconds:.0f} ms" if proven and proven[0].status else ""
    return f"{look.words}; well on {len(proven)} of {counted(len(look.legs), 'address')}{status}; {seen}"
