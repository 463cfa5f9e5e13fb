"""``certd config check``."""

from __future__ import annotations

import click

from certd.cli.context import settings_of
from certd.cli.output import warn
from certd.config.names import names_refused
from certd.config.secret_files import judge_secrets
from certd.errors import ConfigurationError
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
    """Show every mistake in the configuration at once, without network. Exit code 2 if there is one.

    certd opens secret files as the user that the service runs as. A file that this user cannot read is a mistake. A
    file that every user can read is a warning.

    \b
    Examples:
      certd config check
      certd --config ./try.toml config check
    """
    settings = settings_of(context)
    if refused := names_refused(settings):
        raise ConfigurationError(refused)
    for pattern, count in settings.matched.items():
        if not count:
            warn(f"{pattern} matches no file")
    proxies = {proxy for link in settings.links for proxy in link.proxies}
    secrets = judge_secrets(settings)
    for finding in secrets.open:
        warn(str(finding))
    if secrets.wrong:
        raise ConfigurationError(secrets.wrong)
    served = f"{counted(len(settings.links), 'link')} on {counted(len(proxies), 'proxy')}"
    click.echo(f"{settings.path}: fine: {served}, state in {settings.state}")
    if secrets.readable:
        click.echo(f"secrets: {secrets.user} can read {secrets.readable} of {secrets.readable + len(secrets.unknown)}")
    for finding in secrets.unknown:
        click.echo(f"not judged: {finding}")
