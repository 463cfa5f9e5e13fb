"""``certd init --install``: what comes after the configuration, in one command, each step as it would be typed."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import click

from certd.cli.foreign import write_new
from certd.cli.init_template import InitAnswers, link_name, next_steps, provider_kind
from certd.cli.install_service import Wanted, install, judge
from certd.cli.output import warn
from certd.errors import CertdError, UsageError
from certd.targets.registry import KINDS


def wanted_service(path: Path) -> Wanted:
    """The service of this program with this configuration, without any proxy yet."""
    return Wanted(root=Path("/"), prefix=Path(sys.prefix), config=path)


def check_install(path: Path) -> None:
    """Refuse before anything is asked or written. Raises UsageError."""
    if os.geteuid() != 0:
        raise UsageError("only root can install a service", hint="sudo certd init --install")
    if not Path("/run/systemd/system").is_dir():
        raise UsageError("--install needs systemd, which does not run here", hint="certd init, then certd run")
    judge(wanted_service(path))


def install_all(path: Path, wanted: InitAnswers) -> int:
    """Install the service, check the configuration, give the proxy its side, start certd, wait until it is served.

    Returns:
        The exit code of `certd renew`: 0 served, 1 failed, 3 still pending; 3, too, where a person has to act first.

    Raises:
        CertdError: a step failed; it names the commands that are left.
    """
    kind = KINDS[wanted.proxy]
    table = provider_kind(wanted.dns).init
    steps = list(next_steps(path, wanted, "certd", has_systemd=True))
    reload = (wanted.proxy,) if kind.needs_helper else ()
    dns = (wanted.address,) if table.serves_zone else ()
    install(replace(wanted_service(path), reload=reload, dns=dns), say_next=False)
    program = [str(Path(sys.prefix) / "bin" / "certd"), "--config", str(path)]
    _step([*program, "config", "check"], steps[1:])
    site = steps[2]
    by_hand = []
    if kind.configuration is None or wanted.esp == "none":
        _step([*program, "publish"], steps[2:])
        by_hand.append(f"{kind.name}'s own configuration must name what certd wrote: see the documentation")
    elif kind.site_folder:
        _place_site(program, wanted, steps[2:])
    else:
        by_hand.append(f"put what this prints into {kind.name}'s configuration, and reload it: {site}")
    _step(["systemctl", "enable", "--now", "certd.service"], steps[-2:])
    link = link_name(wanted)
    if by_hand or table.needs_records:
        if table.needs_records:
            by_hand.append("set the DNS records that are named above")
        click.echo("certd runs. What only you can do:")
        for words in by_hand:
            click.echo(f"    {words}")
        click.echo(f"Then: {steps[-1]}")
        return 3
    return subprocess.run([*program, "renew", link], check=False).returncode


def _place_site(program: list[str], wanted: InitAnswers, left: list[str]) -> None:
    """Write the proxy's side of the link, have the proxy judge it, and reload it. One that the proxy refuses is moved
    aside: it would keep the proxy from its next start.
    """
    kind = KINDS[wanted.proxy]
    link = link_name(wanted)
    place = Path(kind.site_folder) / f"{link}.conf"
    if os.path.lexists(place):
        warn(f"{place} is there already and stays as it is; compare it with `certd proxy-config {link}`")
        return
    if not place.parent.is_dir():
        raise CertdError(f"{place.parent} does not exist: is {kind.name} installed?", hint=_hint(left))
    made = subprocess.run([*program, "proxy-config", link], stdout=subprocess.PIPE, text=True, check=False)
    if made.returncode:
        raise CertdError(f"certd proxy-config {link} failed", hint=_hint(left))
    write_new(place, made.stdout, 0o644)
    click.echo(f"wrote {place}")
    try:
        if kind.check:
            _step(list(kind.check), left)
        _step(["systemctl", "reload-or-restart", kind.unit], left)
    except CertdError:
        aside = place.with_suffix(".refused")
        place.rename(aside)
        click.echo(f"{place}: moved to {aside}")
        raise


def _step(argv: list[str], left: list[str]) -> None:
    """Run a command; its words go to whoever looks. Raises CertdError with what is left to do."""
    done = subprocess.run(argv, check=False)
    if done.returncode:
        raise CertdError(f"{shlex.join(argv)} failed (exit code {done.returncode})", hint=_hint(left))


def _hint(left: list[str]) -> str:
    commands = "; ".join(step.partition("    #")[0] for step in left)
    return f"nothing that was written is lost; when that is right, go on with: {commands}"
