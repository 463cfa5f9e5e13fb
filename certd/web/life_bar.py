"""A certificate's life as a bar: what is gone, now, the renewal window, the planned renewal, the end."""

from __future__ import annotations

from datetime import datetime
from html import escape

from certd.model import Certificate
from certd.planning.renewal import backstop, margin_used, renewal_moment
from certd.timefmt import when
from certd.web.markup import day, moment

# The drawing's own units; it is stretched to the width there is.
WIDTH = 1000.0
HEIGHT = 20


def life_bar(current: Certificate, now: datetime, *, with_legend: bool = False) -> str:
    """The bar, with the dates of its ends below."""

    def at(point: datetime) -> float:
        share = (point - current.not_before) / current.life if current.life else 1.0
        return round(min(max(share, 0.0), 1.0) * WIDTH, 1)

    renewal = renewal_moment(current).at
    window = current.window
    opens, closes = (window.start, window.end) if window else (renewal, backstop(current))
    start, end, here = at(opens), at(closes), at(now)
    used = margin_used(current, now)
    tone = "dead" if now >= current.not_after else "late" if used >= 0.5 else "due" if used >= 0 else "calm"
    words = (
        f"valid from {when(current.not_before)} to {when(current.not_after)}; now {when(now)}; "
        f"renewal {when(renewal)}; renewal window {when(opens)} to {when(closes)}"
    )
    svg = (
        f'<svg class="life {tone}" viewBox="0 0 {WIDTH:g} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(words)}"><title>{escape(words)}</title>'
        f'<rect class="left" width="{WIDTH:g}" height="{HEIGHT}"/>'
        f'<rect class="gone" width="{here}" height="{HEIGHT}"/>'
        f'<rect class="window" x="{start}" width="{max(end - start, 4.0):g}" height="{HEIGHT}"/>'
        f'<line class="renewal" x1="{at(renewal)}" x2="{at(renewal)}" y2="{HEIGHT}"/>'
        f'<line class="now" x1="{min(max(here, 2.0), WIDTH - 2)}" x2="{min(max(here, 2.0), WIDTH - 2)}" '
        f'y2="{HEIGHT}"/></svg>'
    )
    expiry = "expired" if now >= current.not_after else "expires"
    ends = (
        f'<div class="ends"><span>issued {day(current.not_before, now)}</span>'
        f'<span class="mid">renewal {moment(renewal, now)}</span>'
        f"<span>{expiry} {day(current.not_after, now)}</span></div>"
    )
    legend = (
        '<p class="legend"><i class="k now"></i> now <i class="k window"></i> renewal window '
        '<i class="k renewal"></i> planned renewal</p>'
        if with_legend
        else ""
    )
    return f'<div class="lifebox">{svg}{ends}{legend}</div>'
