"""The continuous click probe: a job of the clockwork that looks at what is due, with bounded work: so many looks a
second and examinations a minute, whatever the number of links. Where there are more, intervals stretch for all alike.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from certd.app import App
from certd.clicks.judge import click_alarm, remember_look, trouble_of
from certd.clicks.model import ClickFacts, ClickSettings
from certd.config.settings import LinkSettings
from certd.daemon.doctor_job import DoctorRounds
from certd.daemon.token_bucket import TokenBucket
from certd.errors import CertdError
from certd.planning.probe_rate import LOOKS_A_SECOND, ROOM, next_look, stretch
from certd.ports import Journal

EVERY = timedelta(seconds=5)
AT_ONCE = 4
AFTER_A_CRASH = timedelta(minutes=15)
MOST = 64

# Nothing new is begun after so long; a look that runs on is not waited for longer than that again.
RUN_SECONDS = 15.0

JITTER = 0.1


class ClickJob:
    """Looks at the hosts that are due, a few at a time.

    Args:
        others_wait: Whether more is due than there are workers for. Nothing is examined meanwhile: it takes as long as
            issuing a certificate, and at a first start its turn would come when all of them are.
        alarm: Called when a new alarm is to be told, without waiting for the next look for alarms.
        monotonic: Seconds.
    """

    def __init__(
        self,
        app: Callable[[], App],
        journal: Journal,
        stopping: Callable[[], bool] = lambda: False,
        *,
        others_wait: Callable[[], bool] = lambda: False,
        alarm: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
        rounds: DoctorRounds | None = None,
    ) -> None:
        self._app = app
        self._journal = journal
        self._stopping = stopping
        self._others_wait = others_wait
        self._alarm = alarm
        self._wanted: App | None = None
        self._lock = threading.Lock()
        self._links: dict[str, LinkSettings] = {}
        self._hosts = 0
        self._stretch = 1.0
        self._allowed = TokenBucket(LOOKS_A_SECOND * ROOM, MOST, monotonic)
        self._rounds = rounds or DoctorRounds(monotonic)

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
            self._links = {link.name: link for link in app.settings.links if link.click_every}
            hosts = [
                (link.name, domain, link.click_every)
                for link in self._links.values()
                for domain in link.spec.domains
                if not domain.startswith("*")
            ]
            self._hosts, self._stretch = len(hosts), stretch(every for _, _, every in hosts)
            table.want(hosts, now)
            self._wanted = app
        due: queue.SimpleQueue[ClickFacts] = queue.SimpleQueue()
        found = table.due(now, self._allowed.left())
        self._allowed.spend(len(found))
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
        link = self._links.get(before.link)
        desired: ClickSettings | None = None
        if link is not None:
            desired = next((each for each in app.click_settings(link) if each.host == before.host), None)
        if link is None or desired is None:
            return
        after = remember_look(before, app.clicks.way.look(desired))
        now = app.clock.now()
        if not self._others_wait():
            after = self._rounds.seen(app, link, after, self._hosts, now)
        # Looks are spread: a thousand links that were added together are not looked at together for ever.
        pause = next_look(after, link.click_every, self._stretch) * random.SystemRandom().uniform(
            1 - JITTER, 1 + JITTER
        )
        app.stores.clicks.keep(after, now + pause)
        self._tell(before, after)
        alarms = [click_alarm(facts, now, {}, link.click_every) for facts in (before, after)]
        if alarms[0] is None and alarms[1] is not None:
            self._alarm()

    def _tell(self, before: ClickFacts, after: ClickFacts) -> None:
        if before.waits_for_cname and not after.waits_for_cname:
            self._journal.say("DNS leads here", link=after.link, host=after.host)
        trouble, known = trouble_of(after), trouble_of(before)
        if trouble is not None and (known is None or known.words != trouble.words):
            self._journal.warn("a click fails", link=after.link, host=after.host, reason=trouble.words)
        if trouble is None and known is not None:
            self._journal.say("clicks are well again", link=after.link, host=after.host)
