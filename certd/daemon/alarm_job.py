"""Looks for what an operator must hear of, and tells it: one alarm per cause, repeated daily, closed at its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from certd.alarms import Channel
from certd.app import App
from certd.clicks.judge import all_check_alarms, click_alarm
from certd.errors import AlarmFailed, CertdError, EgressFailed, RowDamaged, SealBroken, StoreAway, StoreError
from certd.model import Alarm, Desired, Level, LineageFacts, Notice, ToldAlarm
from certd.model.address import host_of
from certd.planning.alarms import (
    CHANNEL,
    channel_alarm,
    cleanup_alarm,
    dependency_alarm,
    deploy_alarm,
    issue_alarm,
    notices,
    orphan_alarm,
)
from certd.planning.issue import plan_issue
from certd.planning.rehearsal import rehearsal_alarm
from certd.ports import Journal
from certd.status.assess import deployments_of
from certd.store.write_check import check_writing

PING_SECONDS = 20.0

# What the doctor found at more hosts than this is read again after so long, not at each look: with ten thousand that
# takes half a second of a processor.
MANY = 200
FOUND_EVERY = timedelta(minutes=10)

# What stands in the shared store; while that is away, what was known stays.
OF_THE_STORE = ("issue:", "orphan:", "owed:", "rehearsal:")


# How the cause of a store that cannot be written begins.
STUCK = "unwritable:"


class AlarmJob:
    """One look at a time.

    Args:
        more: What others found wrong.

    Attributes:
        trouble: Why the last notice did not get through on any channel; empty when it did. Makes health red.
        store_trouble: Why a store cannot be written; empty when it can. Makes health red.
    """

    def __init__(self, app: Callable[[], App], journal: Journal, more: Callable[[], list[Alarm]] = list) -> None:
        self._app = app
        self._more = more
        self._journal = journal
        self._lock = threading.Lock()
        self._found: list[Alarm] = []
        self._found_in: App | None = None
        self._found_at = 0.0
        self.trouble = ""
        # Why a store cannot be written; makes health red.
        self.store_trouble = ""
        # What was told, where the store could not take it; None: the store has it.
        self._unkept: dict[str, ToldAlarm] | None = None
        self._locked: set[str] = set()
        # Channels that did not take the last notice, with the reason; None until it was read what was told of them.
        self._silent: dict[str, str] | None = None

    def look_soon(self) -> None:
        """Look now, beside whoever asks for it: telling somebody may take long."""
        threading.Thread(target=self.look, name="alarms-now", daemon=True).start()

    def look(self) -> None:
        """Look, tell, remember. Never raises: the next look comes.

        A store that cannot be written, or not even read, keeps nobody from being told: what was told is then
        remembered in memory.
        """
        with self._lock:
            app = self._app()
            stuck = self._stuck_stores(app)
            self.store_trouble = "; ".join(alarm.words for alarm in stuck)
            try:
                now = app.clock.now()
                told = self._told_before(app, is_stuck=bool(stuck))
                found = {
                    alarm.cause: alarm for alarm in [*self._found_now(app, told, now, is_stuck=bool(stuck)), *stuck]
                }
                tell, books = notices(told, [*found.values(), *self._of_channels(app.alarm_routes.channels, told)], now)
                # What nobody could be told of is told at the next look.
                failed = {each.alarm.cause for each in tell if not self._told(app.alarm_routes.of(each.alarm), each)}
                before = [known for cause, known in told.items() if cause in failed]
                self._keep(app, [one for one in books if one.alarm.cause not in failed] + before)
                if not stuck:
                    self._ping(app)
            except CertdError as error:
                self._journal.warn("the look for alarms failed", reason=str(error))

    def _stuck_stores(self, app: App) -> list[Alarm]:
        """An alarm for each store that answers and cannot be written. One that another program has locked is written
        to again at the next look, and a shared one that does not answer has an alarm of its own.
        """
        found, locked = [], set()
        for name, database in app.stores.databases().items():
            try:
                check_writing(database)
            except StoreAway as error:
                locked.add(name)
                if database is app.stores.own and name in self._locked:
                    found.append(_stuck_alarm(name, error))
            except StoreError as error:
                found.append(_stuck_alarm(name, error))
        self._locked = locked
        return found

    def _told_before(self, app: App, *, is_stuck: bool) -> dict[str, ToldAlarm]:
        """From memory where the last look could not write it down."""
        if self._unkept is not None:
            return self._unkept
        try:
            return app.stores.alarms.told()
        except StoreError:
            if not is_stuck:
                raise
            return {}

    def _found_now(self, app: App, told: Mapping[str, ToldAlarm], now: datetime, *, is_stuck: bool) -> list[Alarm]:
        """What is wrong. Where a store that cannot be written keeps this from being found, what was known stands."""
        try:
            return [*alarms_of(app, told, now), *self._checks(app), *self._more()]
        except CertdError as error:
            if not is_stuck:
                raise
            self._journal.warn("the look for alarms failed", reason=str(error))
            return [*(known.alarm for cause, known in told.items() if not cause.startswith(STUCK)), *self._more()]

    def _keep(self, app: App, books: Sequence[ToldAlarm]) -> None:
        try:
            app.stores.alarms.keep(books)
            self._unkept = None
        except StoreError as error:
            self._unkept = {one.alarm.cause: one for one in books}
            self._journal.warn("what was told is remembered in memory only", reason=str(error))

    def _checks(self, app: App) -> list[Alarm]:
        """What the doctor's checks found wrong twice."""
        is_fresh = self._found_in is app and time.monotonic() - self._found_at < FOUND_EVERY.total_seconds()
        if not is_fresh or app.stores.clicks.amiss() <= MANY:
            labels = {link.name: link.spec.labels for link in app.settings.links}
            rows = app.stores.clicks.with_findings()
            self._found = all_check_alarms((facts, labels[facts.link]) for facts in rows if facts.link in labels)
            self._found_in, self._found_at = app, time.monotonic()
        return self._found

    def _of_channels(self, channels: Sequence[Channel], told: Mapping[str, ToldAlarm]) -> list[Alarm]:
        """Those that are silent while another one is not; where all are, what was told of one still stands."""
        if self._silent is None:
            causes = {cause: known for cause, known in told.items() if cause.startswith(CHANNEL)}
            self._silent = {cause.removeprefix(CHANNEL): known.alarm.words for cause, known in causes.items()}
        names = {channel.name for channel in channels}
        self._silent = {name: why for name, why in self._silent.items() if name in names}
        some = len(self._silent) < len(names)
        return [channel_alarm(name, why) for name, why in self._silent.items() if some or f"{CHANNEL}{name}" in told]

    def _told(self, channels: Sequence[Channel], notice: Notice) -> bool:
        """By every channel; True when one at least took it, or where there is none but the log."""
        say = self._journal.say if notice.is_over else self._journal.warn
        state = "over" if notice.is_over else notice.alarm.level.word
        say("alarm", cause=notice.alarm.cause, state=state, reason=notice.alarm.words)
        troubles = []
        silent = self._silent if self._silent is not None else {}
        for channel in channels:
            try:
                channel.tell(notice)
                silent.pop(channel.name, None)
            except AlarmFailed as error:
                troubles.append(str(error))
                silent[channel.name] = str(error)
                self._journal.warn("nobody was told", channel=channel.name, reason=str(error))
        if not channels:
            return True
        self.trouble = "; ".join(troubles) if len(troubles) == len(channels) else ""
        return len(troubles) < len(channels)

    def _ping(self, app: App) -> None:
        """The dead man's switch: whoever waits for this hears of it when certd does not look any more."""
        if not app.settings.alarms.ping:
            return
        url = app.secret_or_text(app.settings.alarms.ping.reveal())
        try:
            app.egress.send("GET", url, deadline=PING_SECONDS)
        except EgressFailed as error:
            self._journal.warn("the ping did not get through", reason=f"{host_of(url)}: {error}")


