"""``certd install-service``: units, user, groups and folders, from the files that the program carries."""

from __future__ import annotations

import ipaddress
import os
import re
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import click

from certd.cli.output import warn
from certd.errors import CertdError, UsageError
from certd.system.command import run
from certd.system.files import link_atomic, write_atomic
from certd.system.package_data import shared_file
from certd.targets.registry import KINDS
from certd.targets.root_copies import is_copied, root_copies_of

MARK = "Written by certd install-service; changes go into a drop-in (systemctl edit)."
STEP = timedelta(seconds=120)

UNITS = "etc/systemd/system"
SYSUSERS = "etc/sysusers.d/certd.conf"
TMPFILES = "etc/tmpfiles.d/certd.conf"
COMMAND = "usr/local/bin/certd"
STATE = "/var/lib/certd"
HELPER = "certd-reload@"
# Of tmpfiles.d/certd-reload.conf: what every proxy needs; the rest is for those whose site includes a copy.
STAMP_LINES = 2
DNS = "certd-dns.socket"

# ProtectHome= and PrivateTmp=.
CLOSED = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_UNIT = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9@:._-]{0,120}\.service")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be installed.

    Attributes:
        root: "/", or the root of an image that is being made.
        prefix: The virtual environment that the units run.
        reload: Proxies that a root helper reloads.
        polkit: Units that certd may have systemd reload by itself.
        dns: Addresses of port 53 that systemd binds for certd.
    """

    root: Path
    prefix: Path
    reload: tuple[str, ...] = ()
    polkit: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()

    def path(self, name: str) -> Path:
        """A file of the system."""
        return self.root / name


@click.command("install-service")
@click.option("--reload", "reloads", multiple=True, metavar="PROXY", help="Let a root helper check and reload it.")
@click.option("--polkit", multiple=True, metavar="UNIT", help="Instead: let certd have systemd reload this unit.")
@click.option("--dns", multiple=True, metavar="ADDRESS", help="Have systemd bind port 53 there for the responder.")
@click.option("--uninstall", is_flag=True, help="Remove what was installed; state, configuration and user stay.")
@click.option("--root", type=click.Path(path_type=Path, file_okay=False, exists=True), default=Path("/"), hidden=True)
def install_service(
    reloads: tuple[str, ...], polkit: tuple[str, ...], dns: tuple[str, ...], uninstall: bool, root: Path
) -> None:
    """Install certd as a systemd service, or bring an installed one up to date.

    \b
    Examples:
      certd install-service --reload nginx        the usual case
      certd install-service --dns 192.0.2.10      certd answers DNS challenges itself
      certd install-service --uninstall
    """
    if os.geteuid() != 0:
        raise UsageError("only root can install a service", hint="sudo certd install-service ...")
    wanted = Wanted(root=root, prefix=Path(sys.prefix), reload=reloads, polkit=polkit, dns=dns)
    if uninstall:
        remove(wanted)
        return
    judge(wanted)
    install(wanted)


def judge(wanted: Wanted) -> None:
    """Refuse what could not run, or what others could change under root's feet. Raises UsageError."""
    for name in wanted.reload:
        if not _NAME.fullmatch(name):
            raise UsageError(f"--reload {name}: is no proxy's name")
    for unit in wanted.polkit:
        if not _UNIT.fullmatch(unit):
            raise UsageError(f"--polkit {unit}: is no unit", hint="such as nginx.service")
    for address in wanted.dns:
        try:
            concrete = not ipaddress.ip_address(address.strip("[]")).is_unspecified
        except ValueError:
            concrete = False
        if not concrete:
            raise UsageError(f"--dns {address}: is no address of this machine", hint="such as 192.0.2.10")
    prefix = wanted.prefix
    if any(prefix.is_relative_to(closed) for closed in CLOSED):
        raise UsageError(f"{prefix}: the service's sandbox does not see it there", hint="python3 -m venv /opt/certd")
    if not (prefix / "bin" / "certd").exists():
        raise UsageError(f"{prefix}/bin/certd does not exist", hint="install certd into a virtual environment first")
    if others := next(changed_by_others(prefix), None):
        raise UsageError(
            f"{others}: others than root may change what root would run",
            hint=f"chown -R root:root {prefix} && chmod -R go-w {prefix}",
        )


