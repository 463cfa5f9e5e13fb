"""What is answered to which path."""

from __future__ import annotations

import importlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import Any

from certd.app import App
from certd.describing import as_data
from certd.errors import CertdError
from certd.model import Level
from certd.moments import stamp
from certd.overview import Overview
from certd.planning.budgets import left_in
from certd.standing import Standing
from certd.store.history import Event
from certd.store.reports import Told
from certd.web.access import Access
from certd.web.errorpage import readable
from certd.web.exchange import HTML, JSON, Request, Response, said
from certd.web.linkpage import LinkFacts, link_page
from certd.web.listing import Listing
from certd.web.listpage import list_page
from certd.web.tally import Tally

METRICS = "text/plain; version=0.0.4; charset=utf-8"
CSS = "text/css; charset=utf-8"
JSON_VERSION = 1

# The events that a page of one link shows.
MOST_EVENTS = 40

# Answered without any store.
QUICK = frozenset({"/healthz", "/readyz", "/style.css"})


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the pages are made of.

    Attributes:
        is_alive: Dispatching goes on.
        trouble: Why nobody could be told of an alarm; empty when somebody could.
        last_pass: When due work was last looked for, epoch seconds.
        busy: Workers by lane.
    """

    app: Callable[[], App]
    overview: Overview
    is_alive: Callable[[], bool]
    trouble: Callable[[], str]
    last_pass: Callable[[], float]
    busy: Callable[[], Mapping[str, int]]

    def now(self) -> datetime:
        """Aware UTC."""
        return self.app().clock.now()

    def lanes_away(self) -> dict[str, str]:
        """Lanes that are away, with the reason."""
        stores = self.app().stores
        return {lane.lane: lane.because for store in (stores.lineages, stores.node) for lane in store.lanes()}

    def queue(self) -> Mapping[str, int]:
        """What is due and held by nobody, by lane."""
        return self.app().stores.survey.due()

    def workers(self) -> Mapping[str, int]:
        """By lane."""
        return self.busy()

    def alarms(self) -> Mapping[str, int]:
        """How many are open, by level; none is said as none."""
        told = self.app().stores.alarms.told().values()
        return {level.word: 0 for level in Level} | Counter(one.alarm.level.word for one in told)

    def budgets(self) -> Mapping[tuple[str, str, str], int]:
        """What is left of the CAs' limits that something was taken of."""
        app, now = self.app(), self.now()
        limits = {(name, limit.kind): limit for name, each in app.settings.issuers.items() for limit in each.limits}
        return {
            (issuer, kind, subject): left_in(limits[issuer, kind], spent, now)
            for issuer, kind, subject, spent in app.stores.survey.spent()
            if (issuer, kind) in limits
        }

    def trouble_of(self) -> str:
        """Why nobody could be told of an alarm."""
        return self.trouble()

    def passed_at(self) -> float:
        """Epoch seconds."""
        return self.last_pass()

    def standings(self) -> Iterable[Standing]:
        """Every link's. Raises CertdError where the store is away."""
        return self.overview.every()


