"""G: what is right today and wrong tomorrow (proxies.md part 2, G)."""

from __future__ import annotations

from datetime import timedelta
from email.utils import parsedate_to_datetime

from certd.clicking import TLS_PORT
from certd.diagnosis.findings import Result, fail, skip, warn, well
from certd.diagnosis.patient import Patient
from certd.model import Direction
from certd.planning.renewal import margin_used, renewal_moment

SKEW = timedelta(seconds=60)
MOST_PARENTS = 2


def hsts(patient: Patient) -> Result:
    """G1: whether a parent domain binds this host to https: then nobody can click through a warning."""
    own = patient.through().headers.get("strict-transport-security", "") if patient.addresses() else ""
    bound = [f"{patient.wish.host} itself"] if own else []
    asked = 0
    labels = patient.wish.host.split(".")
    for start in range(1, min(len(labels) - 1, MOST_PARENTS + 1)):
        parent = ".".join(labels[start:])
        found = patient.names.seen(parent)
        for address in found.addresses[:1]:
            answer = patient.way.asked(patient.wish, (address, TLS_PORT), parent)
            asked += not answer.trouble
            if "includesubdomains" in answer.headers.get("strict-transport-security", "").lower():
                bound.append(parent)
    if bound:
        return well(f"HSTS by {', '.join(bound)}: a lapse would be fatal, browsers let nobody through")
    return well("no parent domain binds it by HSTS") if asked else skip("no parent domain answers from here")


def renewal(patient: Patient) -> Result:
    """G2: renewal is on time."""
    chart = patient.chart
    if chart is None or chart.facts is None:
        return skip("the host is in no configuration" if chart is None else "no facts can be read")
    facts, now = chart.facts, patient.now()
    if facts.attempt.kind:
        return (fail if facts.current is None else warn)(
            f"the last try failed: {facts.attempt.message}", facts.attempt.hint
        )
    if facts.current is None:
        return warn("nothing is issued yet", "`certd once`, or start the daemon")
    used = margin_used(facts.current, now)
    if used > 0.25:
        words = f"it is {used:.0%} into its margin and was not renewed"
        return (fail if used > 0.5 else warn)(words, "does the daemon run? `certd status` says what comes next")
    return well(f"renewal is planned for {renewal_moment(facts.current).at:%Y-%m-%d %H:%MZ}")


def clock(patient: Patient) -> Result:
    """G3: this machine's clock is right, by what servers say."""
    answers = [patient.direct()] if patient.wish.esp else []
    answers += [patient.through()] if patient.addresses() else []
    for answer in answers:
        try:
            said = parsedate_to_datetime(answer.headers.get("date", ""))
        except (TypeError, ValueError):
            continue
        skew = abs(patient.now() - said)
        if skew > SKEW:
            return fail(f"this clock and that of a server are {skew.total_seconds():.0f} s apart", "set up NTP")
        return well("the clock is right")
    return skip("no server says what time it is")


def ssl_enabled(patient: Patient) -> Result:
    """G5: mails hold https links."""
    if not patient.sample:
        return skip("no link of a mail was given", "--sample URL, the newest one")
    if patient.sample.startswith("https://"):
        return well("the sample is an https link")
    esp = patient.wish.esp
    return warn(
        "the sample is an http link: HTTPS is not switched on", esp.support if esp else "ask the e-mail service"
    )


def revalidate(patient: Patient) -> Result:
    """G6: what must never be pressed again."""
    esp = patient.wish.esp
    if esp is None or not esp.owner_record:
        return skip("it does not apply to this e-mail service")
    if patient.look().direction is Direction.HERE:
        return well("never press Verify of the link branding again: it would fail, and links would stop working")
    return well("validate the link branding once, before the CNAME moves, and never after")


def alarms(patient: Patient) -> Result:
    """G7: somebody would be told."""
    if patient.chart is None:
        return skip("the host is in no configuration")
    if patient.chart.has_alarms:
        return well("somebody is told when something is wrong: try it with `certd alert test`")
    return warn("nobody is told when something is wrong", "set webhook, smtp or command in [alerts]")
