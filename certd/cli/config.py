"""``certd config check``."""

from __future__ import annotations

import re
from pathlib import Path

import click

from certd.cli.context import settings_of
from certd.cli.output import warn
from certd.config.names import names_refused
from certd.config.secret_files import judge_secrets
from certd.config.settings import Settings
from certd.config.types import secret
from certd.dns.tsig import tsig_key, weakness_of
from certd.errors import CertdError, ConfigurationError, Finding
from certd.timefmt import counted

MOUNTINFO = Path("/proc/self/mountinfo")
_ESCAPE = re.compile(r"\\([0-7]{3})")


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
    for finding in (*weak_keys(settings), *odd_own_paths(settings)):
        warn(str(finding))
    if secrets.wrong:
        raise ConfigurationError(secrets.wrong)
    served = f"{counted(len(settings.links), 'link')} on {counted(len(proxies), 'proxy')}"
    click.echo(f"{settings.path}: fine: {served}, state in {settings.state}")
    if secrets.readable:
        click.echo(f"secrets: {secrets.user} can read {secrets.readable} of {secrets.readable + len(secrets.unknown)}")
    for finding in secrets.unknown:
        click.echo(f"not judged: {finding}")


def odd_own_paths(settings: Settings, mountinfo: Path = MOUNTINFO) -> list[Finding]:
    """Files of ``paths`` that cannot be replaced, or are not what they seem, as they lie on this machine now."""
    mounted = mount_points(mountinfo)
    found = []
    for name, proxy in settings.proxies.items():
        for kind, own in proxy.paths.items():
            for link in settings.links_of(name):
                path = Path(own.path.replace("{link}", link.name))
                where = f"proxy.{name}.paths.{kind}"
                if str(path) in mounted:
                    message = f"{path} is mounted by itself, so certd cannot replace it"
                    found.append(Finding(path=where, message=message, hint="mount its folder instead"))
                elif path.is_symlink():
                    message = (
                        f"{path} is a symbolic link: certd puts a file in its place, and what it leads to stays old"
                    )
                    found.append(Finding(path=where, message=message, hint=f"name {path.resolve()}"))
    return found


def mount_points(mountinfo: Path) -> frozenset[str]:
    """Where something is mounted (proc(5)); empty where nobody can say."""
    try:
        lines = mountinfo.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return frozenset()
    fields = (line.split(" ") for line in lines)
    return frozenset(_ESCAPE.sub(lambda found: chr(int(found[1], 8)), each[4]) for each in fields if len(each) > 4)


def weak_keys(settings: Settings) -> list[Finding]:
    """TSIG keys whose algorithm should no longer be used. One that cannot be read here is judged by somebody else."""
    found = []
    for name, table in settings.dns.items():
        reference = str(table.table.get("tsig", ""))
        path = f"dns.{name}.tsig"
        try:
            key = tsig_key(secret(reference, folder=settings.path.parent), path) if reference else None
        except CertdError:
            continue
        if key is not None and (words := weakness_of(key)):
            hint = "make a new one: tsig-keygen -a hmac-sha256 NAME"
            found.append(Finding(path=path, message=words, hint=hint))
    return found
