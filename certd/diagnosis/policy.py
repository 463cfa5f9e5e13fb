"""G: what is right today and wrong tomorrow."""

from __future__ import annotations

from datetime import timedelta
from email.utils import parsedate_to_datetime

from certd.clicks.look import TLS_PORT
from certd.clicks.model import Direction
from certd.diagnosis.findings import Result, fail, skip, warn, well
from certd.diagnosis.subject import Subject
from certd.planning.margin import HALF, QUARTER
from certd.planning.renewal import margin_used, renewal_moment

SKEW = timedelta(seconds=60)
MOST_PARENTS = 2


def hsts(subject: Subject) -> Result:
    """G1: whether a parent domain binds this host to https: then nobody can click through a warning."""
    own = subject.through().headers.get("strict-transport-security", "") if subject.addresses() else ""
    bound = [f"{subject.desired.host} itself"] if own else []
    asked = 0
    labels = subject.desired.host.split(".")
    for start in range(1, min(len(labels) - 1, MOST_PARENTS + 1)):
        parent = ".".join(labels[start:])
        found = subject.names.seen(parent)
        for address in found.addresses[:1]:
            answer = subject.way.asked(subject.desired, (address, TLS_PORT), parent)
            asked += not answer.trouble
            if "includesubdomains" in answer.headers.get("strict-transport-security", "").lower():
                bound.append(parent)
    if bound:
        return well(f"HSTS by {', '.join(bound)}: a lapse would be fatal, browsers let nobody through")
    return well("no parent domain binds it by HSTS") if asked else skip("no parent domain answers from here")


def renewal(subject: Subject) -> Result:
    """G2: renewal is on time."""
    chart = subject.chart
    if chart is None or chart.facts is None:
        return skip("the host is in no configuration" if chart is None else "no facts can be read")
    facts, now = chart.facts, subject.now()
    if facts.attempt.kind:
        return (fail if facts.current is None else warn)(
            f"the last try failed: {facts.attempt.message}", facts.attempt.hint
        )
    if facts.current is None:
        return warn("nothing is issued yet", "`certd once`, or start the daemon")
    used = margin_used(facts.current, now)
    if used > QUARTER:
        words = f"it is {used:.0%} into its margin and was not renewed"
        return (fail if used > HALF else warn)(words, "does the daemon run? `certd status` says what comes next")
    return well(f"renewal is planned for {renewal_moment(facts.current).at:%Y-%m-%d %H:%MZ}")


def clock(subject: Subject) -> Result:
    """G3: this machine's clock is right, by what servers say."""
    answers = [subject.direct()] if subject.desired.esp else []
    answers += [subject.through()] if subject.addresses() else []
    for answer in answers:
        try:
            said = parsedate_to_datetime(answer.headers.get("date", ""))
        except (TypeError, ValueError):
            continue
        skew = abs(subject.now() - said)
        if skew > SKEW:
            return fail(f"this clock and that of a server are {skew.total_seconds():.0f} s apart", "set up NTP")
        return well("the clock is right")
    return skip("no server says what time it is")


def ssl_enabled(subject: Subject) -> Result:
    """G5: mails hold https links."""
    if not subject.sample:
        return skip("no link of a mail was given", "--sample URL, the newest one")
    if subject.sample.startswith("https://"):
        return well("the sample is an https link")
    esp = subject.desired.esp
    return warn(
        "the sample is an http link: HTTPS is not switched on", esp.support if esp else "ask the e-mail service"
    )


def revalidate(subject: Subject) -> Result:
    """G6: what must never be pressed again."""
    esp = subject.desired.esp
    if esp is None or not esp.owner_record:
        return skip("it does not apply to this e-mail service")
    if subject.look().direction is Direction.HERE:
        return well("never press Verify of the link branding again: it would fail, and links would stop working")
    return well("validate the link branding once, before the CNAME moves, and never after")


def alarms(subject: Subject) -> Result:
    """G7: somebody would be told."""
    if subject.chart is None:
        return skip("the host is in no configuration")
    if subject.chart.has_alarms:
        return well("somebody is told when something is wrong: try it with `certd alarm test`")
    return warn("nobody is told when something is wrong", "set webhook, smtp or command in [alarms]")
