"""``certd proxy-config``."""

from __future__ import annotations

import click

from certd.app import App
from certd.cli.opening import become_owner, chosen, settings_of
from certd.deployment import publish_placeholders
from certd.errors import UsageError
from certd.state import prepare_state, stores_of
from certd.system.clock import SystemClock
from certd.system.journal import LoggingJournal
from certd.targets.configs import WRITERS, Site


@click.command("proxy-config")
@click.argument("link")
@click.option("--proxy", metavar="NAME", default="", help="Which of the link's proxies, where it has several.")
@click.option("--resolver", multiple=True, metavar="ADDRESS", help="nginx: look the e-mail service up again by it.")
@click.pass_context
def proxy_config(context: click.Context, link: str, proxy: str, resolver: tuple[str, ...]) -> None:
    """Print the proxy's side of LINK, and see to it that the proxy can start with it."""
    settings = settings_of(context)
    (wanted,) = chosen(settings, (link,))
    name = proxy or wanted.proxies[0]
    if name not in wanted.proxies:
        raise UsageError(f"{wanted.name} is not on {name}", hint=f"it is on {', '.join(wanted.proxies)}")
    table = settings.proxies[name]
    if table.kind not in WRITERS:
        raise UsageError(
            f"proxy.{name} is of kind {table.kind}; certd writes configurations for {', '.join(WRITERS)}",
            hint=f"its pointer lies in {settings.public}/proxies/{name}",
        )
    prepare_state(settings)
    become_owner(settings)
    app = App(settings, stores_of(settings), SystemClock(), LoggingJournal())
    target = app.targets[name]
    publish_placeholders(target, {wanted.name: wanted.spec.domains}, app.clock)
    site = Site(
        link=wanted.name, domains=wanted.spec.domains, pointer=target.pointer_path(wanted.name),
        folder=target.pointers_folder, upstream=settings.upstreams.get(wanted.esp, ""), listen=tuple(table.listen),
        proxy_protocol=table.proxy_protocol, resolvers=resolver,
    )  # fmt: skip
    click.echo(WRITERS[table.kind](site), nl=False)
