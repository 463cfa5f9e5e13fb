"""``certd forget``."""

from __future__ import annotations

from collections.abc import Mapping

import click

from certd.app import App
from certd.cli.application import app_of
from certd.cli.consent import consent
from certd.cli.context import by_of, settings_of
from certd.cli.params import LINK
from certd.config.domain_name import as_domain
from certd.errors import UsageError
from certd.model import Deployment, Health


@click.command()
@click.argument("link", type=LINK)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def forget(context: click.Context, link: str, yes: bool) -> None:
    """Delete everything about a link that was removed from the configuration. Refused while a proxy still serves its
    certificate.

    \b
    Examples:
      certd forget old.example.com
      certd forget old.example.com --yes
    """
    settings = settings_of(context)
    if settings.link(link) is not None:
        raise UsageError(f"{link} is in the configuration", hint="take it out there first, then reload")
    app = app_of(settings, sealed=True)
    orphans = app.stores.specs.orphans() if app is not None else ()
    link = link if link in orphans else as_domain(link)
    if app is None or link not in orphans:
        raise UsageError(f"{link} is no orphan", hint="see `certd status`")
    consent(f"Forget {link}, its certificates and their keys?", yes=yes)
    placed = {proxy: deployment for proxy, deployment in app.stores.node.deployments() if deployment.link == link}
    refuse_served(app, placed)
    # Nothing is taken from one proxy while another one still needs it.
    left: tuple[str, ...] = ()
    for proxy in placed:
        if proxy in app.targets:
            left += app.targets[proxy].forget(link)
    app.stores.node.forget(link)
    app.stores.lineages.forget(link, by=by_of(context))
    click.echo(f"{link}: forgotten; its files are removed when they are a week old")
    for each in left:
        click.echo(f"left there, for you to remove: {each}")


def refuse_served(app: App, placed: Mapping[str, Deployment]) -> None:
    """By proxy, what a link has there. One that stands in no file any more may be here under another name. Raises
    UsageError where an endpoint still serves it.
    """
    for proxy, deployment in placed.items():
        domain = deployment.domains[0].replace("*", "certd-probe")
        for name in [proxy] if proxy in app.targets else app.targets:
            for observation in app.rollout(name).prober.look(app.targets[name].endpoints, domain):
                if observation.health is not Health.BLIND and observation.fingerprint in deployment.ours:
                    raise UsageError(
                        f"{deployment.link}: {observation.address} still serves it",
                        hint=f"take it out of {name}'s configuration first",
                    )
