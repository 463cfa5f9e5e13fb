"""``certd plan``: the planners asked, and nothing done."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from certd.cli.context import choose_links, is_running, links_with_labels, read_model_of, settings_of
from certd.cli.output import show_json
from certd.cli.params import LINK
from certd.dns.public_suffix import registered_domain
from certd.model import Deploy, DeployAction, DesiredProxy, IssueAction, IssuerTerms, Look, Wait
from certd.planning.deploy import plan_deploy
from certd.planning.rate_limits import outlook
from certd.status.assess import assess
from certd.status.render import WHEN_STARTED
from certd.system.clock import SystemClock
from certd.timefmt import span, stamp, when


@click.command()
@click.argument("links", nargs=-1, metavar="[LINK]...", type=LINK)
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="Only links with this label.")
@click.option("--json", "as_json", is_flag=True, help="Print a versioned JSON document.")
@click.pass_context
def plan(context: click.Context, links: tuple[str, ...], labels: tuple[str, ...], as_json: bool) -> None:
    """Show what certd would do, when, and why. Nothing is done.

    \b
    Examples:
      certd plan
      certd plan link.example.com --json
      certd plan --label brand=x
    """
    settings = settings_of(context)
    wanted = links_with_labels(choose_links(settings, links), labels)
    read_model = read_model_of(settings)
    now = SystemClock().now()
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
