"""The way of a click on the pages: where DNS leads, what each address shows, what comes back."""

from __future__ import annotations

from datetime import datetime
from html import escape

from certd.clicks.judge import trouble_of
from certd.clicks.model import ClickFacts, Leg
from certd.timefmt import counted
from certd.web.markup import date_and_distance, moment, with_code


def click_line(facts: ClickFacts, now: datetime, *, alone: bool) -> str:
    """One line for the list."""
    host = "" if alone else f"{escape(facts.host)}: "
    return f'<li class="{_face(facts)}"><b>clicks</b> {host}{_sentence(facts, now)}</li>'


def clicks(facts: ClickFacts, now: datetime) -> str:
    """The section of a link's page."""
    look, trouble = facts.look, trouble_of(facts)
    word = "waits for its CNAME" if facts.waits_for_cname else "well" if trouble is None else "not well"
    body = [f"<p>{_sentence(facts, now)}</p>"]
    if trouble is not None:
        body.append(f'<p class="hint">You can: {with_code(trouble.hint)}</p>')
    if look is not None:
        way = [*look.pointing.aliases, ", ".join(look.pointing.addresses)]
        shown = " → ".join(escape(step) for step in way if step) or escape(look.pointing.trouble or look.pointing.rcode)
        body.append(f'<p class="small">DNS: <code>{escape(facts.host)}</code> → {shown}</p>')
        if look.upstream_status or look.upstream:
            said = escape(look.upstream) if look.upstream else f"{look.upstream_status}, as expected"
            body.append(f'<p class="small">The e-mail service itself, asked directly: {said}</p>')
        rows = "".join(_leg(leg, now) for leg in look.legs)
        if rows:
            head = "<th>address</th><th>shows until</th><th>a click</th>"
            body.append(f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>')
    return (
        f'<section class="card"><h2>Clicks on {escape(facts.host)} <span class="pill {_face(facts)}">{word}</span></h2>'
        f"{''.join(body)}</section>"
    )


def _face(facts: ClickFacts) -> str:
    if facts.look is None or facts.waits_for_cname:
        return "busy"
    return "good" if trouble_of(facts) is None else "bad"


def _sentence(facts: ClickFacts, now: datetime) -> str:
    look = facts.look
    if look is None:
        return "not looked at yet"
    seen = f"seen {moment(look.at, now)}"
    trouble = trouble_of(facts)
    if trouble is not None:
        since = f", for {facts.failures} looks" if facts.failures > 1 else ""
        return f"<b>not well</b>: {escape(trouble.words)}{since}, {seen}"
    proven = [leg for leg in look.legs if not leg.certificate and not leg.click]
    if facts.waits_for_cname:
        ready = "ready" if proven and len(proven) == len(look.legs) else "not ready"
        return f"{ready}, waiting for the CNAME: {escape(look.words)}, {seen}"
    took = f", {proven[0].status} in {proven[0].milliseconds:.0f} ms" if proven and proven[0].status else ""
    return f"{escape(look.words)}; well on {len(proven)} of {counted(len(look.legs), 'address')}{took}, {seen}"


def _leg(leg: Leg, now: datetime) -> str:
    whose = "" if leg.is_public else ' <span class="far">an endpoint here</span>'
    certificate = (
        escape(leg.certificate) if leg.certificate else date_and_distance(leg.not_after, now) if leg.not_after else "-"
    )
    came = escape(leg.click) if leg.click else f"{leg.status} in {leg.milliseconds:.0f} ms" if leg.status else "-"
    face = "blind" if leg.cannot_see else "bad" if leg.certificate or leg.click else "good"
    return (
        f'<tr class="{face}"><td><code>{escape(leg.address)}</code>{whose}</td><td>{certificate}</td>'
        f'<td data-is="a click">{came}</td></tr>'
    )
