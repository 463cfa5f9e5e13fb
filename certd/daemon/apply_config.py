"""Makes true what a configuration wants as far as that goes without any CA: wishes, rows, copies, pointers that a proxy
can start with, responders that listen.
"""

from __future__ import annotations

from dataclasses import replace

from certd.app import App
from certd.daemon.active_alarms import ActiveAlarms
from certd.daemon.retry_on_change import retry_changed
from certd.daemon.unpublished import Unpublished
from certd.deployment.placeholders import publish_placeholders
from certd.errors import CertdError, DnsUnreachable
from certd.model import Deployment, ProxyFacts, Rank
from certd.planning.deploy import MOST_AT_ONCE
from certd.ports import Journal, ProxyTarget
from certd.store.stores import RESTORED


def apply_configuration(app: App, journal: Journal, unpublished: Unpublished | None = None) -> None:
    """Do so. What cannot be published or listened on is said and left to the next look.

    Args:
        unpublished: Remembers the links that failed, for alarms and another try.

    Raises:
        StoreError: the store does not answer.
    """
    store_specs(app, journal)
    specs = [link.spec for link in app.settings.links]
    restored = app.settings.private / RESTORED
    if restored.exists():
        app.adoption.adopt_newer(specs)
        try:
            restored.unlink()
        except OSError as error:
            journal.warn("not removed", reason=f"{restored}: {error.strerror}; the next start adopts once more")
    else:
        app.adoption.adopt_missing(specs)
    app.sync()
    app.sync_new()
    unpublished = unpublished or Unpublished(ActiveAlarms(), journal)
    unpublished.keep_only(app.targets)
    for name, target in app.targets.items():
        settle_pointers(app, name, target, journal, unpublished)
    for responder in app.responders():
        try:
            responder.start()
        except DnsUnreachable as error:
            journal.warn("the responder does not listen", dns=responder.name, reason=str(error), hint=error.hint)
    retry_changed(app, journal)


def store_specs(app: App, journal: Journal) -> None:
    """Wishes are stored once, with who set them (design.md, Facts, not nodes)."""
    change = app.stores.specs.set([link.spec for link in app.settings.links])
    for link, node in (change.disagree or {}).items():
        journal.warn(
            "another node has a different configuration for this link; using that node's", link=link, node=node
        )
    for link in change.orphaned:
        journal.warn("orphan", link=link, reason="it is in the configuration no more; `certd forget` drops it")


def settle_pointers(app: App, name: str, target: ProxyTarget, journal: Journal, unpublished: Unpublished) -> None:
    """What the disk says of pointers counts, not what is remembered; what has none gets a placeholder."""
    failed = publish_pointers(app, name, target, journal, unpublished)
    node = app.stores.node
    node.ensure(f"deploy:{name}", f"proxy:{name}", Rank.RENEWAL)
    for lease in node.claim(limit=1, subject=f"deploy:{name}"):
        wanted = [*app.links_on(name).items()]
        for start in range(0, len(wanted), MOST_AT_ONCE):
            facts = node.proxy_facts(name, wanted[start : start + MOST_AT_ONCE])
            deployments = (unproven(one, target) for one in facts.deployments)
            facts = replace(facts, deployments=tuple(with_error(one, failed.get(one.link)) for one in deployments))
            node.keep(lease, facts)
            adopt_pointed(app, facts)
        node.release(lease, due=app.clock.now(), rank=Rank.RENEWAL, because="just started")


def publish_pointers(
    app: App, name: str, target: ProxyTarget, journal: Journal, unpublished: Unpublished
) -> dict[str, CertdError]:
    """Publish what the proxy can start with for each of its links that has nothing; returns the links that failed."""
    failed: dict[str, CertdError] = {}
    wanted = {link.name: link.spec.domains for link in app.settings.links_of(name)}
    for link, is_placeholder in publish_placeholders(
        target, wanted, app.clock, app.best_copy, failed.__setitem__
    ).items():
        if is_placeholder:
            journal.say("placeholder", link=link, proxy=name, reason="so that the proxy can start")
        else:
            journal.warn("damaged", link=link, proxy=name, reason="its pointer named nothing readable; written again")
    unpublished.note(name, failed, {link.name: link.spec.labels for link in app.settings.links_of(name)})
    return failed


def retry_unpublished(app: App, journal: Journal, unpublished: Unpublished) -> None:
    """Try the proxies again on which something could not be published. Never raises: the next time comes."""
    for name in unpublished.proxies():
        try:
            if name in app.targets:
                settle_pointers(app, name, app.targets[name], journal, unpublished)
        except CertdError as error:
            journal.warn("cannot publish", proxy=name, reason=str(error), hint=error.hint)


def with_error(deployment: Deployment, error: CertdError | None) -> Deployment:
    """With the reason why nothing could be published for it."""
    return deployment if error is None else replace(deployment, error=str(error), hint=error.hint)


def adopt_pointed(app: App, facts: ProxyFacts) -> None:
    """A store whose file somebody put back from an old copy, without `certd restore`, takes in what a pointer names and
    it does not know: the older one that it knows must not take that one's place, and none is to be bought.
    """
    links = (app.settings.link(one.link) for one in facts.deployments if is_newer_than_known(one))
    if app.adoption.adopt_newer(link.spec for link in links if link is not None):
        app.sync()


def is_newer_than_known(deployment: Deployment) -> bool:
    """Whether the pointer names a certificate that this node has no copy of, and that ends later than any it has."""
    pointed, wanted = deployment.pointed, deployment.wanted
    if pointed is None or wanted is None or pointed.placeholder:
        return False
    return pointed.fingerprint not in deployment.ours and pointed.not_after > wanted.not_after


def unproven(deployment: Deployment, target: ProxyTarget) -> Deployment:
    """With what its pointer names now, and to be looked at: much may have happened since the last look."""
    pointed = target.pointed(deployment.link)
    known = deployment.pointed
    if pointed is not None and (known is None or known.name != pointed.name):
        deployment = replace(deployment, pointed=pointed, served="")
    deployment = replace(deployment, looked_at=None)
    if not deployment.refused:
        # What failed is tried again at once; what clients felt is not.
        deployment = replace(deployment, try_at=None, failures=0, error="", hint="")
    return deployment
