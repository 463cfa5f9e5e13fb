"""``certd init``: asks, or takes options, writes a configuration, and says which records to set."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from certd.cli.context import path_of, settings_of
from certd.cli.dns import provider_of
from certd.cli.foreign import write_new
from certd.cli.init_template import (
    TERMS,
    InitAnswers,
    configuration_text,
    installed_proxies,
    next_steps,
    own_address,
    provider_kind,
    records_to_set,
)
from certd.cli.output import warn
from certd.config.esp_presets import PRESETS as ESPS
from certd.config.types import domain as as_domain
from certd.dns.addresses import is_address
from certd.dns.names import is_plain
from certd.dns.registry import LEXICON, PROVIDERS
from certd.dns.request import request_for
from certd.errors import UsageError
from certd.targets.registry import KINDS, wrong_with_kind


@click.command()
@click.option(
    "--domain",
    "domains",
    multiple=True,
    metavar="NAME",
    help="The link domain. Repeat it for one certificate with several names.",
)
@click.option("--proxy", metavar="KIND", help=f"One of {', '.join(KINDS)}. Default: what is installed.")
@click.option("--dns", metavar="PROVIDER", help=f"One of {', '.join(PROVIDERS)}, {LEXICON}<vendor>.")
@click.option("--esp", metavar="SERVICE", help=f"Who sends the mails: {', '.join(ESPS)}, none.")
@click.option("--address", metavar="ADDRESS", help="With --dns responder: this machine's public address.")
@click.option("--zone", metavar="ZONE", help="With --dns responder: the zone it answers for. Default: acme.<domain>.")
@click.option("--agree-terms", is_flag=True, help=f"You agree to Let's Encrypt's terms: {TERMS}")
@click.pass_context
def init(
    context: click.Context,
    domains: tuple[str, ...],
    proxy: str | None,
    dns: str | None,
    esp: str | None,
    address: str | None,
    zone: str | None,
    agree_terms: bool,
) -> None:
    """Write a commented configuration, and print the DNS records to set. An existing file is never overwritten.

    On a terminal certd asks for what the options do not give. Without a terminal it takes the defaults.

    \b
    Examples:
      certd init
      certd init --domain link.example.com --esp sendgrid --agree-terms
      certd --config ./try.toml init --domain link.example.com --dns rfc2136 --proxy haproxy --agree-terms
    """
    path = path_of(context)
    if path.exists():
        raise UsageError(f"{path} is there already", hint="name another with --config; nothing is overwritten")
    asks = sys.stdin.isatty()
    here = installed_proxies()
    names = tuple(check_domains(name) for name in domains) or ask_domains(asks)
    kind = proxy or ask_or_default(asks, "Which proxy ends TLS for it", here[0] if here else "nginx")
    way = dns or ask_or_default(
        asks, "How do TXT records get into its DNS (responder: certd answers itself)", "responder"
    )
    service = esp or ask_or_default(asks, "Which e-mail service do clicks go to", "none")
    check_words(kind, way, service)
    if address and not is_address(address):
        raise UsageError(f'--address: "{address}" is not an IP address', hint="such as 192.0.2.10")
    if zone and not is_plain(zone.lower().rstrip(".")):
        raise UsageError(f'--zone: "{zone}" is not a domain name', hint="such as acme.example.com")
    own = address or own_address()
    serves_zone = provider_kind(way).init.serves_zone
    if serves_zone and not address:
        own = ask_or_default(asks, "This machine's public address", own)
    if not agree_terms and not (asks and click.confirm(f"Do you agree to the CA's terms of service ({TERMS})?")):
        raise UsageError("the CA's terms must be agreed to, once, by you", hint=f"--agree-terms, after {TERMS}")
    wanted = InitAnswers(
        domains=names, proxy=kind, dns=way, esp=service, address=own, zone=(zone or "").rstrip("."), installed=here
    )
    write_new(path, configuration_text(wanted), 0o644)
    settings = settings_of(context)
    click.echo(f"{path}: written\n")
    for paragraph in records_to_set(wanted):
        click.echo(paragraph + "\n")
    if serves_zone:
        asking = request_for(provider_of(settings, settings.links[0]), names)
        click.echo("Is the DNS another team's? Send them this (`certd dns request` prints it again):\n")
        click.echo("\n".join((asking.prose(), asking.zone_lines(), asking.terraform())))
    if KINDS[kind].programs and kind not in here:
        warn(f"{kind} is not installed here")
    click.echo("Then:")
    for step in next_steps(Path(path), wanted):
        click.echo(f"    {step}")


def ask_or_default(asks: bool, question: str, otherwise: str) -> str:
    """The answer, or the default where nobody can be asked."""
    return str(click.prompt(question, default=otherwise)).strip() if asks else otherwise


def ask_domains(asks: bool) -> tuple[str, ...]:
    """Raises UsageError where nobody can be asked."""
    if not asks:
        raise UsageError("--domain is missing", hint="certd init --domain link.example.com")
    return tuple(check_domains(name) for name in str(click.prompt("The link domain")).replace(",", " ").split())


def check_domains(name: str) -> str:
    """Raises UsageError for what is no domain."""
    try:
        return as_domain(name)
    except ValueError as error:
        raise UsageError(f"--domain: {error}") from error


def check_words(kind: str, way: str, service: str) -> None:
    """Raises UsageError for a word that the configuration would not know."""
    if kind not in KINDS:
        raise UsageError(f"--proxy: {kind} is no kind of proxy", hint=f"one of {', '.join(KINDS)}")
    if wrong := wrong_with_kind(kind):
        raise UsageError(f"--proxy: {wrong}")
    provider_kind(way)
    if service not in ESPS and service != "none":
        raise UsageError(f"--esp: {service} is not known", hint=f"one of {', '.join(ESPS)}, none")
