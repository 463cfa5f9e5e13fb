"""``certd plan``: the planners asked, and nothing done."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from certd.cli.naming import LINK
from certd.cli.opening import chosen, labelled, ledger_of, settings_of
from certd.cli.say import show_json
from certd.dns.registered import registered_domain
from certd.model import Deploy, DeployAction, IssueAction, IssuerTerms, Look, ProxyWish, Wait
from certd.moments import span, stamp, when
from certd.planning.budgets import outlook
from certd.planning.deploy import plan_deploy
from certd.standing import standing
from certd.system.clock import SystemClock


@click.command()
@click.argument("links", nargs=-1, metavar="[LINK]...", type=LINK)
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="Only links with this label.")
@click.option("--json", "as_json", is_flag=True, help="A versioned JSON document.")
@click.pass_context
def plan(context: click.Context, links: tuple[str, ...], labels: tuple[str, ...], as_json: bool) -> None:
    """What would happen, when, and why, without doing it.

    \b
    Examples:
      certd plan
      certd plan link.example.com --json
      certd plan --label brand=x
    """
    settings = settings_of(context)
    wanted = labelled(chosen(settings, links), labels)
    ledger = ledger_of(settings)
    now = SystemClock().now()
    rows: list[dict[str, Any]] = []
    first: dict[str, list[tuple[str, ...]]] = {}
    for link in wanted:
        one = standing(ledger, link, now)
        if one.facts.current is None and one.facts.order is None:
            first.setdefault(link.spec.issuers[0], []).append(link.spec.domains)
        if one.action is None:
            rows.append(row(link.name, "begin", now, "nothing issued yet"))
            continue
        rows.append(row_of(link.name, one.action, now))
        for proxy in link.proxies if ledger is not None else ():
            facts = ledger.stores.node.proxy_facts(proxy, [(link.name, link.spec.domains)]) if ledger else None
            if facts is not None:
                step = plan_deploy(ProxyWish(proxy=proxy, links=(link.name,)), facts, now)
                rows.append(row_of(f"{link.name} on {proxy}", step, now))
    if as_json:
        show_json("plan", [{**entry, "at": stamp(entry["at"])} for entry in rows])
        return
    for entry in rows:
        moment: datetime = entry["at"]
        at = "now" if moment <= now else f"{when(moment)} (in {span(moment - now)})"
        click.echo(f"{entry['subject']}: {entry['action']}, {at}: {entry['because']}")
    for issuer, names in first.items():
        limits = settings.issuers[issuer].limits
        for sentence in outlook(IssuerTerms(name=issuer, limits=limits), names, registered_domain):
            click.echo(sentence)


def row_of(subject: str, action: IssueAction | DeployAction, now: datetime) -> dict[str, Any]:
    """An action as a row."""
    if isinstance(action, Wait):
        return row(subject, "wait", action.until, action.because)
    if isinstance(action, Look | Deploy):
        return row(subject, type(action).__name__.lower(), now, action.because)
    return row(subject, type(action).__name__.lower(), now, action.because)


def row(subject: str, action: str, at: datetime, because: str) -> dict[str, Any]:
    """One line."""
    return {"subject": subject, "action": action, "at": at, "because": because}