def _stuck_alarm(name: str, error: StoreError) -> Alarm:
    return Alarm(
        cause=f"{STUCK}{name}",
        level=Level.WARNING,
        subject=name,
        words=f"{name} cannot be written: {error}",
        hint=error.hint or "free some space, or make its file system writable again",
        next_step="no certificate is ordered or deployed until it can be written; certd tries again every 30 seconds",
    )


def alarms_of(app: App, told: Mapping[str, ToldAlarm], now: datetime) -> list[Alarm]:
    """Everything that is wrong at present. With the shared store away, what was known of its links stands."""
    found: list[Alarm | None] = []
    dependencies = [*app.stores.node.dependencies()]
    troubled = app.stores.node.troubled()
    try:
        found += _issuing(app, told, now)
        if app.settings.issue:
            found += _left_over(app, now)
            dependencies += app.stores.lineages.dependencies()
    except (StoreAway, SealBroken) as error:
        found += [known.alarm for cause, known in told.items() if cause.startswith(OF_THE_STORE)]
        words, hint = str(error), error.hint
        next_step = "deploying and looking go on; nothing is ordered, and nothing newer comes here, until it is back"
        subject = "the shared store"
        away = Alarm(cause="store", level=Level.WARNING, subject=subject, words=words, hint=hint, next_step=next_step)
        found.append(away)
    for link in app.settings.links:
        if link.name in troubled:
            found += [
                deploy_alarm(proxy, deployment, now, link.spec.labels)
                for proxy, deployment in deployments_of(app, link)
            ]
    by_name = {link.name: link for link in app.settings.links}
    for facts in app.stores.clicks.troubled():
        if facts.link in by_name:
            known = by_name[facts.link]
            found.append(click_alarm(facts, now, known.spec.labels, known.click_every))
    found += [
        dependency_alarm(dependency.dependency, dependency.because, dependency.away_since, dependency.probe_at, now)
        for dependency in dependencies
    ]
    return [alarm for alarm in found if alarm is not None]


