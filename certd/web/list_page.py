"""The first page: how everything is, and every link with its bar."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from html import escape

from certd.model import Deployment, Wait
from certd.status.assess import LinkStatus
from certd.status.render import next_step_of, served_words
from certd.web.click_panel import click_line
from certd.web.life_bar import life_bar
from certd.web.listing import FILTERS, Listing
from certd.web.markup import document, labels, link_address, moment, pill, tone, with_code

REFRESH_SECONDS = 30


def list_page(listing: Listing, away: Mapping[str, str], alarm_trouble: str) -> str:
    """The whole page."""
    summary = listing.summary
    count = len(summary.summaries)
    body = [
        _headline(listing, count),
        _notices(listing, away, alarm_trouble),
        _tools(listing) if count else "",
        '<main class="links">',
        *(_row(one, listing.now) for one in listing.statuses),
        "</main>",
        _pages(listing),
        _foot(listing),
    ]
    if not listing.statuses:
        words = "No link matches." if count else "No link is configured: a [[link]] table makes one."
        body.insert(4, f'<p class="none">{words}</p>')
    title = f"{summary.attention} to look at · certd" if summary.attention else "certd: all is well"
    refresh = 0 if listing.text else REFRESH_SECONDS
    return document(title, "\n".join(body), data=listing.address("/links.json"), refresh=refresh)


def _headline(listing: Listing, count: int) -> str:
    summary = listing.summary
    bad = summary.attention
    served = listing.count("served")
    if not count:
        sentence, face = "No links yet", "busy"
    elif bad:
        sentence, face = f"{_links(bad)} of {count} need{'s' if bad == 1 else ''} attention", "bad"
    elif served == count:
        sentence, face = ("The link is served" if count == 1 else f"All {count:,} links are served"), "good"
    else:
        sentence, face = f"{served:,} of {_links(count)} served, the rest is on its way", "busy"
    ends = [glance.seen_until or glance.not_after for glance in summary.summaries]
    first = min((end for end in ends if end is not None), default=None)
    small = f"The first to end is good {moment(first, listing.now).replace('in ', 'for another ', 1)}." if first else ""
    if first is not None and first <= listing.now:
        small = f"The first ended {moment(first, listing.now)}."
    return (
        f'<header class="top {face}"><p class="brand">certd <span>{escape(listing.node)}</span></p>'
        f'<h1><span class="dot"></span>{sentence}</h1><p class="small">{small}</p></header>'
    )


def _links(count: int) -> str:
    return f"{count:,} link{'' if count == 1 else 's'}"


def _notices(listing: Listing, away: Mapping[str, str], alarm_trouble: str) -> str:
    said = [f"<b>{escape(dependency)}</b> is away: {escape(why)}" for dependency, why in away.items()]
    if listing.summary.trouble:
        said.append(
            f"<b>The shared store</b> cannot be read: {escape(listing.summary.trouble)}. "
            "What is served goes on being served and looked at; nothing is ordered until it is back."
        )
    if alarm_trouble:
        said.append(f"<b>Nobody can be told of an alarm</b>: {escape(alarm_trouble)}")
    said += [
        f"<b>{escape(orphan)}</b> is not in the configuration; <code>certd forget {escape(orphan)}</code> drops it"
        for orphan in listing.summary.orphans[:10]
    ]
    return "".join(f'<p class="notice">{words}</p>' for words in said)


def _tools(listing: Listing) -> str:
    chips = []
    for state, words in FILTERS.items():
        number = listing.count(state)
        if state and not number:
            continue
        chosen = ' aria-current="true"' if state == listing.state else ""
        address = escape(listing.address(state=state))
        chips.append(f'<a class="chip"{chosen} href="{address}">{words} <b>{number:,}</b></a>')
    label = (
        f'<a class="chip" aria-current="true" href="{escape(listing.address(label=""))}">{escape(listing.label)} ✕</a>'
        if listing.label
        else ""
    )
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">'
        for name, value in (("state", listing.state), ("label", listing.label))
        if value
    )
    return (
        f'<nav class="tools"><form action="/" role="search"><input type="search" name="q" '
        f'value="{escape(listing.text)}" placeholder="Search names, domains, labels" aria-label="Search">'
        f"{hidden}</form>"
        f'<div class="chips">{"".join(chips)}{label}</div></nav>'
    )


def _row(one: LinkStatus, now: datetime) -> str:
    current = one.facts.current
    name = one.link.name
    others = [domain for domain in one.link.spec.domains if domain != name]
    names = f'<p class="names">{escape(", ".join(others))}</p>' if others else ""
    bar = life_bar(current, now) if current else '<div class="lifebox none">no certificate yet</div>'
    because = f'<p class="because">{escape(one.because)}</p>' if one.because else ""
    because += f'<p class="hint">You can: {with_code(one.hint)}</p>' if one.hint else ""
    proxies = "".join(_proxy(proxy, deployment, now) for proxy, deployment in one.deployments)
    proxies += "".join(click_line(facts, now, alone=len(one.clicks) == 1) for facts in one.clicks)
    return (
        f'<article class="link {tone(one)}"><div class="head">'
        f'<h2><a href="{link_address(name)}">{escape(name)}</a></h2>{pill(one)}</div>'
        f"{names}{bar}{_lag(one, now)}{because}"
        f'<ul class="facts">{proxies}<li class="next"><b>next</b> {next_words(one, now)}</li></ul>'
        f"{labels(one)}</article>"
    )


def next_words(one: LinkStatus, now: datetime) -> str:
    """The next step and when, as HTML; where it is not known, why. A reason that stands above is not said again."""
    action = one.action
    if action is None:
        return "not known: the shared store cannot be read" if one.facts.current else "the first certificate"
    if not isinstance(action, Wait):
        return "now" if one.because and one.because == action.because else escape(next_step_of(one, now))
    end = action.ends_at(now)
    if end is None:
        return escape(action.because)
    if one.because and one.because in action.because:
        return f"tried again {moment(end, now)}"
    return f"{escape(action.because)} ({moment(end, now)})"


def served_until(one: LinkStatus) -> datetime | None:
    """The earliest end of what an endpoint of this node shows."""
    ends = [
        observation.not_after
        for _, deployment in one.deployments
        for observation in deployment.observations
        if observation.not_after
    ]
    return min(ends, default=None)


def _lag(one: LinkStatus, now: datetime) -> str:
    """Clients see another certificate than the newest: that one's end is what counts for them."""
    current, ends = one.facts.current, served_until(one)
    if current is None or ends is None or ends >= current.not_after:
        return ""
    verb = "saw one that ended" if ends <= now else "still see one that ends"
    return f'<p class="because">Clients {verb} {moment(ends, now)}.</p>'


