"""``certd proxy-config``."""

from __future__ import annotations

import time

import click

from certd.app import App
from certd.cli.context import become_owner, choose_links, settings_of
from certd.cli.params import LINK
from certd.config.settings import LinkSettings, Settings
from certd.deployment.placeholders import publish_placeholders
from certd.dns.addresses import host_and_port
from certd.dns.resolv_conf import read_resolv_conf
from certd.errors import CertdError, UsageError
from certd.model.acm import NEW, AmazonSettings
from certd.ports import Verdict
from certd.state import prepare_state, stores_of
from certd.system.clock import SystemClock
from certd.system.journal import LoggingJournal
from certd.targets.acm import ROLE, naming
from certd.targets.files_target import FilesTarget
from certd.targets.kind import ProxyKind
from certd.targets.registry import KINDS
from certd.targets.site import DEFAULT_BUNDLE, Site

# A first answer, of a machine that is busy.
COPY_DEADLINE = 20.0


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
    if table.acm is not None:
        click.echo(_at_amazon(settings, wanted, name, table.acm), nl=False)
        return
    kind = KINDS[table.kind]
    if kind.remote is not None:
        upstream = settings.esps[wanted.esp].upstream if wanted.esp in settings.esps else ""
        click.echo(f"# {', '.join(wanted.spec.domains)} on {name}: certd uploads to {kind.name}; set once:")
        click.echo("".join(f"# - {line}\n" for line in kind.remote.own_side), nl=False)
        if upstream:
            click.echo(f"# The e-mail service is {upstream}.")
        return
    if kind.configuration is None:
        written = [each.name for each in KINDS.values() if each.configuration is not None]
        raise UsageError(
            f"proxy.{name} is of kind {table.kind}; certd writes configurations for {', '.join(written)}",
            hint=f"its pointer lies in {settings.public}/proxies/{name}",
        )
    prepare_state(settings)
    become_owner(settings)
    app = App(settings, stores_of(settings), SystemClock(), LoggingJournal())
    target = app.targets[name]
    publish_placeholders(target, {wanted.name: wanted.spec.domains}, app.clock, app.best_copy)
    _see_it_copied(target, wanted.name, name)
    esp = settings.esps.get(wanted.esp)
    resolvers = resolver or _resolvers(settings, kind)
    site = Site(
        link=wanted.name,
        domains=wanted.spec.domains,
        pointer=target.pointer_path(wanted.name),
        folder=target.pointers_folder,
        upstream=esp.upstream if esp else "",
        listen=tuple(table.listen),
        proxy_protocol=table.proxy_protocol,
        resolvers=resolvers,
        associations=wanted.association_files,
        may_be_plain=esp.may_be_plain if esp else False,
        ca_file=settings.network.ca_bundle or DEFAULT_BUNDLE,
    )
    click.echo(kind.configuration(site), nl=False)


def _see_it_copied(target: FilesTarget, link: str, proxy: str) -> None:
    """Have the root helper copy a pointer that it has not copied yet: a site that includes nothing does not load.

    Raises:
        CertdError: the helper did not do it.
    """
    if target.root_copies is None or target.copied(link):
        return
    asked = target.reload()
    end = time.monotonic() + COPY_DEADLINE
    while not target.copied(link) and asked.verdict is Verdict.YES and time.monotonic() < end:
        time.sleep(0.1)
    if not target.copied(link):
        raise CertdError(
            f"the root helper did not copy {link}'s pointer to {target.pointer_path(link)}: {asked.words}",
            hint=f"systemctl enable --now certd-reload@{proxy}.path, then ask again",
        )


def _at_amazon(settings: Settings, link: LinkSettings, proxy: str, table: AmazonSettings) -> str:
    prepare_state(settings)
    become_owner(settings)
    said = table.arns.get(link.name, "")
    app = App(settings, stores_of(settings), SystemClock(), LoggingJournal())
    arn = app.remembered(proxy, link.name).name(ROLE) if said in {"", NEW} else said
    return naming(table, proxy, link.spec.domains, arn)


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
