"""``certd hold``."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from certd.cli.context import read_model_of, settings_of
from certd.config.types import duration
from certd.errors import UsageError
from certd.store.node import ALL, LONGEST_HOLD
from certd.timefmt import when


@click.command()
@click.argument("name", metavar="LINK|PROXY")
@click.option("--until", metavar="TIME", help="An hour from now: 1h. Or a time: 2026-12-24T18:00Z.")
@click.option("--end", is_flag=True, help="End the hold now.")
@click.pass_context
def hold(context: click.Context, name: str, until: str | None, end: bool) -> None:
    """Deploy and reload nothing for a time, at most a week. The hold ends by itself.

    Certificates are still ordered, and what is served is still checked.

    \b
    Examples:
      certd hold link.example.com --until 2h
      certd hold nginx --until 2026-12-24T18:00Z
      certd hold nginx --end
    """
    settings = settings_of(context)
    now = datetime.now(UTC)
    if end == (until is not None):
        raise UsageError("say either --until TIME or --end")
    moment = now if until is None else parse_until(until, now)
    link = settings.link(name)
    if link is None and name not in settings.proxies:
        raise UsageError(f"{name}: there is no such link or proxy")
    read_model = read_model_of(settings)
    if read_model is None:
        raise UsageError("certd has not run here; there is nothing to hold")
    proxies = link.proxies if link else (name,)
    read_model.stores.node.hold(ALL if link else name, link.name if link else ALL, moment)
    for proxy in proxies:
        read_model.stores.node.wake(f"deploy:{proxy}")
    click.echo(f"{name}: held until {when(moment)}" if moment > now else f"{name}: the hold has ended")


def parse_until(text: str, now: datetime) -> datetime:
    """A duration from now, or a time in UTC. Raises UsageError."""
    try:
        moment = now + duration(text)
    except ValueError as error:
        try:
            moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError:
            raise UsageError(f"--until: {error}, or like 2026-12-24T18:00Z") from error
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment <= now:
        raise UsageError(f"--until: {when(moment)} has passed")
    if moment - now > LONGEST_HOLD:
        raise UsageError(
            "--until: a hold lasts a week at most", hint="what must stay for longer is not certd's to renew"
        )
    return moment