def _issuing(app: App, told: Mapping[str, ToldAlarm], now: datetime) -> list[Alarm | None]:
    """On a node that only deploys nothing but what will end here soon: those that issue say the rest. They may be gone,
    and what is served well until its end is nothing that a look at it finds wrong.
    """
    found: list[Alarm | None] = []
    troubled = app.stores.lineages.troubled()
    for link in app.settings.links:
        if link.name in troubled:
            facts = _facts(app, link.name)
            if facts is None:
                found += [
                    told[cause].alarm for cause in (f"issue:{link.name}", f"rehearsal:{link.name}") if cause in told
                ]
                continue
            desired = _desired(app, facts)
            action = plan_issue(desired, facts, now) if desired is not None else None
            found.append(issue_alarm(facts, action, now, link.spec.labels))
            found.append(rehearsal_alarm(facts, now, link.spec.labels))
    if app.settings.issue:
        return found
    return [alarm for alarm in found if alarm is not None and alarm.level >= Level.PAGE]


def _left_over(app: App, now: datetime) -> list[Alarm | None]:
    """Orphans, and TXT values that are still to be removed."""
    found: list[Alarm | None] = []
    orphans = (_facts(app, link) for link in app.stores.specs.orphans())
    found += [orphan_alarm(facts, now) for facts in orphans if facts is not None]
    unclean = (_facts(app, link) for link in app.stores.lineages.with_cleanups())
    found += [cleanup_alarm(facts, now) for facts in unclean if facts is not None]
    return found


def _facts(app: App, link: str) -> LineageFacts | None:
    """None where a row cannot be read: whoever takes the lineage repairs it, now and not when it is due, and what was
    known of it stands until then.
    """
    try:
        return app.stores.lineages.facts(link)
    except RowDamaged as error:
        app.stores.lineages.wake(f"issue:{link}", because=str(error))
        return None


def _desired(app: App, facts: LineageFacts) -> Desired | None:
    """None where another node wants it by an issuer that this one does not know."""
    try:
        return app.desired(facts.link, facts)
    except StoreAway:
        raise
    except CertdError:
        return None
