"""HTML as strings: everything that was not written here is escaped."""

from __future__ import annotations

import re
from datetime import datetime
from html import escape
from urllib.parse import quote

from certd.status.assess import LinkStatus, State
from certd.timefmt import span, stamp, when

ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Cpath d='M8 1l6 2v5c0 4-3 6-6 7-3-1-6-3-6-7V3z' fill='%231a9d5a'/%3E"
    "%3Cpath d='M5 8l2 2 4-4' fill='none' stroke='white' stroke-width='2'/%3E%3C/svg%3E"
)


def document(title: str, body: str, *, data: str = "", refresh: int = 0) -> str:
    """A whole page.

    Args:
        body: HTML.
        data: The address of the same as JSON; "" where there is none.
        refresh: Seconds after which the browser asks again; 0: never.
    """
    same = f'<link rel="alternate" type="application/json" href="{escape(data)}">' if data else ""
    again = f'<meta http-equiv="refresh" content="{refresh}">' if refresh else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title>"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f'<meta name="robots" content="noindex">{again}'
        f'<link rel="icon" href="{ICON}"><link rel="stylesheet" href="/style.css">{same}</head>\n'
        f"<body>\n{body}\n</body></html>\n"
    )


def with_code(words: str) -> str:
    """A sentence whose `commands` stand between backticks."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(words))


def link_address(name: str) -> str:
    """The page of a link."""
    return f"/links/{quote(name, safe='')}"


def moment(at: datetime, now: datetime) -> str:
    """How far away, with the date for who points at it."""
    distance = f"in {span(at - now)}" if at >= now else f"{span(now - at)} ago"
    return f'<time datetime="{stamp(at)}" title="{when(at)}">{distance}</time>'


def date_and_distance(at: datetime, now: datetime) -> str:
    """The date, then how far away."""
    return f'<span class="date">{day(at, now)}</span> <span class="far">{moment(at, now)}</span>'


def day(at: datetime, now: datetime) -> str:
    """The date; with the time of day where the day alone says too little."""
    near = abs((at - now).total_seconds()) < 2 * 86400
    return f"{at:%-d %b %Y, %H:%M} UTC" if near else f"{at:%-d %b %Y}"


def pill(one: LinkStatus) -> str:
    """The state in one word, coloured."""
    return f'<span class="pill {tone(one)}">{escape(word(one))}</span>'


def tone(one: LinkStatus) -> str:
    """The colour's class."""
    if one.state is State.FAILED:
        return "bad"
    if one.attention:
        return "warn"
    return "good" if one.state is State.SERVED else "busy"


def word(one: LinkStatus) -> str:
    """For people."""
    return "needs attention" if one.state is not State.FAILED and one.attention else one.state.value


def labels(one: LinkStatus) -> str:
    """Its labels, each leading to the list of those that carry it."""
    return "".join(
        f'<a class="label" href="/?label={quote(f"{name}={value}", safe="")}">{escape(name)}={escape(value)}</a>'
        for name, value in one.link.spec.labels.items()
    )