def changed_by_others(prefix: Path) -> Iterator[Path]:
    """What root would run and others than root may change: everything in the virtual environment, the interpreter
    that it names, and the folders above both.
    """
    interpreter = (prefix / "bin" / "python").resolve()
    above = dict.fromkeys((*prefix.parents, interpreter, *interpreter.parents))
    yield from (path for path in above if path.exists() and _is_others(path.stat()))
    if _is_others(prefix.stat()):
        yield prefix
    for folder, folders, names in os.walk(prefix):
        for name in (*folders, *names):
            path = Path(folder, name)
            status = path.lstat()
            # A symbolic link has no mode of its own; what it leads to outside is judged where it is the interpreter.
            is_link = stat.S_ISLNK(status.st_mode)
            if status.st_uid != 0 if is_link else _is_others(status):
                yield path


def _is_others(status: os.stat_result) -> bool:
    by_others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not status.st_mode & stat.S_ISVTX
    return status.st_uid != 0 or bool(by_others)


def install(wanted: Wanted) -> None:
    """Write what differs, make user and folders, tell systemd. Twice is once. Raises CertdError."""
    changed = [place(wanted, name, text) for name, text in files(wanted).items()]
    _step(wanted, "systemd-sysusers", Path(SYSUSERS).name)
    folders = [Path(name).name for name in files(wanted) if "tmpfiles.d" in name]
    _step(wanted, "systemd-tmpfiles", "--create", *folders)
    command = wanted.path(COMMAND)
    if not command.exists() or command.is_symlink():
        command.parent.mkdir(parents=True, exist_ok=True)
        link_atomic(command, str(wanted.prefix / "bin" / "certd"))
    if _is_live(wanted):
        _step(wanted, "systemctl", "daemon-reload")
    if wanted.dns:
        # Not started: it comes with certd.service.
        _step(wanted, "systemctl", "enable", DNS)
    for name in wanted.reload:
        now = ("--now",) if _is_live(wanted) else ()
        _step(wanted, "systemctl", "enable", *now, f"{HELPER}{name}.path")
    for name in wanted.reload:
        if name not in KINDS:
            warn(f"{name} is no kind that certd knows: say CERTD_KIND or CERTD_UNIT in {HELPER}{name}.service")
    for name in (each for each in wanted.reload if is_copied(each)):
        _tell_of_copies(name)
    if wanted.polkit and not wanted.reload and any(wanted.path("var/lib/certd-reload").glob("*/*")):
        warn(
            "without the root helper nobody updates the files below /var/lib/certd-reload: remove that folder, restart "
            "certd, and replace each site that includes one by what certd proxy-config prints"
        )
    if not any(changed):
        click.echo("everything was in place already")
    click.echo(
        "next: certd init, certd config check, systemctl enable --now certd; after an upgrade: systemctl restart certd"
    )


def _tell_of_copies(name: str) -> None:
    """What the proxy's site includes, and what to do where it includes certd's own file from before."""
    click.echo(f"{name}'s site includes {root_copies_of(Path(STATE), name)}/LINK.conf: certd proxy-config LINK")
    old = f"{STATE}/public/proxies/{name}/"
    click.echo(f"A site that includes a file below {old} goes on working. Change it: root obeys what it includes.")


