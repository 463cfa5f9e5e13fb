"""The continuous click probe: a job of the clockwork that looks at what is due, with bounded work."""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from certd.app import App
from certd.daemon.examining import examine_if_due
from certd.errors import CertdError
from certd.model import ClickFacts, ClickWish
from certd.planning.clicking import remembered, trouble_of
from certd.ports import Journal

EVERY = timedelta(seconds=5)
AT_ONCE = 4
AFTER_A_CRASH = timedelta(minutes=15)
MOST = 64

# Nothing new is begun after so long; a look that runs on is not waited for longer than that again.
RUN_SECONDS = 15.0

# Looks are spread: a thousand links that were added together are not looked at together for ever.
JITTER = 0.1


class ClickWatch:
    """Looks at the hosts that are due, a few at a time. Where there are more than it can do, intervals stretch."""

    def __init__(self, app: Callable[[], App], journal: Journal, stopping: Callable[[], bool] = lambda: False) -> None:
        self._app = app
        self._journal = journal
        self._stopping = stopping
        self._wanted: App | None = None
        self._lock = threading.Lock()

    def look(self) -> None:
        """One run. Never raises: the next one comes."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            self._look(self._app())
        except CertdError as error:
            self._journal.warn("the look at clicks failed", reason=str(error))
        finally:
            self._lock.release()

    def _look(self, app: App) -> None:
        now = app.clock.now()
        table = app.stores.clicks
        if self._wanted is not app:
            links = [link for link in app.settings.links if link.click_every]
            hosts = [
                (link.name, domain, link.click_every)
                for link in links
                for domain in link.spec.domains
                if not domain.startswith("*")
            ]
            table.want(hosts, now)
            self._wanted = app
        due: queue.SimpleQueue[ClickFacts] = queue.SimpleQueue()
        found = table.due(now, MOST)
        for facts in found:
            due.put(facts)
        end = time.monotonic() + RUN_SECONDS
        threads = [
            threading.Thread(target=self._work, args=(app, due, end), name=f"click-{number}", daemon=True)
            for number in range(min(AT_ONCE, len(found)))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, end + RUN_SECONDS - time.monotonic()))

    def _work(self, app: App, due: queue.SimpleQueue[ClickFacts], end: float) -> None:
        while time.monotonic() < end and not self._stopping():
            try:
                before = due.get_nowait()
            except queue.Empty:
                return
            try:
                self._one(app, before)
            except CertdError as error:
                self._journal.warn("the look at a click failed", link=before.link, reason=str(error))
            except Exception as error:
                # A thread begins here. What it stumbled over goes to the end of the row, or it would be first for ever.
                self._journal.crash("internal error", error, link=before.link, host=before.host)
                app.stores.clicks.keep(before, app.clock.now() + AFTER_A_CRASH)

    def _one(self, app: App, before: ClickFacts) -> None:
        link = app.settings.link(before.link)
        wish: ClickWish | None = None
        if link is not None:
            wish = next((each for each in app.click_wishes(link) if each.host == before.host), None)
        if link is None or wish is None:
            return
        after = remembered(before, app.clicks.way.look(wish))
        after = examine_if_due(app, link, after, app.clock.now())
        app.stores.clicks.keep(after, next_look(after, link.click_every))
        self._tell(before, after)

    def _tell(self, before: ClickFacts, after: ClickFacts) -> None:
        if before.waits_for_cname and not after.waits_for_cname:
            self._journal.say("DNS leads here", link=after.link, host=after.host)
        trouble, known = trouble_of(after), trouble_of(before)
        if trouble is not None and (known is None or known.words != trouble.words):
            self._journal.warn("a click fails", link=after.link, host=after.host, reason=trouble.words)
        if trouble is None and known is not None:
            self._journal.say("clicks are well again", link=after.link, host=after.host)


def next_look(facts: ClickFacts, every: timedelta) -> datetime:
    """When to look again: after the interval, give or take a tenth; sooner while something new is wrong."""
    assert facts.look is not None  # noqa: S101 (it has just been looked at)
    again = every / 4 if facts.failures == 1 else every
    return facts.look.at + again * random.SystemRandom().uniform(1 - JITTER, 1 + JITTER)
