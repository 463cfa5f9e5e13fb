"""Tells the other nodes what is served here. With the shared store away, or with nobody to tell, nothing is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from certd.app import App
from certd.errors import StoreError
from certd.model import Deployment

# Links read at once.
CHUNK = 500


def tell_others(app: App) -> None:
    """Every two minutes. Never raises: the next time comes."""
    if app.settings.store != "sqlite":
        with contextlib.suppress(StoreError):
            app.stores.reports.tell(_deployments(app))


def _deployments(app: App) -> Iterator[tuple[str, Deployment]]:
    links = app.settings.links
    for start in range(0, len(links), CHUNK):
        some = {link.name: link.spec.domains for link in links[start : start + CHUNK]}
        for found in app.stores.bulk_reader.deployments(some).values():
            yield from found.items()
