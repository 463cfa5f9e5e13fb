"""What a changed configuration lifts: links whose attempts failed under another one are due at once."""

from __future__ import annotations

from certd.app import App
from certd.errors import CertdError
from certd.planning.failure import INTERRUPTIONS
from certd.planning.policies import is_configured_anew
from certd.ports import Journal


def retry_changed(app: App, journal: Journal) -> None:
    """Wake them. Never raises: each is due some time anyway."""
    if not app.settings.issue:
        return
    try:
        troubled = app.stores.lineages.troubled()
    except CertdError as error:
        journal.warn("lifting", reason=str(error))
        return
    for link in app.settings.links:
        if link.name not in troubled:
            continue
        try:
            facts = app.stores.lineages.facts(link.name)
            desired = app.desired(link.name, facts)
            if facts.attempt.kind in INTERRUPTIONS:
                app.stores.lineages.wake(f"issue:{link.name}", because="what interrupted it may be over")
            elif desired is not None and facts.attempt.kind and is_configured_anew(desired, facts.attempt):
                journal.say("tried again", link=link.name, reason="the configuration has changed since it failed")
                app.stores.lineages.wake(f"issue:{link.name}", because="the configuration has changed")
        except CertdError as error:
            journal.warn("lifting", link=link.name, reason=str(error))
