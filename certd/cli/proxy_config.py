"""``certd proxy-config``."""

from __future__ import annotations

import click

from certd.app import App
from certd.cli.context import become_owner, choose_links, settings_of
from certd.cli.params import LINK
from certd.config.settings import Settings
from certd.deployment.placeholders import publish_placeholders
from certd.dns.addresses import host_and_port
from certd.dns.resolv_conf import read_resolv_conf
from certd.errors import UsageError
from certd.state import prepare_state, stores_of
from certd.system.clock import SystemClock
from certd.system.journal import LoggingJournal
from certd.targets.kind import ProxyKind
from certd.targets.registry import KINDS
from certd.targets.site import DEFAULT_BUNDLE, Site


@click.command("proxy-config")
@click.argument("link", type=LINK)
@click.option("--proxy", metavar="NAME", default="", help="The proxy, if the link has several.")
@click.option(
    "--resolver",
    multiple=True,
    metavar="ADDRESS",
    help="Look the e-mail service up again by it. [default: network.resolvers, else the system's]",
)
@click.pass_context
def proxy_config(context: click.Context, link: str, proxy: str, resolver: tuple[str, ...]) -> None:
    """Print the proxy's configuration for LINK, and make sure that the proxy can start with it.

    \b
    Examples:
      certd proxy-config link.example.com > /etc/nginx/conf.d/link.conf
      certd proxy-config link.example.com --proxy edge
    """
    settings = settings_of(context)
    (wanted,) = choose_links(settings, (link,))
    name = proxy or wanted.proxies[0]
    if name not in wanted.proxies:
        raise UsageError(f"{wanted.name} is not on {name}", hint=f"it is on {', '.join(wanted.proxies)}")
    table = settings.proxies[name]
    kind = KINDS[table.kind]
    if kind.configuration is None and kind.remote is None:
        written = [each.name for each in KINDS.values() if each.configuration is not None]
        raise UsageError(
            f"proxy.{name} is of kind {table.kind}; certd writes configurations for {', '.join(written)}",
            hint=f"its pointer lies in {settings.public}/proxies/{name}",
        )
    prepare_state(settings)
    become_owner(settings)
    app = App(settings, stores_of(settings), SystemClock(), LoggingJournal())
    target = app.targets[name]
    if kind.remote is None:
        publish_placeholders(target, {wanted.name: wanted.spec.domains}, app.clock, app.best_copy)

    def write(pointer: str, folder: str) -> str:
        esp = settings.esps.get(wanted.esp)
        site = Site(
            link=wanted.name,
            domains=wanted.spec.domains,
            pointer=pointer,
            folder=folder,
            upstream=esp.upstream if esp else "",
            listen=tuple(table.listen),
            proxy_protocol=table.proxy_protocol,
            resolvers=resolver or _resolvers(settings, kind),
            associations=wanted.association_files,
            may_be_plain=esp.may_be_plain if esp else False,
            ca_file=settings.network.ca_bundle or DEFAULT_BUNDLE,
        )
        return kind.configuration(site) if kind.configuration is not None else ""

    click.echo(target.own_side(wanted.name, wanted.spec.domains, write), nl=False)


def _resolvers(settings: Settings, kind: ProxyKind) -> tuple[str, ...]:
    """With ports, and IPv6 in brackets. A kind that need not be told looks where the system does."""
    found = []
    system = read_resolv_conf().servers if kind.needs_resolvers else ()
    addresses = settings.resolvers or system
    for text in addresses:
        host, port = host_and_port(text, 53)
        bare = f"[{host}]" if ":" in host else host
        found.append(f"{bare}:{port}")
    return tuple(found)