class Site:
    """Requests in, answers out."""

    def __init__(self, vitals: Vitals, access: Access, tally: Tally) -> None:
        self._vitals = vitals
        self._access = access
        self._tally = tally
        self._scraping = threading.Lock()
        self._style = resources.files("certd.web").joinpath("style.css").read_bytes()

    def answer(self, request: Request) -> Response:
        """Never raises for what is asked or what a store says."""
        return readable(request, self._said(request))

    def _said(self, request: Request) -> Response:
        refused = self._access.refusal(request)
        if refused is not None:
            return refused
        try:
            return self._answer(request)
        except CertdError as error:
            return said(503, str(error))

    def _answer(self, request: Request) -> Response:
        path = request.path
        match path:
            case "/healthz":
                return self._health()
            case "/readyz":
                # Ready before the first certificate: readiness never waits for a CA.
                return said(200, "ready")
            case "/metrics":
                return Response(body=self._figures(), kind=METRICS)
            case "/style.css":
                return Response(body=self._style, kind=CSS, headers={"Cache-Control": "max-age=300"})
            case "/":
                page = list_page(self._listing(request), self._vitals.lanes_away(), self._vitals.trouble())
                return Response(body=page.encode(), kind=HTML)
            case "/links.json":
                return self._list_data(request)
        if path.startswith("/links/"):
            return self._link(path.removeprefix("/links/"))
        return said(404, "here are /, /links.json, /links/NAME, /links/NAME.json, /healthz, /readyz and /metrics")

    def _figures(self) -> bytes:
        """One scrape at a time: with many links it is megabytes. prometheus-client is imported by the first one: who
        never asks does without.
        """
        with self._scraping:
            text: bytes = importlib.import_module("certd.web.figures").exposition(self._vitals, self._tally)
            return text

    def _health(self) -> Response:
        if not self._vitals.is_alive():
            return said(503, "nothing has been dispatched for too long")
        if trouble := self._vitals.trouble():
            return said(503, f"alive, but nobody can be told of an alarm: {trouble}")
        return said(200, "alive")

    def _listing(self, request: Request) -> Listing:
        app = self._vitals.app()
        return Listing.of(self._vitals.overview, request.query, app.settings.node, self._vitals.now())

    def _list_data(self, request: Request) -> Response:
        listing = self._listing(request)
        summary = listing.summary
        return _data("links", {
            "at": stamp(listing.now),
            "node": listing.node,
            "count": len(summary.glances),
            "attention": summary.attention,
            "found": listing.found,
            "page": listing.page,
            "pages": listing.pages,
            "orphans": list(summary.orphans),
            "away": self._vitals.lanes_away(),
            "store_trouble": summary.trouble or None,
            "alarm_trouble": self._vitals.trouble() or None,
            "links": [as_data(one, listing.now) for one in listing.standings],
        })  # fmt: skip

    def _link(self, name: str) -> Response:
        """A page, or with ``.json`` behind the name its data; a link whose name ends so has a page all the same."""
        overview, now = self._vitals.overview, self._vitals.now()
        as_json = False
        found = overview.standings([name])
        if not found and name.endswith(".json"):
            as_json = True
            found = overview.standings([name.removesuffix(".json")])
        if not found:
            return said(404, "there is no such link")
        (one,) = found
        others = self._others(one.link.name)
        node = self._vitals.app().settings.node
        facts = LinkFacts(one=one, now=now, node=node, events=self._events(one.link.name), others=others)
        if as_json:
            history = [_event_data(event) for event in facts.events]
            nodes = [_told_data(told) for told in others]
            return _data("link", {**as_data(one, now), "history": history, "other_nodes": nodes})
        return Response(body=link_page(facts).encode(), kind=HTML)

    def _others(self, link: str) -> tuple[Told, ...]:
        try:
            return self._vitals.app().stores.reports.of_others([link]).get(link, ())
        except CertdError:
            return ()

    def _events(self, link: str) -> tuple[Event, ...]:
        """With the shared store away the page shows the rest."""
        try:
            return tuple(reversed(self._vitals.app().stores.history.events(link, MOST_EVENTS)))
        except CertdError:
            return ()


def _data(kind: str, body: Mapping[str, Any]) -> Response:
    text = json.dumps({"version": JSON_VERSION, "kind": kind, kind: body}, indent=1, ensure_ascii=False)
    return Response(body=text.encode(), kind=JSON)


def _told_data(told: Told) -> dict[str, Any]:
    return {
        "node": told.node, "proxy": told.proxy, "generation": told.report.generation or None,
        "served": told.report.is_verified, "good_until": stamp(told.report.good_until),
        "error": told.report.error or None, "heard_at": stamp(told.heard_at),
    }  # fmt: skip


def _event_data(event: Event) -> dict[str, Any]:
    return {
        "at": stamp(event.at), "what": event.what, "by": event.by, "because": event.because, "issuer": event.issuer,
        "fingerprint": event.fingerprint, "not_after": stamp(event.not_after),
    }  # fmt: skip
