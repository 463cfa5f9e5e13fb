"""``certd config check``."""

from __future__ import annotations

import click

from certd.cli.context import settings_of
from certd.cli.output import warn
from certd.timefmt import counted


@click.group()
def config() -> None:
    """Judge the configuration file.

    \b
    Examples:
      certd config check
    """


@config.command()
@click.pass_context
def check(context: click.Context) -> None:
    """Every mistake at once, without network. Exit code 2 when there is one.

    \b
    Examples:
      certd config check
      certd --config /tmp/try.toml config check
    """
    settings = settings_of(context)
    for pattern, count in settings.matched.items():
        if not count:
            warn(f"{pattern} matches no file")
    proxies = {proxy for link in settings.links for proxy in link.proxies}
    served = f"{counted(len(settings.links), 'link')} on {counted(len(proxies), 'proxy')}"
    click.echo(f"{settings.path}: fine: {served}, state in {settings.state}")