def _proxy(proxy: str, deployment: Deployment, now: datetime) -> str:
    face = "good" if deployment.is_verified else "bad" if deployment.error else "busy"
    words = escape(served_words(deployment))
    if deployment.is_verified and deployment.looked_at is not None:
        words = f"{words.rpartition(', seen ')[0]}, seen {moment(deployment.looked_at, now)}"
    elif deployment.error:
        words = "not seen to serve the newest"
    return f'<li class="{face}"><b>{escape(proxy)}</b> {words}</li>'


def _pages(listing: Listing) -> str:
    if listing.pages == 1:
        return ""
    steps = []
    if listing.page > 1:
        steps.append(f'<a rel="prev" href="{escape(listing.address(page=str(listing.page - 1)))}">← back</a>')
    steps.append(f"<span>page {listing.page:,} of {listing.pages:,}, {_links(listing.found)}</span>")
    if listing.page < listing.pages:
        steps.append(f'<a rel="next" href="{escape(listing.address(page=str(listing.page + 1)))}">on →</a>')
    return f'<nav class="pages">{"".join(steps)}</nav>'


def _foot(listing: Listing) -> str:
    data = escape(listing.address("/links.json", page=str(listing.page)))
    return (
        f'<footer>as of {listing.summary.at:%H:%M:%S} UTC · <a href="{data}">JSON</a> · '
        '<a href="/metrics">metrics</a> · read-only</footer>'
    )
