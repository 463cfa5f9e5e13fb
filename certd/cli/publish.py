"""``certd publish``: what the store has goes to where proxies read it, and that is all."""

from __future__ import annotations

import click

from certd.app import App
from certd.cli.context import settings_of
from certd.cli.output import warn
from certd.daemon.run import LOCK
from certd.deployment.placeholders import publish_placeholders
from certd.errors import CertdError, GateRefused, RowDamaged, StateTaken, StoreError, TargetError
from certd.model import Deployment
from certd.planning.deploy import is_held, strangers_better
from certd.state import prepare_state, stores_of
from certd.system.clock import SystemClock
from certd.system.journal import LoggingJournal
from certd.system.lock import StateLock


@click.command()
@click.pass_context
def publish(context: click.Context) -> int:
    """Write the certificates of the store to where the proxies read them, and exit. For an init container.

    A link without a certificate gets a placeholder, so that the proxy can start. Nothing is ordered, reloaded or
    checked; `certd run` does that. While the daemon runs there is nothing to do.

    Exit code 0: every proxy can start. 1: something could not be written.

    \b
    Examples:
      certd publish
    """
    settings = settings_of(context)
    prepare_state(settings)
    lock = StateLock(settings.private / LOCK)
    try:
        lock.take()
    except StateTaken:
        click.echo("certd is running here and has published everything")
        return 0
    try:
        stores = stores_of(settings, repair=True)
        code = publish_all(App(settings, stores, SystemClock(), LoggingJournal()))
        stores.close()
        return code
    finally:
        lock.release()


def publish_all(app: App) -> int:
    """Point every link of every proxy at the best that there is; the exit code."""
    try:
        app.adoption.adopt_missing(link.spec for link in app.settings.links)
        app.sync()
        app.sync_new()
    except StoreError as error:
        # This node's own copies are enough to start with.
        warn(f"the shared store does not answer, what this node has is published: {error}")
    code = 0
    for name, target in app.targets.items():
        failed: dict[str, CertdError] = {}
        links = {link.name: link.spec.domains for link in app.settings.links_of(name)}
        placed = publish_placeholders(target, links, app.clock, app.best_copy, failed.__setitem__)
        facts = app.stores.node.proxy_facts(name, [*app.links_on(name).items()])
        for deployment in facts.deployments:
            if deployment.link in failed:
                why = failed[deployment.link]
                warn(f"{deployment.link} on {name}: {why}" + (f" ({why.hint})" if why.hint else ""))
                click.echo(f"{deployment.link}  {name}  not published")
                code = 1
                continue
            try:
                generation = "" if is_held(facts, deployment, app.clock.now()) else _moved(app, name, deployment)
            except (TargetError, GateRefused, RowDamaged) as error:
                warn(f"{deployment.link} on {name}: {error}")
                code = 1
                continue
            said = generation or ("placeholder" if placed.get(deployment.link) else "as it was")
            click.echo(f"{deployment.link}  {name}  {said}")
    return code


def _moved(app: App, proxy: str, deployment: Deployment) -> str:
    """The generation that the pointer names now; empty where it was left. Raises GateRefused, TargetError."""
    wanted, target, now = deployment.wanted, app.targets[proxy], app.clock.now()
    if wanted is None or deployment.refused == wanted.name or strangers_better(deployment):
        return ""
    pointed = target.pointed(deployment.link)
    if pointed is not None and not pointed.placeholder and pointed.name >= wanted.name:
        return pointed.name
    certificate = app.copy_of(deployment.link, wanted.name)
    if certificate is None:
        return ""
    app.gate(certificate, deployment.domains, now)
    target.point(deployment.link, target.install(certificate))
    return wanted.name
