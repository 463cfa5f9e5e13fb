"""``certd status``."""

from __future__ import annotations

from datetime import datetime

import click

from certd.cli.context import choose_links, is_running, links_with_labels, read_model_of, settings_of
from certd.cli.nagios import MOST_TOLD, answer, guard
from certd.cli.output import show_json, warn
from certd.cli.params import LINK
from certd.clicks.judge import in_words, trouble_of
from certd.model import Alarm, Level
from certd.planning.alarms import cleanup_alarm, dependency_alarm, orphan_alarm
from certd.planning.margin import THREE_QUARTERS
from certd.planning.renewal import margin_used
from certd.read_model import ReadModel
from certd.status.assess import LinkStatus, State, assess
from certd.status.render import is_due, link_data, next_step_of, served_words
from certd.store.write_check import write_obstacle
from certd.system.clock import SystemClock
from certd.timefmt import counted, span, stamp, when

NOT_RUNNING = "no certd runs here"


@click.command()
@click.argument("links", nargs=-1, metavar="[LINK]...", type=LINK)
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="Only links with this label.")
@click.option("--json", "as_json", is_flag=True, help="Print a versioned JSON document.")
@click.option("--nagios", is_flag=True, help="Print one line, with the exit codes that monitoring systems expect.")
@click.pass_context
def status(context: click.Context, links: tuple[str, ...], labels: tuple[str, ...], as_json: bool, nagios: bool) -> int:
    """Show what is served, until when, and what comes next.

    Exit code 0: all is well. 3: something needs attention, nothing was ever served, or the daemon does not run.

    With --nagios the exit code is 0 (OK), 1 (WARNING), 2 (CRITICAL) or 3 (UNKNOWN). If the daemon does not run, the
    result is WARNING, or CRITICAL if something is due. Without a link, three more things
    are a WARNING: a CA, name server or proxy that is away for 15 minutes; a removed link that ends soon; TXT records
    left behind.

    \b
    Examples:
      certd status
      certd status link.example.com --json
      certd status --label brand=x
      certd status --nagios
    """
    if nagios:
        return guard(lambda: _for_monitoring(context, links, labels))
    settings = settings_of(context)
    wanted = links_with_labels(choose_links(settings, links), labels)
    read_model = read_model_of(settings)
    now = SystemClock().now()
    statuses = [assess(read_model, link, now) for link in wanted]
    running = read_model is not None and is_running(settings)
    away = [*read_model.stores.lineages.dependencies(), *read_model.stores.node.dependencies()] if read_model else []
    orphans = read_model.stores.specs.orphans() if read_model and not (links or labels) else ()
    obstacles = _obstacles(read_model)
    for obstacle in obstacles:
        warn(obstacle)
    if as_json:
        show_json(
            "status",
            {
                "running": running,
                "links": [link_data(one, now) for one in statuses],
                "away": [
                    {
                        "dependency": state.dependency,
                        "since": stamp(state.away_since),
                        "next_probe": stamp(state.probe_at),
                        "because": state.because,
                    }
                    for state in away
                ],
                "orphans": list(orphans),
                "store_trouble": "; ".join(obstacles) or None,
            },
        )
    else:
        if read_model is not None and not running:
            click.echo(f"! {NOT_RUNNING}: nothing is renewed, deployed or looked at; start it: systemctl start certd")
        for one in statuses:
            show(one, now, running=running)
        for state in away:
            click.echo(
                f"away: {state.dependency} since {when(state.away_since)}: {state.because}; "
                f"next probe {when(state.probe_at)}"
            )
        for orphan in orphans:
            click.echo(f"orphan: {orphan} is in the configuration no more; `certd forget {orphan}` drops it")
    return (
        3
        if away or orphans or obstacles or not running or any(one.attention or one.is_first for one in statuses)
        else 0
    )


def _obstacles(read_model: ReadModel | None) -> list[str]:
    """Why a store cannot be written, which keeps certd from everything; found without writing."""
    found = (
        [(name, write_obstacle(database)) for name, database in read_model.stores.databases().items()]
        if read_model
        else []
    )
    return [f"{name} cannot be written: its file {obstacle}" for name, obstacle in found if obstacle]