def files(wanted: Wanted) -> dict[str, str]:
    """What is written, by path below the root."""
    texts = {
        f"{UNITS}/certd.service": shared_file("systemd/certd.service"),
        f"{UNITS}/{HELPER}.path": shared_file(f"systemd/{HELPER}.path"),
        f"{UNITS}/{HELPER}.service": shared_file(f"systemd/{HELPER}.service"),
        SYSUSERS: shared_file("systemd/sysusers.d/certd.conf"),
        TMPFILES: shared_file("systemd/tmpfiles.d/certd.conf"),
    }
    stamp = shared_file("systemd/tmpfiles.d/certd-reload.conf")
    without_copies = "\n".join(stamp.splitlines()[:STAMP_LINES]) + "\n"
    for name in wanted.reload:
        lines = stamp if is_copied(name) or name not in KINDS else without_copies
        texts[f"etc/tmpfiles.d/certd-reload-{name}.conf"] = lines.replace("NAME", name)
    rule = shared_file("systemd/polkit-1/certd.rules")
    for unit in wanted.polkit:
        texts[f"etc/polkit-1/rules.d/60-certd-{unit}.rules"] = rule.replace("nginx.service", unit)
    if wanted.dns:
        kept = [line for line in shared_file(f"systemd/{DNS}").splitlines() if not line.startswith("Listen")]
        at = kept.index("[Socket]") + 1
        kept[at:at] = [line for address in wanted.dns for line in _listen(address)]
        texts[f"{UNITS}/{DNS}"] = "\n".join(kept) + "\n"
    return {name: text.replace("/opt/certd/", f"{wanted.prefix}/") for name, text in texts.items()}


def _listen(address: str) -> tuple[str, str]:
    bare = address.strip("[]")
    at = f"[{bare}]:53" if ":" in bare else f"{bare}:53"
    return f"ListenDatagram={at}", f"ListenStream={at}"


def place(wanted: Wanted, name: str, text: str) -> bool:
    """Write a file with our mark; False where it is as it should be. Raises UsageError for somebody else's."""
    path = wanted.path(name)
    data = f"{'//' if name.endswith('.rules') else '#'} {MARK}\n{text}"
    before = path.read_text() if path.exists() else ""
    if before == data:
        return False
    if before and MARK not in before:
        raise UsageError(f"{path}: is there and not certd's", hint="move it away")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, data.encode(), mode=0o644)
    click.echo(f"wrote {path}")
    return True


def remove(wanted: Wanted) -> None:
    """Stop and remove what install wrote, and nothing else. Raises CertdError."""
    units = wanted.path(UNITS)
    if _is_live(wanted):
        run(("systemctl", "disable", "--now", "certd.service", DNS, *_helpers(wanted)), deadline=STEP)
    found = [
        *units.glob("certd*"),
        *wanted.path("etc/tmpfiles.d").glob("certd*"),
        wanted.path(SYSUSERS),
        *wanted.path("etc/polkit-1/rules.d").glob("60-certd-*"),
    ]
    for path in found:
        if path.is_file() and not path.is_symlink() and MARK in path.read_text():
            path.unlink()
            click.echo(f"removed {path}")
    command = wanted.path(COMMAND)
    if command.is_symlink() and os.readlink(command) == str(wanted.prefix / "bin" / "certd"):
        command.unlink()
    if _is_live(wanted):
        _step(wanted, "systemctl", "daemon-reload")
    if any(wanted.path("var/lib/certd-reload").glob("*/*")):
        warn("sites that include a file below /var/lib/certd-reload get no new certificate from now on: change them")
    click.echo("kept: /var/lib/certd, /var/lib/certd-reload, /etc/certd, user and groups")
    click.echo(f"what is left of the program: rm -r {wanted.prefix}")


def _helpers(wanted: Wanted) -> Sequence[str]:
    stamps = wanted.path("etc/tmpfiles.d").glob("certd-reload-*.conf")
    return [f"{HELPER}{path.stem.removeprefix('certd-reload-')}.path" for path in stamps]


def _is_live(wanted: Wanted) -> bool:
    """Whether systemd runs here, and what is installed is for it."""
    return wanted.root == Path("/") and Path("/run/systemd/system").is_dir()


def _step(wanted: Wanted, *argv: str) -> None:
    if wanted.root != Path("/"):
        argv = (argv[0], f"--root={wanted.root}", *argv[1:])
    done = run(argv, deadline=STEP)
    if done.code != 0 or done.timed_out:
        raise CertdError(f"{' '.join(argv)} failed: {done.output.strip()[-500:]}")
