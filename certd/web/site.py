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
from certd.errors import CertdError
from certd.model import Level
from certd.planning.rate_limits import left_in
from certd.status.assess import LinkStatus
from certd.status.bulk import BulkStatus
from certd.status.render import link_data
from certd.store.history import Event
from certd.store.reports import Told
from certd.timefmt import stamp
from certd.web.access import METRICS_PATH, OPEN, Access
from certd.web.error_page import as_error_page
from certd.web.exchange import HTML, JSON, Request, Response, sentence
from certd.web.link_page import LinkFacts, link_page
from certd.web.list_page import list_page
from certd.web.listing import Listing
from certd.web.step_counter import StepCounter

METRICS = "text/plain; version=0.0.4; charset=utf-8"
CSS = "text/css; charset=utf-8"
JSON_VERSION = 1

# The events that a page of one link shows.
MOST_EVENTS = 40

# Answered without any store.
QUICK = frozenset({"/healthz", "/readyz", "/style.css"})

# Answered one at a time, by a thread of their own.
FIGURES = frozenset({METRICS_PATH})


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the pages are made of.

    Attributes:
        is_alive: Dispatching goes on.
        trouble: Why nobody could be told of an alarm; empty when somebody could.
        last_pass: When due work was last looked for, epoch seconds.
        busy: Workers by lane.
        store_trouble: Why a store cannot be written; empty when it can.
    """

    app: Callable[[], App]
    bulk_status: BulkStatus
    is_alive: Callable[[], bool]
    trouble: Callable[[], str]
    last_pass: Callable[[], float]
    busy: Callable[[], Mapping[str, int]]
    store_trouble: Callable[[], str] = lambda: ""

    def now(self) -> datetime:
        """Aware UTC."""
        return self.app().clock.now()

    def dependencies_away(self) -> dict[str, str]:
        """Lanes that are away, with the reason."""
        stores = self.app().stores
        dependencies = {
            dependency.dependency: dependency.because
            for store in (stores.lineages, stores.node)
            for dependency in store.dependencies()
        }
        return dependencies | ({"store": trouble} if (trouble := self.store_trouble()) else {})

    def queue(self) -> Mapping[str, int]:
        """What is due and held by nobody, by lane."""
        return self.app().stores.bulk_reader.due()

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
            for issuer, kind, subject, spent in app.stores.bulk_reader.spent()
            if (issuer, kind) in limits
        }

    def trouble_of(self) -> str:
        """Why nobody could be told of an alarm."""
        return self.trouble()

    def passed_at(self) -> float:
        """Epoch seconds."""
        return self.last_pass()

    def statuses(self) -> Iterable[LinkStatus]:
        """Every link's. Raises CertdError where the store is away."""
        return self.bulk_status.every()


class Site:
    """Requests in, answers out."""

    def __init__(self, vitals: Vitals, access: Access, step_counter: StepCounter) -> None:
        self._vitals = vitals
        self._access = access
        self._step_counter = step_counter
        self._scraping = threading.Lock()
        self._style = resources.files("certd.web").joinpath("style.css").read_bytes()

    def answer(self, request: Request) -> Response:
        """Never raises for what is asked or what a store says."""
        return as_error_page(request, self._said(request))

    def _said(self, request: Request) -> Response:
        refused = self._access.refusal(request)
        if refused is not None:
            return refused
        try:
            return self._answer(request)
        except CertdError as error:
            # Who may see no page is told no more than which part is unwell.
            return sentence(503, "the store is away; the log says why" if request.path in OPEN else str(error))

    def _answer(self, request: Request) -> Response:
        path = request.path
        match path:
            case "/healthz":
                return self._health()
            case "/readyz":
                # Ready before the first certificate: readiness never waits for a CA.
                # But what it orders or deploys must be remembered.
                if self._vitals.store_trouble():
                    return sentence(503, "not ready: a store cannot be written")
                return sentence(200, "ready")
            case "/metrics":
                return Response(body=self._figures(), kind=METRICS)
            case "/style.css":
                return Response(body=self._style, kind=CSS, headers={"Cache-Control": "max-age=300"})
            case "/":
                page = list_page(self._listing(request), self._vitals.dependencies_away(), self._vitals.trouble())
                return Response(body=page.encode(), kind=HTML)
            case "/links.json":
                return self._list_data(request)
        if path.startswith("/links/"):
            return self._link(path.removeprefix("/links/"))
        return sentence(404, "here are /, /links.json, /links/NAME, /links/NAME.json, /healthz, /readyz and /metrics")

    def _figures(self) -> bytes:
        """One scrape at a time: with many links it is megabytes. prometheus-client is imported by the first one: who
        never asks does without.
        """
        with self._scraping:
            text: bytes = importlib.import_module("certd.web.metrics").exposition(self._vitals, self._step_counter)
            return text

    def _health(self) -> Response:
        if not self._vitals.is_alive():
            return sentence(503, "nothing has been dispatched for too long")
        if self._vitals.store_trouble():
            return sentence(503, "alive, but a store cannot be written")
        if self._vitals.trouble():
            return sentence(503, "alive, but nobody can be told of an alarm")
        return sentence(200, "alive")

    def _listing(self, request: Request) -> Listing:
        app = self._vitals.app()
        return Listing.of(self._vitals.bulk_status, request.query, app.settings.node, self._vitals.now())

    def _list_data(self, request: Request) -> Response:
        listing = self._listing(request)
        summary = listing.summary
        return _data(
            "links",
            {
                "at": stamp(listing.now),
                "node": listing.node,
                "count": len(summary.summaries),
                "attention": summary.attention,
                "found": listing.found,
                "page": listing.page,
                "pages": listing.pages,
                "orphans": list(summary.orphans),
                "away": self._vitals.dependencies_away(),
                "store_trouble": summary.trouble or None,
                "alarm_trouble": self._vitals.trouble() or None,
                "links": [link_data(one, listing.now) for one in listing.statuses],
            },
        )

    def _link(self, name: str) -> Response:
        """A page, or with ``.json`` behind the name its data; a link whose name ends so has a page all the same."""
        bulk_status, now = self._vitals.bulk_status, self._vitals.now()
        as_json = False
        found = bulk_status.statuses([name])
        if not found and name.endswith(".json"):
            as_json = True
            found = bulk_status.statuses([name.removesuffix(".json")])
        if not found:
            return sentence(404, "there is no such link")
        (one,) = found
        others = self._others(one.link.name)
        node = self._vitals.app().settings.node
        facts = LinkFacts(one=one, now=now, node=node, events=self._events(one.link.name), others=others)
        if as_json:
            history = [_event_data(event) for event in facts.events]
            nodes = [_told_data(told) for told in others]
            return _data("link", {**link_data(one, now), "history": history, "other_nodes": nodes})
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
        "node": told.node,
        "proxy": told.proxy,
        "generation": told.report.generation or None,
        "served": told.report.is_verified,
        "good_until": stamp(told.report.good_until),
        "error": told.report.error or None,
        "heard_at": stamp(told.heard_at),
    }


def _event_data(event: Event) -> dict[str, Any]:
    return {
        "at": stamp(event.at),
        "what": event.what,
        "by": event.by,
        "because": event.because,
        "issuer": event.issuer,
        "fingerprint": event.fingerprint,
        "not_after": stamp(event.not_after),
    }
