"""The application, for commands that do more than tell how things stand."""

from __future__ import annotations

from certd.app import App
from certd.cli.context import existing_stores
from certd.config.settings import Settings
from certd.system.clock import SystemClock
from certd.system.journal import LoggingJournal


def app_of(settings: Settings, *, sealed: bool = False) -> App | None:
    """The application over the stores; None where certd never ran.

    Args:
        sealed: No private key is needed, so the seal's key need not be there.
    """
    stores = existing_stores(settings, sealed=sealed)
    return None if stores is None else App(settings, stores, SystemClock(), LoggingJournal())
