"""Puts the status page on its address."""

from __future__ import annotations

import time
from collections.abc import Callable

from certd.app import App
from certd.config.settings import Settings
from certd.daemon.scheduler import Scheduler
from certd.daemon.workers import Workers
from certd.errors import CertdError
from certd.status.bulk import BulkStatus
from certd.web import Access, Site, StepCounter, Vitals, WebServer
from certd.web.site import FIGURES, QUICK


def publish_page(
    settings: Settings,
    app: Callable[[], App],
    clockwork: Scheduler,
    workers: Workers,
    step_counter: StepCounter,
    is_alive: Callable[[], bool],
    trouble: Callable[[], str],
    store_trouble: Callable[[], str],
) -> WebServer | None:
    """Listen; where that cannot be, say so: certificates are kept alive without it."""
    if not settings.listen:
        return None
    reference = settings.listen_password
    metrics_reference = settings.metrics_password
    access = Access(
        (lambda: app().secret(reference)) if reference else None,
        (lambda: app().secret(metrics_reference)) if metrics_reference else None,
    )

    def last_pass() -> float:
        return time.time() - (time.monotonic() - clockwork.dispatched_at)

    vitals = Vitals(
        app=app,
        bulk_status=BulkStatus(app),
        is_alive=is_alive,
        trouble=trouble,
        last_pass=last_pass,
        busy=workers.busy,
        store_trouble=store_trouble,
    )
    site = Site(vitals, access, step_counter)
    server = WebServer(
        settings.listen,
        site.answer,
        quick=QUICK.__contains__,
        is_figures=FIGURES.__contains__,
        journal=step_counter,
    )
    try:
        server.start()
    except CertdError as error:
        step_counter.warn("no status over HTTP", reason=str(error), hint=error.hint)
        return None
    return server
