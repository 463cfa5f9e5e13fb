"""``certd rehearse``, and the canary that ``certd dns test`` shares with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import click

from certd.cli.context import choose_links, settings_of
from certd.cli.leased_link import LeasedLink, lease_link, open_app
from certd.cli.output import complain
from certd.cli.params import LINK
from certd.config.types import duration
from certd.dns.exchange import Deadline
from certd.dns.names import validation_name
from certd.dns.persist import LABEL
from certd.errors import CertdError, UsageError
from certd.issuance import publishes
from certd.issuance import rehearse as step
from certd.model import DNS_PERSIST_01, Begin, Wait
from certd.planning.issue import plan_issue
from certd.planning.rehearsal import is_under_way, rehearsal_passed

LOOK_SECONDS = 15.0


@click.command()
@click.argument("link", metavar="LINK", type=LINK)
@click.option(
    "--staging", is_flag=True, help="Also order at the issuer's staging directory. The certificate is thrown away."
)
@click.option(
    "--wait", default="10m", show_default=True, metavar="TIME", help="How long a value may take to reach every server."
)
@click.pass_context
def rehearse(context: click.Context, link: str, staging: bool, wait: str) -> int:
    """Do every step of an issuance that costs the CA nothing, with the real credentials.

    certd checks the delegation, the CAA records for each issuer and their directories, and publishes a test value
    on every authoritative server. If it passes, the waiting time after a failure ends. Exit code 0: it passed. 1:
    it did not.

    \b
    Examples:
      certd rehearse link.example.com
      certd rehearse link.example.com --staging
    """
    return run_rehearsal(context, link, wait, only_dns=False, staging=staging)


def run_rehearsal(context: click.Context, name: str, wait: str, *, only_dns: bool, staging: bool = False) -> int:
    """Rehearse a link now; the exit code. Raises CertdError."""
    patience = patience_of(wait)
    settings = settings_of(context)
    (link,) = choose_links(settings, (name,))
    if not link.spec.dns and link.spec.challenge != DNS_PERSIST_01:
        raise UsageError(f"{name}: it has no [dns.NAME] on this node")
    with open_app(settings, debug=context.obj["debug"]) as app, lease_link(app, link, patience) as one:
        before = one.facts
        one.facts = replace(before, rehearsal=replace(before.rehearsal, began_at=None, values=(), look_at=None))
        while True:
            one.keep(step(app.issuance, one.desired, one.facts, only_dns=only_dns, by_hand=True))
            rehearsal = one.facts.rehearsal
            if not is_under_way(rehearsal, app.clock.now()):
                break
            one.wait(rehearsal.look_at or app.clock.now(), rehearsal.because)
        if rehearsal.message:
            complain(CertdError(f"{name}: {rehearsal.message}", hint=rehearsal.hint))
        else:
            _say_where(one)
        fine = not rehearsal.message
        if only_dns:
            # It says nothing of the CA: what is remembered of rehearsals and failures stays as it was.
            one.facts = replace(one.facts, rehearsal=before.rehearsal, attempt=before.attempt)
        if fine and staging:
            fine = _ordered_at_staging(one)
        return 0 if fine else 1


def patience_of(wait: str) -> timedelta:
    """``--wait`` as a duration. Raises UsageError."""
    try:
        return duration(wait)
    except ValueError as error:
        raise UsageError(f"--wait: {error}") from error


def _say_where(one: LeasedLink) -> None:
    """Every server that showed the canary."""
    spec = one.desired.spec
    if not publishes(spec):
        for base in dict.fromkeys(domain.removeprefix("*.") for domain in spec.domains):
            click.echo(f"{LABEL}{base}: every server that answers has the record for {', '.join(spec.issuers)}")
        return
    for name in dict.fromkeys(map(validation_name, spec.domains)):
        place = one.app.zone_finder.follow(name, Deadline(LOOK_SECONDS))
        by = f" (by CNAME at {place.target})" if place.hops else ""
        servers = [f"{server.name} ({', '.join(server.addresses)})" for server in place.zone.servers]
        click.echo(f"{name}{by}: published by dns.{spec.dns}, seen at {', '.join(servers)}, removed")


def _ordered_at_staging(one: LeasedLink) -> bool:
    """An order like the real one, at the staging directory."""
    staging, before = one.desired.issuer.staging, one.facts.attempt
    if not staging:
        raise UsageError(
            f"{one.facts.link}: issuer {one.desired.issuer.name} has no staging directory",
            hint=f"name one: issuer.{one.desired.issuer.name}.staging",
        )
    if one.has_order():
        raise CertdError(f"{one.facts.link}: an order is open; it is the rehearsal")
    issuance, clock = one.app.issuance, one.app.clock
    # Without what failed before: what this order says is all that counts here.
    one.keep(issuance.carry_out(Begin(because="rehearsed by hand", staging=staging), one.desired, one.facts))
    while one.has_order():
        action = plan_issue(one.desired, one.facts, clock.now())
        if isinstance(action, Wait):
            one.wait(action.until, f"{staging}: {action.because}")
            continue
        one.keep(issuance.carry_out(action, one.desired, one.facts))
    after = one.facts.attempt
    if after.failures > before.failures or after.dns_failures > before.dns_failures:
        complain(CertdError(f"{one.facts.link}: {staging}: {after.message}", hint=after.hint))
        one.facts = replace(one.facts, attempt=before)
        return False
    click.echo(f"{one.facts.link}: {staging} signed; nothing of it is used")
    one.facts = rehearsal_passed(one.desired, replace(one.facts, attempt=before), clock.now(), by_hand=True)
    return True
