"""``certd plan``: the planners asked, and nothing done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click

from certd.cli.context import choose_links, is_running, known_issuer, links_with_labels, read_model_of, settings_of
from certd.cli.output import show_json
from certd.cli.params import LINK
from certd.config.settings import LinkSettings, Settings
from certd.dns.public_suffix import registered_domain
from certd.errors import UsageError
from certd.model import Deploy, DeployAction, Desired, DesiredProxy, IssueAction, IssuerTerms, Look, Wait
from certd.planning.deploy import plan_deploy
from certd.planning.mass_revocation import mass_revocation
from certd.planning.rate_limits import outlook
from certd.read_model import ReadModel
from certd.status.assess import assess
from certd.status.render import WHEN_STARTED
from certd.system.clock import SystemClock
from certd.timefmt import counted, span, stamp, when


@click.command()
@click.argument("links", nargs=-1, metavar="[LINK]...", type=LINK)
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="Only links with this label.")
@click.option("--mass-revocation", "issuer", default="", metavar="ISSUER", help="What if ISSUER revokes all now?")
@click.option("--json", "as_json", is_flag=True, help="Print a versioned JSON document.")
@click.pass_context
def plan(context: click.Context, links: tuple[str, ...], labels: tuple[str, ...], issuer: str, as_json: bool) -> None:
    """Show what certd would do, when, and why. Nothing is done.

    \b
    Examples:
      certd plan
      certd plan link.example.com --json
      certd plan --label brand=x
      certd plan --mass-revocation letsencrypt
    """
    settings = settings_of(context)
    wanted = links_with_labels(choose_links(settings, links), labels)
    read_model = read_model_of(settings)
    now = SystemClock().now()
    if issuer:
        show_drill(settings, read_model, wanted, known_issuer(settings, issuer), now, as_json=as_json)
        return
    rows: list[dict[str, Any]] = []
    first: dict[str, list[tuple[str, ...]]] = {}
    for link in wanted:
        one = assess(read_model, link, now)
        if one.facts.current is None and one.facts.order is None:
            first.setdefault(link.spec.issuers[0], []).append(link.spec.domains)
        if one.action is None:
            rows.append(row(link.name, "begin", now, "nothing issued yet"))
            continue
        rows.append({**row_of(link.name, one.action, now), "changes": list(one.changes)})
        for proxy in link.proxies if read_model is not None else ():
            facts = read_model.stores.node.proxy_facts(proxy, [(link.name, link.spec.domains)]) if read_model else None
            if facts is not None:
                step = plan_deploy(DesiredProxy(proxy=proxy, links=(link.name,)), facts, now)
                rows.append(row_of(f"{link.name} on {proxy}", step, now))
    if as_json:
        show_json("plan", [{**entry, "at": stamp(entry["at"])} for entry in rows])
        return
    at_once = "now" if read_model is not None and is_running(settings) else WHEN_STARTED
    for entry in rows:
        moment: datetime | None = entry["at"]
        if moment is None:
            click.echo(f"{entry['subject']}: {entry['action']}: {entry['because']}")
            continue
        at = at_once if moment <= now else f"{when(moment)} (in {span(moment - now)})"
        click.echo(f"{entry['subject']}: {entry['action']}, {at}: {entry['because']}")
        if changes := entry.get("changes"):
            click.echo(f"{entry['subject']}: the next renewal brings: {'; '.join(changes)}")
    for issuer, names in first.items():
        limits = settings.issuers[issuer].limits
        for sentence in outlook(IssuerTerms(name=issuer, limits=limits), names, registered_domain):
            click.echo(sentence)


def show_drill(
    settings: Settings,
    read_model: ReadModel | None,
    links: Sequence[LinkSettings],
    issuer: str,
    now: datetime,
    *,
    as_json: bool,
) -> None:
    """How long it takes to replace every certificate of an issuer, with these links and its limits, and what helps."""
    if read_model is None:
        raise UsageError("certd has not run here; there is no certificate to replace")
    lineages = read_model.stores.lineages
    pairs = []
    for link in links:
        facts = lineages.facts(link.name)
        desired = Desired(spec=link.spec, issuer=read_model.terms(link.name, issuer))
        pairs.append((desired, facts))
    found = mass_revocation(issuer, pairs, lambda needs: lineages.buckets(issuer, needs), registered_domain, now)
    if as_json:
        show_json("mass_revocation", {**asdict(found), "last_at": stamp(found.last_at)})
        return
    if not found.links or found.last_at is None:
        click.echo(f"no link here has a certificate of {issuer}")
        return
    click.echo(
        f"{counted(found.links, 'link')} of {len(links)} would need another certificate. {issuer} takes "
        f"{counted(found.at_once, 'order')} at once; certd begins with what ends first."
    )
    for because, count in found.waiting:
        click.echo(f"{counted(count, 'link')} would wait: {because}")
    if found.last_at > now:
        click.echo(f"The last one is ordered at {when(found.last_at)} (in {span(found.last_at - now)}).")
    if found.elsewhere == found.links:
        click.echo("Each has another issuer, which certd uses if that is sooner.")
    else:
        click.echo(
            f"{counted(found.links - found.elsewhere, 'link')} would wait for {issuer} alone: give a second issuer "
            f'(issuer = ["{issuer}", "..."]) to be free of its limits and its outage.'
        )


def row_of(subject: str, action: IssueAction | DeployAction, now: datetime) -> dict[str, Any]:
    """An action as a row."""
    if isinstance(action, Wait):
        return row(subject, "wait", action.ends_at(now), action.because)
    if isinstance(action, Look | Deploy):
        return row(subject, type(action).__name__.lower(), now, action.because)
    return row(subject, type(action).__name__.lower(), now, action.because)


def row(subject: str, action: str, at: datetime | None, because: str) -> dict[str, Any]:
    """One line; without a time where an event ends the wait."""
    return {"subject": subject, "action": action, "at": at, "because": because}
