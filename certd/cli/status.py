"""``certd status``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from certd.cli.opening import app_of, chosen, settings_of
from certd.cli.say import show_json, span, stamp, when
from certd.model import Deployment, Health, Wait
from certd.planning.deploy import strangers_better
from certd.planning.renewal import renewal_moment
from certd.standing import Standing, standing
from certd.system.clock import SystemClock


@click.command()
@click.argument("links", nargs=-1, metavar="[LINK]...")
@click.option("--json", "as_json", is_flag=True, help="A versioned JSON document.")
@click.pass_context
def status(context: click.Context, links: tuple[str, ...], as_json: bool) -> int:
    """What is served, until when, and what comes next.

    Exit code 0: all is well. 3: something needs attention.
    """
    settings = settings_of(context)
    wanted = chosen(settings, links)
    app = app_of(settings)
    now = SystemClock().now()
    standings = [standing(app, link, now) for link in wanted]
    away = [*app.stores.lineages.lanes(), *app.stores.node.lanes()] if app else []
    orphans = app.stores.wishes.orphans() if app and not links else ()
    if as_json:
        show_json("status", {
            "links": [as_data(one, now) for one in standings],
            "away": [{"lane": lane.lane, "since": stamp(lane.away_since), "next_probe": stamp(lane.probe_at),
                      "because": lane.because} for lane in away],
            "orphans": list(orphans),
        })  # fmt: skip
    else:
        for one in standings:
            show(one, now)
        for lane in away:
            click.echo(
                f"away: {lane.lane} since {when(lane.away_since)}: {lane.because}; next probe {when(lane.probe_at)}"
            )
        for orphan in orphans:
            click.echo(f"orphan: {orphan} is in the configuration no more; `certd forget {orphan}` drops it")
    return 3 if away or orphans or any(one.attention for one in standings) else 0


def show(one: Standing, now: datetime) -> None:
    """One link for people."""
    current = one.facts.current
    mark = "!" if one.attention else " "
    click.echo(f"{mark} {one.link.name}  {one.state.value}")
    if one.link.spec.domains != (one.link.name,):
        click.echo(f"    names    {', '.join(one.link.spec.domains)}")
    if current is not None:
        left = span(current.not_after - now) if current.not_after > now else "EXPIRED"
        click.echo(f"    valid    until {when(current.not_after)} ({left}), {current.issuer}, {current.generation}")
    click.echo(f"    next     {next_of(one, now)}")
    for proxy, deployment in one.deployments:
        click.echo(f"    {proxy:<8} {seen(deployment)}")
    if one.because:
        click.echo(f"    because  {one.because}")
    if one.hint:
        click.echo(f"    hint     {one.hint}")


def next_of(one: Standing, now: datetime) -> str:
    """The next step and its reason."""
    action = one.action
    if action is None:
        return "begin: nothing issued yet"
    if isinstance(action, Wait):
        return f"{action.because} (in {span(max(action.until - now, now - now))})"
    return f"{type(action).__name__.lower()}: {action.because}"


def seen(deployment: Deployment) -> str:
    """What a proxy is seen to serve."""
    if deployment.wanted is None:
        return "a placeholder" if deployment.pointed else "nothing to deploy yet"
    addresses = [sight for sight in deployment.sights if not sight.never_answered]
    shown = sum(sight.health is Health.GOOD for sight in addresses)
    if deployment.is_verified and deployment.verified_at is not None:
        return f"serves it on {shown} of {len(addresses)} addresses, seen {when(deployment.looked_at)}"
    if address := strangers_better(deployment):
        return f"{address} serves a certificate that is not ours and ends later; left alone"
    return f"NOT seen to serve {deployment.wanted.name}: {deployment.error or 'it is being deployed'}"


def as_data(one: Standing, now: datetime) -> dict[str, Any]:
    """One link for programs."""
    current = one.facts.current
    attempt = one.facts.attempt
    return {
        "link": one.link.name,
        "domains": list(one.link.spec.domains),
        "labels": dict(one.link.spec.labels),
        "state": one.state.value,
        "because": one.because,
        "hint": one.hint,
        "attention": one.attention,
        "certificate": None if current is None else {
            "generation": current.generation, "issuer": current.issuer, "fingerprint": current.fingerprint,
            "not_before": stamp(current.not_before), "not_after": stamp(current.not_after),
            "seconds_left": int((current.not_after - now).total_seconds()),
            "renewal_at": stamp(renewal_moment(current).at),
        },
        "next": None if one.action is None else {
            "action": type(one.action).__name__.lower(), "because": one.action.because,
            "at": stamp(one.action.until) if isinstance(one.action, Wait) else stamp(now),
        },
        "failures": attempt.failures + attempt.dns_failures,
        "last_error": None if not attempt.kind else {
            "kind": attempt.kind, "message": attempt.message, "at": stamp(attempt.failed_at),
        },
        "proxies": [
            {
                "proxy": proxy, "pointed": deployment.pointed.name if deployment.pointed else None,
                "served": deployment.served or None, "verified_at": stamp(deployment.verified_at),
                "error": deployment.error or None,
                "addresses": [
                    {"address": sight.address, "health": sight.health.value, "fingerprint": sight.fingerprint,
                     "because": sight.because} for sight in deployment.sights
                ],
            }
            for proxy, deployment in one.deployments
        ],
    }  # fmt: skip
