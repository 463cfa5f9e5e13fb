"""What is swept every few hours: copies, those that are missing included, old certificates, old generations."""

from __future__ import annotations

from certd.app import App
from certd.errors import CertdError
from certd.ports import Journal
from certd.system.files import safe_name


def housekeep(app: App, journal: Journal) -> None:
    """Sweep. Never raises: the next time comes."""
    try:
        stores = app.stores
        stores.specs.set([link.spec for link in app.settings.links])
        keep: dict[str, set[str]] = {}
        for proxy, deployment in stores.node.deployments():
            names = keep.setdefault(deployment.link, set())
            if proxy in app.targets and (held := app.targets[proxy].held_elsewhere(deployment.link)):
                names.add(held)
            names |= {g.name for g in (deployment.pointed, deployment.previous, deployment.wanted) if g is not None}
        kept = {link: frozenset(names) for link, names in keep.items()}
        for link, needed in kept.items():
            stores.node.drop_copies(link, needed)
        stores.lineages.prune()
        stores.history.prune()
        wanted = {link.name for link in app.settings.links} | {*stores.specs.orphans()}
        forgotten = app.layout.links() - {safe_name(link) for link in (*wanted, *kept)}
        for gone in app.layout.sweep(kept | dict.fromkeys(forgotten, frozenset()), app.clock.now()):
            journal.say("removed an old generation", generation=gone)
        # A command with another configuration may have passed over what this one has.
        app.sync_new()
    except CertdError as error:
        journal.warn("housekeeping", reason=str(error))
