"""The page of one link: everything that certd knows of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from html import escape

from certd.model import Deployment, Observation
from certd.status.assess import LinkStatus
from certd.store.history import Event
from certd.store.reports import SILENT_AFTER, Told
from certd.timefmt import when
from certd.web.click_panel import clicks
from certd.web.life_bar import life_bar
from certd.web.list_page import next_words, served_until
from certd.web.markup import date_and_distance, day, document, labels, link_address, moment, pill, tone, with_code

REFRESH_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFacts:
    """What the page shows.

    Attributes:
        events: The last ones, the newest first.
        others: What the other nodes told of their proxies.
    """

    one: LinkStatus
    now: datetime
    node: str
    events: tuple[Event, ...]
    others: tuple[Told, ...] = ()


def link_page(facts: LinkFacts) -> str:
    """The whole page."""
    one, now = facts.one, facts.now
    name = one.link.name
    current = one.facts.current
    body = [
        f'<header class="top {tone(one)}"><p class="brand"><a href="/">certd</a> <span>{escape(facts.node)}</span></p>'
        f"<h1>{escape(name)} {pill(one)}</h1>"
        f'<p class="small">{escape(", ".join(one.link.spec.domains))} {labels(one)}</p></header>',
        '<main class="one">',
        _life(one, now),
        _next(one, now),
        _attempt(one, now),
        *(_proxy(proxy, deployment, now) for proxy, deployment in one.deployments),
        _others(facts.others, now),
        *(clicks(facts, now) for facts in one.clicks),
        _certificate(one, now) if current is not None else "",
        _history(facts),
        "</main>",
        f'<footer>as of {now:%H:%M:%S} UTC · <a href="{link_address(name)}.json">JSON</a> · <a href="/">all links</a>'
        "</footer>",
    ]
    data = f"{link_address(name)}.json"
    return document(f"{name} · certd", "\n".join(body), data=data, refresh=REFRESH_SECONDS)


def _life(one: LinkStatus, now: datetime) -> str:
    current = one.facts.current
    if current is None:
        return '<section class="card"><h2>Certificate</h2><p>None yet.</p></section>'
    ends = min(served_until(one) or current.not_after, current.not_after)
    verb = "Clients saw it end" if ends <= now else "Good until"
    newer = ""
    if ends < current.not_after:
        newer = f'<p class="because">A newer one, good until {day(current.not_after, now)}, is not served yet.</p>'
    return (
        f'<section class="card"><h2>{verb} {date_and_distance(ends, now)}</h2>{newer}'
        f"{life_bar(current, now, with_legend=True)}</section>"
    )


def _next(one: LinkStatus, now: datetime) -> str:
    because = f'<p class="because">{escape(one.because)}</p>' if one.because else ""
    hint = f'<p class="hint">You can: {with_code(one.hint)}</p>' if one.hint else ""
    return f'<section class="card"><h2>Next</h2><p>{next_words(one, now)}</p>{because}{hint}</section>'


def _attempt(one: LinkStatus, now: datetime) -> str:
    attempt, order = one.facts.attempt, one.facts.order
    rows = []
    if order is not None:
        rows.append(("order", f"made {moment(order.made_at, now)}, {escape(order.status or 'to be read again')}"))
        rows.append(("waits for", escape(order.because or "-")))
    if attempt.kind and attempt.failed_at is not None:
        count = attempt.failures + attempt.dns_failures
        rows.append(("failed", f"{count} in a row, the last {moment(attempt.failed_at, now)}: {escape(attempt.kind)}"))
        if attempt.not_before is not None and attempt.not_before > now:
            rows.append(("tried again", moment(attempt.not_before, now)))
    if one.facts.request is not None:
        rows.append(("asked for", f"by {escape(one.facts.request.by)} {moment(one.facts.request.at, now)}"))
    owed = [cleanup for cleanup in one.facts.cleanups if cleanup.settled_at is None]
    if owed:
        rows.append(("to clean up", escape(", ".join(sorted({cleanup.target or cleanup.name for cleanup in owed})))))
    return f'<section class="card"><h2>Trying</h2>{_table(rows)}</section>' if rows else ""


def _proxy(proxy: str, deployment: Deployment, now: datetime) -> str:
    face = "good" if deployment.is_verified else "bad" if deployment.error else "busy"
    words = "serves the newest" if deployment.is_verified else deployment.error or "not seen to serve it yet"
    hold = ""
    if deployment.hold_until is not None:
        hold = f'<p class="notice">Held until {when(deployment.hold_until)}: nothing is moved or reloaded.</p>'
    hint = f'<p class="hint">You can: {with_code(deployment.hint)}</p>' if deployment.hint else ""
    rows = "".join(_sight(observation, deployment, now) for observation in deployment.observations)
    table = (
        '<div class="scroll"><table><thead><tr><th>address</th><th>shows</th><th>until</th><th>seen</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
        if rows
        else ""
    )
    return (
        f'<section class="card"><h2>{escape(proxy)} <span class="pill {face}">{escape(words[:120])}</span></h2>'
        f"{hold}{hint}{table}</section>"
    )


def _others(others: tuple[Told, ...], now: datetime) -> str:
    """What the other nodes told; one that is silent is said to be."""
    if not others:
        return ""
    rows = []
    for told in others:
        report = told.report
        silent = now - told.heard_at > SILENT_AFTER
        words = "the newest" if report.is_verified else report.error or "not seen to serve the newest"
        if silent:
            words += f"; not heard of since {when(told.heard_at)}"
        face = "good" if report.is_verified and not silent else "bad"
        until = date_and_distance(report.good_until, now) if report.good_until else "-"
        rows.append(
            f'<tr class="{face}"><td>{escape(told.node)}: <b>{escape(told.proxy)}</b></td><td>{escape(words)}</td>'
            f'<td data-is="until">{until}</td><td data-is="heard">{moment(told.heard_at, now)}</td></tr>'
        )
    head = "<th>node and proxy</th><th>shows</th><th>until</th><th>heard of</th>"
    return (
        f'<section class="card"><h2>Other nodes</h2><div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def _sight(observation: Observation, deployment: Deployment, now: datetime) -> str:
    wanted = deployment.wanted
    if observation.never_answered:
        shown = "nothing ever listened here; skipped"
    elif not observation.fingerprint:
        shown = observation.because or observation.health.value
    elif wanted is not None and observation.fingerprint == wanted.fingerprint:
        shown = "the newest"
    elif observation.fingerprint in deployment.ours:
        shown = "an older one of ours"
    else:
        shown = "one that is not ours"
    if observation.fingerprint and observation.because:
        shown += f": {observation.because}"
    face = "" if observation.never_answered else observation.health.value
    until = date_and_distance(observation.not_after, now) if observation.not_after else "-"
    return (
        f'<tr class="{face}"><td><code>{escape(observation.address)}</code></td><td>{escape(shown)}</td>'
        f'<td data-is="until">{until}</td><td data-is="seen">{moment(observation.at, now)}</td></tr>'
    )


def _certificate(one: LinkStatus, now: datetime) -> str:
    current = one.facts.current
    if current is None:
        return ""
    rows = [
        ("names", escape(", ".join(current.domains))),
        ("issuer", escape(current.issuer)),
        ("issued", date_and_distance(current.issued_at, now)),
        ("valid", f"{when(current.not_before)} to {when(current.not_after)}"),
        ("key", escape(current.key_type or "-")),
        ("generation", f"<code>{escape(current.generation)}</code>"),
        ("SHA-256", f"<code>{escape(current.fingerprint)}</code>"),
    ]
    if current.window is not None:
        rows.append(("CA's window", f"{when(current.window.start)} to {when(current.window.end)}"))
    if current.revoked_because:
        rows.append(("revoked", escape(current.revoked_because)))
    return f'<section class="card"><h2>Certificate</h2>{_table(rows)}</section>'


def _history(facts: LinkFacts) -> str:
    if not facts.events:
        return ""
    rows = "".join(
        f"<tr><td>{moment(event.at, facts.now)}</td><td><b>{escape(event.what)}</b></td>"
        f'<td>{escape(event.because)}{_signed(event)}</td><td data-is="by">{escape(event.by)}</td></tr>'
        for event in facts.events
    )
    return (
        '<section class="card"><h2>History</h2><div class="scroll"><table><thead><tr><th>when</th><th>what</th>'
        f"<th>why</th><th>who</th></tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _signed(event: Event) -> str:
    if not event.fingerprint:
        return ""
    until = f", until {event.not_after:%-d %b %Y}" if event.not_after else ""
    return f' <span class="far">{escape(event.issuer)} <code>{event.fingerprint[:8]}</code>{until}</span>'


def _table(rows: list[tuple[str, str]]) -> str:
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows) + "</dl>"
