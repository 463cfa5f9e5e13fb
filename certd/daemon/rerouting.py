"""What waits for an issuer that is away, and has another one, is moved to that one's lane when it is time."""

from __future__ import annotations

from certd.app import App
from certd.errors import CertdError
from certd.planning.issuers import choose_issuer
from certd.ports import Journal

MOST_AT_ONCE = 200


def reroute(app: App, journal: Journal) -> None:
    """Look once. Never raises: the next look comes."""
    if not app.settings.issue or all(len(link.spec.issuers) == 1 for link in app.settings.links):
        return
    try:
        away = app.issuers_away()
        for issuer in away:
            for subject in app.stores.lineages.waiting_in(f"issuer:{issuer}", MOST_AT_ONCE):
                link = subject.removeprefix("issue:")
                spec = app.stores.wishes.of(link)
                if spec is None:
                    continue
                chosen = choose_issuer(spec.issuers, app.stores.lineages.facts(link), app.clock.now(), away)
                if chosen != issuer:
                    journal.say("another issuer", link=link, issuer=chosen, reason=f"{issuer} is away")
                    app.stores.lineages.move(subject, f"issuer:{chosen}")
    except CertdError as error:
        journal.warn("rerouting", reason=str(error))
