"""The process: one certd per state folder, from the lock to the last worker."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import FrameType

from certd.app import App
from certd.config.file_watch import ConfigWatch
from certd.config.names import names_refused
from certd.config.settings import Settings
from certd.control.handler import ControlHandler
from certd.control.protocol import ControlServer
from certd.control.server import listen
from certd.daemon.active_alarms import ActiveAlarms
from certd.daemon.alarm_job import AlarmJob
from certd.daemon.apply_config import apply_configuration, retry_unpublished
from certd.daemon.click_job import EVERY as CLICKS_EVERY
from certd.daemon.click_job import ClickJob
from certd.daemon.clock_jump import ClockWatch
from certd.daemon.clock_skew import compare
from certd.daemon.config_change import judge_change
from certd.daemon.copy_sync import sync
from certd.daemon.dispatcher import Dispatcher, Source
from certd.daemon.housekeeping import housekeep
from certd.daemon.issuer_failover import reroute
from certd.daemon.peer_report import tell_others
from certd.daemon.register_accounts import LOOK_EVERY as REGISTER_EVERY
from certd.daemon.register_accounts import AccountRegistrar
from certd.daemon.revocation_job import LISTS_EVERY, RevocationJob
from certd.daemon.scheduler import Scheduler
from certd.daemon.startup_timeout import extend_startup
from certd.daemon.status_page import publish_page
from certd.daemon.txt_cleanup import SWEEP_EVERY, sweep_leftovers, wake_cleanups
from certd.daemon.unpublished import Unpublished
from certd.daemon.upgrade_detect import UpgradeDetector
from certd.daemon.workers import Workers
from certd.engine import LONGEST_REST
from certd.errors import CertdError, ConfigurationError, StoreError
from certd.model import Lease
from certd.ports import Journal
from certd.state import prepare_state, stores_of
from certd.store.reports import TOLD_EVERY
from certd.store.stores import Stores
from certd.store.work import LEASE
from certd.system.clock import SystemClock
from certd.system.installed import Installed
from certd.system.lock import LOCK_FILE, StateLock
from certd.system.systemd import notify, notify_reloading, watchdog_interval
from certd.timefmt import counted
from certd.web import StepCounter, WebServer

LOCK = LOCK_FILE

# systemd gives ninety seconds, an operator's patience less.
STOP_SECONDS = 4.0
RELEASE_SECONDS = 0.5

# What stopping takes at most; until then a further signal changes nothing.
LONGEST_STOP_SECONDS = 10.0
TICK_SECONDS = 1.0

# Dispatching is re-armed at least every 15 s; a daemon that has not for so long is not alive, whatever its threads do.
DISPATCH_SECONDS = 90.0

# No action takes so long: every wait in it has its own deadline. The process ends and the next one resumes.
STUCK_SECONDS = 1200.0

# A changed configuration file is noticed as late as this; a ConfigMap takes a minute by itself.
CONFIG_SECONDS = 10.0

# How often certd looks for what an operator must hear of.
ALARMS_EVERY = timedelta(seconds=30)


class Daemon:
    """Start, serve, stop; ``certd run``, ``once`` and ``renew`` differ only in when they stop.

    Args:
        load: Reads the configuration; raises ConfigurationError.
    """

    def __init__(
        self, load: Callable[[], Settings], clock: SystemClock, journal: Journal, environment: Mapping[str, str]
    ) -> None:
        self._load = load
        self._clock = clock
        # What happens is counted on its way to the log.
        self._step_counter = StepCounter(journal)
        self._journal: Journal = self._step_counter
        self._environment = environment
        self._active_alarms = ActiveAlarms()
        self._unpublished = Unpublished(self._active_alarms, self._journal)
        replaced = UpgradeDetector(
            Installed(), self._journal, self._active_alarms, environment, lambda: self.app.settings.node, clock.stop.set
        )
        self._workers = Workers(clock, self._journal, took=self._step_counter.took, crashed=replaced.crashed)
        self._reload_lock = threading.Lock()
        self._asked_to_reload = threading.Event()
        self.app: App
        self._stores: Stores
        self._files: ConfigWatch
        self._lock: StateLock
        self._control: ControlServer
        self._scheduler: Scheduler
        self._web: WebServer | None = None
        self._stopping_since = 0.0
        self._has_signals = False
        self._alarm_job = AlarmJob(lambda: self.app, self._journal, self._active_alarms.all)

    # ------------------------------------------------------------------------------------ life

    def start(self) -> None:
        """Everything up to "ready", none of it waiting for a CA. Raises CertdError."""
        settings = self._load()
        for finding in names_refused(settings):
            # The names that are served are cared for all the same.
            self._journal.warn("the CA will refuse a name", reason=str(finding))
        self._files = ConfigWatch(settings.path, settings.matched)
        prepare_state(settings)
        self._lock = StateLock(settings.private / LOCK)
        self._lock.take()
        before = set(settings.private.glob("*.damaged-*[0-9]"))
        self._stores = stores_of(settings, repair=True)
        for aside in set(settings.private.glob("*.damaged-*[0-9]")) - before:
            self._journal.warn(
                "the store was damaged", reason=f"it lies in {aside.name} now; what is on disk is adopted"
            )
        # Whoever worked on this state folder before is gone, whatever its host was called.
        theirs = {self._stores.lineages: settings.node if settings.store != "sqlite" else "", self._stores.node: ""}
        for store, node in theirs.items():
            if broken := store.break_own_leases(node):
                self._journal.warn("resuming", count=str(broken), reason="the last certd here ended in the middle")
        self.app = App(settings, self._stores, self._clock, self._journal)
        self.app.patience = self._workers.patience
        with extend_startup(self._environment):
            apply_configuration(self.app, self._journal, self._unpublished)
        wake_cleanups(self.app, self._journal)
        self._forget_the_future()
        dispatcher = Dispatcher(self._sources(settings), self._workers, self._journal)

        def dispatch() -> datetime | None:
            sync(self.app, self._active_alarms)
            return dispatcher.dispatch()

        self._scheduler = Scheduler(dispatch)
        self._scheduler.every(LEASE / 6, "leases", self._workers.extend_leases, idle=lambda: not self._workers.busy())
        self._scheduler.every(timedelta(hours=6), "housekeeping", lambda: housekeep(self.app, self._journal))
        self._scheduler.every(SWEEP_EVERY, "values owed", lambda: wake_cleanups(self.app, self._journal))
        self._scheduler.every(ALARMS_EVERY, "rerouting", lambda: reroute(self.app, self._journal))
        self._scheduler.every(
            ALARMS_EVERY,
            "values left",
            lambda: sweep_leftovers(self.app, self._workers, self._journal),
            idle=lambda: not self.app.leftovers.links(),
        )
        self._scheduler.every(
            ALARMS_EVERY,
            "unpublished links",
            lambda: retry_unpublished(self.app, self._journal, self._unpublished),
            idle=lambda: not self._unpublished.proxies(),
        )
        self._scheduler.every(ALARMS_EVERY, "alarms", self._alarm_job.look)
        self._scheduler.every(ALARMS_EVERY, "clock", lambda: compare(self.app, self._active_alarms))
        revocations = RevocationJob(lambda: self.app, self._journal, self._active_alarms)
        self._scheduler.every(LISTS_EVERY, "revocation lists", revocations.look)
        registrar = AccountRegistrar(lambda: self.app, self._journal, self._active_alarms)
        self._scheduler.every(REGISTER_EVERY, "accounts", registrar.look, idle=registrar.is_idle)
        clicks = ClickJob(
            lambda: self.app,
            self._journal,
            self._clock.stop.is_set,
            others_wait=lambda: self._workers.has_backlog,
            alarm=self._alarm_job.look_soon,
        )
        self._scheduler.every(CLICKS_EVERY, "clicks", clicks.look)
        self._scheduler.every(TOLD_EVERY, "reports", lambda: tell_others(self.app))
        self._workers.on_finished(self._scheduler.kick)
        self._control = listen(settings, self._answering().answer, self._journal)
        self._web = publish_page(
            settings,
            lambda: self.app,
            self._scheduler,
            self._workers,
            self._step_counter,
            self._is_alive,
            lambda: self._alarm_job.trouble,
            lambda: self._alarm_job.store_trouble,
        )
        self._scheduler.start()
        notify(self._environment, READY="1", STATUS=self._status())
        count = len(settings.links)
        self._journal.say("ready", node=settings.node, links=str(count), proxies=", ".join(self.app.targets))

    def _forget_the_future(self) -> None:
        """What is due later than certd ever leaves anything was written by a clock that was ahead."""
        for store in (self._stores.lineages, self._stores.node):
            try:
                woken = store.wake_impossible(LONGEST_REST + timedelta(hours=1))
            except StoreError as error:
                self._journal.warn("rows with impossible due times stay as they are", reason=str(error))
                continue
            if woken:
                self._journal.warn(
                    "rescheduled", count=str(woken), reason="their due times were set while the clock was wrong"
                )

    def _sources(self, settings: Settings) -> list[Source]:
        def issue(lease: Lease) -> None:
            self.app.issue_engine.reconcile(lease)

        def deploy(lease: Lease) -> None:
            self.app.deploy_engine.reconcile(lease)

        sources = [Source("node", self._stores.node, deploy)]
        if settings.issue:
            sources.append(Source("shared", self._stores.lineages, issue))
        return sources

    def serve(self, until: Callable[[], bool] = lambda: False) -> None:
        """Until told to stop, or until ``until`` says so; the main thread only watches."""
        watch = ClockWatch(self._clock.now(), time.monotonic())
        interval = watchdog_interval(self._environment)
        fed, looked = 0.0, time.monotonic()
        self._take_signals()
        while not self._clock.stop.wait(TICK_SECONDS):
            if until():
                return
            jump = watch.jumped(self._clock.now(), time.monotonic())
            if jump:
                self._journal.warn("clock jumped", by=f"{jump.total_seconds():.0f} s")
                self._forget_the_future()
                self._scheduler.arm()
            if time.monotonic() - looked >= CONFIG_SECONDS:
                looked = time.monotonic()
                if self._files.has_changed():
                    self._journal.say("the configuration's files have changed")
                    self._asked_to_reload.set()
            if self._asked_to_reload.is_set():
                self._asked_to_reload.clear()
                self._reload_aloud()
            self._watch_workers()
            now = time.monotonic()
            if interval is not None and now - fed >= interval.total_seconds() / 2 and self._is_alive():
                notify(self._environment, WATCHDOG="1", STATUS=self._status())
                fed = now

    def stop(self) -> None:
        """Within five seconds, also in the middle of an order: what is remembered is enough to go on."""
        self._stopping_since = time.monotonic()
        notify(self._environment, STOPPING="1")
        self._clock.stop.set()
        self._scheduler.stop()
        self._control.stop()
        if self._web is not None:
            self._web.stop()
        drained = self._workers.drain(STOP_SECONDS)
        for responder in self.app.responders():
            responder.close()
        self.app.close()
        if drained and self._released():
            self._stores.close()
        self._lock.release()
        self._journal.say(
            "stopped", reason="" if drained else "a worker was still busy; it is resumed at the next start"
        )
        if self._has_signals:
            # As Python ends it makes handlers the default again, and a signal would become the exit code.
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)

    def _released(self) -> bool:
        """This node wants nothing any more. A database that is away is not waited for: a pod killed hard says nothing
        either, and its wishes end by themselves.
        """

        def release() -> None:
            with contextlib.suppress(StoreError):
                self._stores.specs.release()

        releasing = threading.Thread(target=release, name="release", daemon=True)
        releasing.start()
        releasing.join(RELEASE_SECONDS)
        return not releasing.is_alive()

    def kick(self) -> None:
        """Look at once for what is due."""
        self._scheduler.kick()

    # ------------------------------------------------------------------------------------ configurations

    def reload(self) -> Settings:
        """Read the configuration again; what is wrong with the new one leaves the old one in force.

        Raises:
            CertdError: why the old one stays.
        """
        with self._reload_lock:
            old = self.app.settings
            new = self._load()
            self._files.follow(new.matched)
            known = frozenset(names_refused(old))
            if refused := tuple(finding for finding in names_refused(new) if finding not in known):
                raise ConfigurationError(refused)
            judge_change(old, new)
            app = App(new, self._stores, self._clock, self._journal, before=self.app)
            kept = {id(responder) for responder in app.responders()}
            for responder in self.app.responders():
                if id(responder) not in kept:
                    responder.close()
            apply_configuration(app, self._journal, self._unpublished)
            app.take_over(self.app)
            self.app = app
            for name in app.targets:
                self._stores.node.wake(f"deploy:{name}")
            self._scheduler.kick()
            self._journal.say("configuration read again", links=str(len(new.links)))
            return new

    def _reload_aloud(self) -> None:
        notify_reloading(self._environment)
        try:
            self.reload()
        except ConfigurationError as error:
            for finding in error.findings:
                self._journal.warn("the new configuration is wrong; the old one stays", reason=finding.located())
        except CertdError as error:
            self._journal.warn("the old configuration stays", reason=str(error), hint=error.hint)
        except Exception as error:  # noqa: BLE001 - a fault in reading or taking over must not end what serves clients
            self._journal.crash("internal error; the old configuration stays", error)
        notify(self._environment, READY="1", STATUS=self._status())

    def _answering(self) -> ControlHandler:
        return ControlHandler(lambda: self.app, self.reload, self._scheduler.kick)

    # ------------------------------------------------------------------------------------ watching

    def _is_alive(self) -> bool:
        responders = self.app.responders()
        recent = time.monotonic() - self._scheduler.dispatched_at < DISPATCH_SECONDS
        return recent and all(responder.is_alive() for responder in responders)

    def _watch_workers(self) -> None:
        subject, age = self._workers.longest()
        if age > STUCK_SECONDS:
            self._journal.warn("stuck", subject=subject, reason=f"for {age:.0f} s; certd ends, the next one resumes")
            os._exit(70)

    def _status(self) -> str:
        settings = self.app.settings
        busy = sum(self._workers.busy().values())
        served = f"{counted(len(settings.links), 'link')} on {counted(len(self.app.targets), 'proxy')}"
        return f"{served}; {busy} being worked on"

    def _take_signals(self) -> None:
        """From here on signals are requests, to the end of the process: a second one must not cut short what the first
        began. Whoever is still here when stopping should be over is ended by the next one.
        """

        def stop(number: int, frame: FrameType | None) -> None:
            if not self._clock.stop.is_set():
                self._clock.stop.set()
            elif self._stopping_since and time.monotonic() - self._stopping_since > LONGEST_STOP_SECONDS:
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)

        def reload(number: int, frame: FrameType | None) -> None:
            self._asked_to_reload.set()

        for number, handler in {signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGHUP: reload}.items():
            signal.signal(number, handler)
        self._has_signals = True
