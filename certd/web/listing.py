"""Which links a list shows: searched, filtered, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from certd.status.assess import LinkStatus, State
from certd.status.bulk import BulkStatus, LinkSummary, Summary

PAGE = 25
MOST_QUERY = 200

FILTERS = {"": "all", "attention": "need attention", "served": "served", "pending": "pending", "failed": "failed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One page of a list.

    Attributes:
        text: What is searched for, in names, domains and labels.
        state: A word of ``FILTERS``.
        label: ``name=value`` that a link must carry.
        found: How many links match; ``standings`` are those of this page.
    """

    summary: Summary
    text: str
    state: str
    label: str
    page: int
    pages: int
    found: int
    statuses: list[LinkStatus]
    node: str
    now: datetime

    @staticmethod
    def of(bulk_status: BulkStatus, query: Mapping[str, str], node: str, now: datetime) -> Listing:
        """What a query asks for; a word that is not known is as if it were not there."""
        summary = bulk_status.summary()
        text = query.get("q", "")[:MOST_QUERY].strip()
        state = query.get("state", "") if query.get("state", "") in FILTERS else ""
        label = query.get("label", "")[:MOST_QUERY]
        found = [
            glance
            for glance in summary.summaries
            if glance.matches(text.lower()) and _is_in(glance, state) and _carries(glance, label)
        ]
        pages = max(1, -(-len(found) // PAGE))
        asked = query.get("page", "1")
        page = min(max(1, int(asked)), pages) if asked.isdecimal() and len(asked) < 9 else 1
        names = [glance.name for glance in found[(page - 1) * PAGE : page * PAGE]]
        return Listing(
            summary=summary,
            text=text,
            state=state,
            label=label,
            page=page,
            pages=pages,
            found=len(found),
            statuses=bulk_status.statuses(names),
            node=node,
            now=now,
        )

    def address(self, path: str = "/", **changes: str) -> str:
        """The address of this list with something changed."""
        said = {"q": self.text, "state": self.state, "label": self.label} | changes
        kept = {name: value for name, value in said.items() if value}
        return path + (f"?{urlencode(kept)}" if kept else "")

    def count(self, state: str) -> int:
        """How many of all links are in a state."""
        return sum(_is_in(glance, state) for glance in self.summary.summaries)


def _is_in(glance: LinkSummary, state: str) -> bool:
    match state:
        case "":
            return True
        case "attention":
            return glance.attention
        case _:
            return glance.state is State(state)


def _carries(glance: LinkSummary, label: str) -> bool:
    name, _, value = label.partition("=")
    return not label or glance.labels.get(name) == value