def show(one: LinkStatus, now: datetime, *, running: bool = True) -> None:
    """One link for people."""
    current = one.facts.current
    mark = "!" if one.attention else " "
    click.echo(f"{mark} {one.link.name}  {one.state.value}")
    if one.link.spec.domains != (one.link.name,):
        click.echo(f"    names    {', '.join(one.link.spec.domains)}")
    if current is not None:
        left = span(current.not_after - now) if current.not_after > now else "EXPIRED"
        click.echo(f"    valid    until {when(current.not_after)} ({left}), {current.issuer}, {current.generation}")
        if current.revoked_because:
            click.echo(f"    revoked  {current.revoked_because}; clients that check refuse it")
        if current.chain_repair.is_open:
            click.echo(f"    chain    {current.chain_repair.reason}; certd asks the CA for another chain")
    click.echo(f"    next     {next_step_of(one, now, running=running)}")
    if one.changes:
        click.echo(f"    changes  the next renewal brings: {'; '.join(one.changes)}")
    for proxy, deployment in one.deployments:
        click.echo(f"    {proxy:<8} {served_words(deployment)}")
    for facts in one.clicks:
        click.echo(f"    clicks   {f'{facts.host}: ' if len(one.clicks) > 1 else ''}{in_words(facts)}")
        if (trouble := trouble_of(facts)) is not None:
            click.echo(f"    hint     {trouble.hint}")
        for finding in facts.findings:
            click.echo(f"    check    {finding.name}: {finding.words}")
            click.echo(f"    hint     {finding.hint}")
    if one.because:
        click.echo(f"    because  {one.because}")
    if one.hint:
        click.echo(f"    hint     {one.hint}")


def _for_monitoring(context: click.Context, links: tuple[str, ...], labels: tuple[str, ...]) -> int:
    """Critical where clients suffer or soon will; a warning where somebody should look."""
    settings = settings_of(context)
    wanted = links_with_labels(choose_links(settings, links), labels)
    read_model, now = read_model_of(settings), SystemClock().now()
    statuses = [assess(read_model, link, now) for link in wanted]
    critical = [one for one in statuses if _is_critical(one, now)]
    worried = [one for one in statuses if one.attention or one.is_first]
    told = [f"{one.link.name}: {_told(one)}" for one in critical or worried] + _obstacles(read_model)
    if read_model is not None and not is_running(settings):
        due = [one.link.name for one in statuses if one.facts.current and one.action and is_due(one.action, now)]
        told.insert(0, NOT_RUNNING + (f", and this is due: {', '.join(due[:MOST_TOLD])}" if due else ""))
        critical += [one for one in statuses if one.link.name in due]
    if read_model is not None and not critical and not (links or labels):
        told += [f"{alarm.subject}: {alarm.words}" for alarm in _beside(read_model, now)]
    served = f"{counted(len(statuses), 'link')} {'is' if len(statuses) == 1 else 'are'} served"
    return answer(2 if critical else 1 if told else 0, told, served)


def _beside(read_model: ReadModel, now: datetime) -> list[Alarm]:
    """What somebody should look at and no link's standing tells: as long as certd itself would call it an alarm."""
    lineages, orphans = read_model.stores.lineages, read_model.stores.specs.orphans()
    found = [
        dependency_alarm(dependency.dependency, dependency.because, dependency.away_since, dependency.probe_at, now)
        for dependency in (*lineages.dependencies(), *read_model.stores.node.dependencies())
    ]
    found += [orphan_alarm(lineages.facts(link), now) for link in orphans]
    found += [cleanup_alarm(lineages.facts(link), now) for link in sorted(lineages.with_cleanups())]
    return [alarm for alarm in found if alarm is not None]


def _is_critical(one: LinkStatus, now: datetime) -> bool:
    current = one.facts.current
    if current is None:
        return one.state is State.FAILED
    troubles = [trouble_of(facts) for facts in one.clicks]
    is_loud = any(trouble is not None and trouble.level >= Level.PAGE for trouble in troubles)
    is_over = current.not_after <= now or bool(current.revoked_because)
    return is_over or margin_used(current, now) > THREE_QUARTERS or is_loud


def _told(one: LinkStatus) -> str:
    if one.is_first:
        return f"nothing is served yet: {one.because}"
    if one.facts.current is not None and one.facts.current.revoked_because:
        return f"its certificate is revoked: {one.facts.current.revoked_because}; {one.because}"
    troubles = [trouble.words for facts in one.clicks if (trouble := trouble_of(facts)) is not None]
    return one.because or (troubles[0] if troubles else "its renewal is late")
