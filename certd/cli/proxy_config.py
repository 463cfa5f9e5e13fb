"""``certd proxy-config``."""

from __future__ import annotations

import click

from certd.app import App
from certd.cli.context import choose_links, settings_of
from certd.cli.params import LINK
from certd.config.settings import Settings
from certd.deployment.placeholders import publish_placeholders
from certd.dns.addresses import host_and_port, ip_and_port, with_port
from certd.dns.resolv_conf import read_resolv_conf
from certd.errors import UsageError
from certd.state import prepare_state, stores_of
from certd.system.clock import SystemClock
from certd.system.journal import LoggingJournal
from certd.targets.kind import ProxyKind
from certd.targets.registry import KINDS, usable_kinds
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
    given = tuple(_as_place(each) for each in resolver)
    settings = settings_of(context)
    (wanted,) = choose_links(settings, (link,))
    name = proxy or wanted.proxies[0]
    if name not in wanted.proxies:
        raise UsageError(f"{wanted.name} is not on {name}", hint=f"it is on {', '.join(wanted.proxies)}")
    table = settings.proxies[name]
    kind = KINDS[table.kind]
    if kind.configuration is None and kind.remote is None:
        written = [each.name for each in usable_kinds() if each.configuration is not None]
        raise UsageError(
            f"proxy.{name} is of kind {table.kind}; certd writes configurations for {', '.join(written)}",
            hint=f"its pointer lies in {settings.public}/proxies/{name}",
        )
    prepare_state(settings)
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
            resolvers=given or _resolvers(settings, kind),
            associations=wanted.association_files,
            may_be_plain=esp.may_be_plain if esp else False,
            forwarded_host=esp.forwarded_host if esp else False,
            ca_file=settings.network.ca_bundle or DEFAULT_BUNDLE,
        )
        return kind.configuration(site) if kind.configuration is not None else ""

    click.echo(target.own_side(wanted.name, wanted.spec.domains, write), nl=False)


def _as_place(text: str) -> str:
    """An address of ``--resolver`` with its port, IPv6 in brackets. Raises UsageError for what is not an address."""
    try:
        return with_port(*ip_and_port(text, 53))
    except ValueError as error:
        raise UsageError(f"--resolver: {error}", hint="such as 192.0.2.53 or [2001:db8::53]:5353") from error


def _resolvers(settings: Settings, kind: ProxyKind) -> tuple[str, ...]:
    """With ports, and IPv6 in brackets. A kind that need not be told looks where the system does."""
    system = read_resolv_conf().servers if kind.needs_resolvers else ()
    return tuple(with_port(*host_and_port(text, 53)) for text in settings.resolvers or system)
