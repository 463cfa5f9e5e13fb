"""``certd dns request`` and ``certd dns test``."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

import click

from certd.cli.context import choose_links, settings_of
from certd.cli.leased_link import open_app
from certd.cli.output import show_json
from certd.cli.params import LINK
from certd.cli.rehearse import run_rehearsal
from certd.config.settings import LinkSettings, Settings
from certd.config.types import secret
from certd.dns.delegation import undelegated
from certd.dns.exchange import Deadline
from certd.dns.names import validation_name
from certd.dns.provider import ProviderContext
from certd.dns.registry import build_provider
from certd.dns.request import TERRAFORM, DelegationRequest, persist_request, request_for, terraform_vendor
from certd.dns.responder.provider import Responder
from certd.errors import CertdError, CredentialMissing, UsageError
from certd.model import DNS_PERSIST_01
from certd.ports import DnsProvider
from certd.state import become_owner
from certd.wiring.dns import authority_for

LOOK_SECONDS = 15.0


@click.group()
def dns() -> None:
    """The way to publish the proofs that a CA looks for.

    \b
    Examples:
      certd dns test link.example.com
      certd dns request link.example.com
    """


@dns.command("test")
@click.argument("link", metavar="LINK", type=LINK)
@click.option(
    "--wait", default="10m", show_default=True, metavar="TIME", help="How long a value may take to reach every server."
)
@click.pass_context
def test(context: click.Context, link: str, wait: str) -> int:
    """Publish a test TXT record, wait until every authoritative server has it, and delete it. The CA is not contacted.

    Exit code 0: seen everywhere and removed. 1: not.

    \b
    Examples:
      certd dns test link.example.com
      certd dns test link.example.com --wait 30m
    """
    return run_rehearsal(context, link, wait, only_dns=True)


@dns.command("request")
@click.argument("links", nargs=-1, metavar="[LINK]...", type=LINK)
@click.option(
    "--as", "form", type=click.Choice(["prose", "zone", "terraform"]), help="Print one form only. Default: all three."
)
@click.option("--zone", default="", metavar="ZONE", help="A zone in which certd can publish, if certd cannot know one.")
@click.option(
    "--terraform",
    "vendor",
    type=click.Choice([*TERRAFORM]),
    help="The Terraform provider. Default: the one that the zone points to.",
)
@click.option(
    "--persist", is_flag=True, help="Ask for one TXT record for good (dns-persist-01) instead of a delegation."
)
@click.option("--json", "as_json", is_flag=True, help="Print a versioned JSON document.")
@click.pass_context
def request(
    context: click.Context,
    links: tuple[str, ...],
    form: str | None,
    zone: str,
    vendor: str | None,
    persist: bool,
    as_json: bool,
) -> None:
    """Print a request for the person who runs the DNS: as text, as zone-file lines, and for Terraform.

    With --persist the request names the account with each issuer. If you have no account there yet, certd
    registers one.

    \b
    Examples:
      certd dns request
      certd dns request link.example.com --persist
      certd dns request link.example.com --as terraform --terraform aws
    """
    settings = settings_of(context)
    become_owner(settings)
    missing, serverless = [], set()
    chosen = choose_links(settings, links)
    by_record = [link for link in chosen if persist or link.spec.challenge == DNS_PERSIST_01]
    asked = persist_requests(settings, by_record, debug=context.obj["debug"]) if by_record else {}
    for link in chosen:
        if link.name in asked:
            show_request(settings, link, asked[link.name], form, vendor, as_json=as_json)
            continue
        provider = provider_of(settings, link)
        if isinstance(provider, Responder):
            provider.find_nameservers()
        wanted = request_for(provider, link.spec.domains, zone.lower().rstrip("."))
        if isinstance(provider, Responder) and not zone and all(record.kind != "NS" for record in wanted.records):
            serverless.add(link.spec.dns)
        if not wanted.records and publishes_already(settings, provider, link):
            names = ", ".join(wanted.names)
            said = f"{link.name}: nothing need be asked for: dns.{provider.name} can publish at {names}"
            if as_json:
                show_json("request", {"link": link.name, "prose": said, "zone": "", "terraform": ""})
            else:
                click.echo(said)
            continue
        show_request(settings, link, wanted, form, vendor, as_json=as_json)
        if not as_json and not wanted.records:
            missing.append(link.name)
    if missing:
        raise UsageError(
            f"{', '.join(missing)}: certd cannot know which zone it may publish in, so no record is proposed",
            hint=f"name one that it may: certd dns request {missing[0]} --zone acme.example.com",
        )

    if serverless:
        name = min(serverless)
        raise UsageError(
            f"dns.{name}: by which name or address the world reaches this server is not known, so the NS record of its "
            "zone is missing in the request",
            hint=f"set dns.{name}.public to its public address, or dns.{name}.ns to the name that the zone is to be "
            "delegated to",
        )


def publishes_already(settings: Settings, provider: DnsProvider, link: LinkSettings) -> bool:
    """Whether the provider says that it has the zone of every validation name. Where it cannot say, it does not."""
    finder = authority_for(settings)
    try:
        targets = [
            finder.follow(validation_name(domain), Deadline(LOOK_SECONDS)).target for domain in link.spec.domains
        ]
        return all(provider.zone_of(target) for target in targets)
    except CertdError:
        return False


def persist_requests(settings: Settings, links: Sequence[LinkSettings], *, debug: bool) -> dict[str, DelegationRequest]:
    """By link: the record that names our account with each of its issuers.

    Raises:
        AcmeUnreachable: an issuer does not answer.
        UsageError: an issuer does not say how it wants to be called.
    """
    with open_app(settings, debug=debug) as app:
        accounts: dict[str, tuple[str, str]] = {}
        for issuer in dict.fromkeys(each for link in links for each in link.spec.issuers):
            identities, account = app.authority(issuer).caa()
            if not identities:
                raise UsageError(
                    f"issuer {issuer}: its directory has no caaIdentities, so certd cannot know what the record must "
                    "call it",
                    hint='ask that CA, or use challenge = "dns-01"',
                )
            accounts[issuer] = identities[0], account
    return {
        link.name: persist_request(link.spec.domains, [accounts[issuer] for issuer in link.spec.issuers])
        for link in links
    }


def show_request(
    settings: Settings,
    link: LinkSettings,
    wanted: DelegationRequest,
    form: str | None,
    vendor: str | None,
    *,
    as_json: bool,
) -> None:
    """Print one request, in one form or in all."""
    terraform = wanted.terraform(vendor or vendor_for(settings, wanted.names[0]))
    parts = {"prose": wanted.prose(), "zone": wanted.zone_lines(), "terraform": terraform}
    if as_json:
        show_json("request", {"link": link.name, **parts})
    elif wanted.records:
        click.echo("\n".join(parts[each] for each in ([form] if form else ["prose", "zone", "terraform"])))
    else:
        click.echo(parts["prose"])


def missing_delegation(settings: Settings, link: LinkSettings) -> tuple[str, str] | None:
    """What is not there yet, and the request to send for it, in all its forms; None where nothing is missing or nobody
    can say.

    Raises:
        CredentialMissing: nobody can say without it.
    """
    try:
        provider = provider_of(settings, link)
        zones = settings.dns[link.spec.dns].cname_zones
        found = undelegated(provider, link.spec.domains, authority_for(settings), LOOK_SECONDS, zones)
        wanted = request_for(provider, link.spec.domains)
    except CredentialMissing:
        raise
    except CertdError:
        return None
    if found is None or not wanted.records:
        return None
    return found.words, "\n".join(forms_of(settings, wanted))


def forms_of(settings: Settings, wanted: DelegationRequest) -> tuple[str, str, str]:
    """Prose, zone-file lines, Terraform for whoever holds the zone."""
    return wanted.prose(), wanted.zone_lines(), wanted.terraform(vendor_for(settings, wanted.names[0]))


def provider_of(settings: Settings, link: LinkSettings) -> DnsProvider:
    """How a link's values are published. Raises UsageError where this node does not."""
    table = settings.dns.get(link.spec.dns)
    if table is None:
        raise UsageError(f"{link.name}: it has no [dns.NAME] on this node")
    around = ProviderContext(
        secrets=lambda reference: secret(reference, folder=settings.path.parent),
        delegation=lambda apex: authority_for(settings).delegation(apex, Deadline(LOOK_SECONDS)),
        sender=lambda: importlib.import_module("certd.system.egress").Egress(settings.network, user_agent="certd"),
    )
    return build_provider(link.spec.dns, table.provider, table.table, around)


def vendor_for(settings: Settings, name: str) -> str:
    """By the name servers of the zone that holds a name; where nobody answers, plain dynamic updates."""
    try:
        place = authority_for(settings).follow(name.partition(".")[2], Deadline(LOOK_SECONDS))
    except CertdError:
        return "dns"
    zone = place.hops[0].zone if place.hops else place.zone
    return terraform_vendor([server.name for server in zone.servers])
