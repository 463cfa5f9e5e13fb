"""What waits for an issuer that is away, and has another one, is moved to that one's lane when it is time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from certd.app import App
from certd.errors import CertdError, RowDamaged
from certd.planning.issuers import choose_issuer
from certd.ports import Journal

MOST_AT_ONCE = 200
MOST_WAITING = 20_000


def reroute(app: App, journal: Journal) -> None:
    """Look once. Never raises: the next look comes."""
    several = {link.spec.subject for link in app.settings.links if len(link.spec.issuers) > 1}
    if not app.settings.issue or not several:
        return
    try:
        away = app.issuers_away()
        for issuer in away:
            waiting = app.stores.lineages.waiting_in(f"issuer:{issuer}", MOST_WAITING)
            # However many wait that have no other one.
            for subject in [each for each in waiting if each in several][:MOST_AT_ONCE]:
                _turn(app, journal, subject, issuer, away)
    except CertdError as error:
        journal.warn("rerouting", reason=str(error))


def _turn(app: App, journal: Journal, subject: str, issuer: str, away: Mapping[str, datetime]) -> None:
    link = subject.removeprefix("issue:")
    spec = app.stores.specs.of(link)
    if spec is None:
        return
    try:
        chosen = choose_issuer(spec.issuers, app.stores.lineages.facts(link), app.clock.now(), away)
    except RowDamaged:
        # Whoever takes it repairs it first.
        return
    if chosen != issuer:
        journal.say("another issuer", link=link, issuer=chosen, reason=f"{issuer} is away")
        app.stores.lineages.move(subject, f"issuer:{chosen}")
