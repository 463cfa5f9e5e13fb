"""``certd install-service``: units, user, groups and folders, from the files that the program carries."""

from __future__ import annotations

import grp
import ipaddress
import os
import pwd
import re
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import click

from certd.cli.context import path_of
from certd.cli.entry import DEFAULT_CONFIG
from certd.cli.output import warn
from certd.config.choices import known_choices
from certd.config.loader import load
from certd.config.secret_files import SERVICE_USER, references_in
from certd.errors import CertdError, ConfigurationError, UsageError
from certd.system.command import run
from certd.system.files import link_atomic, write_atomic
from certd.system.ownership import give_to, hand_over
from certd.system.package_data import shared_file
from certd.system.rights import as_user
from certd.targets.registry import KINDS
from certd.targets.root_copies import is_copied, root_copies_of
from certd.timefmt import counted

MARK = "Written by certd install-service; changes go into a drop-in (systemctl edit)."
STEP = timedelta(seconds=120)

UNITS = "etc/systemd/system"
SYSUSERS = "etc/sysusers.d/certd.conf"
TMPFILES = "etc/tmpfiles.d/certd.conf"
COMMAND = "usr/local/bin/certd"
STATE = "/var/lib/certd"
# Of sysusers.d/certd.conf.
READERS = "certd-read"
HELPER = "certd-reload@"
# Of tmpfiles.d/certd-reload.conf: what every proxy needs; the rest is for those whose site includes a copy.
STAMP_LINES = 2
DNS = "certd-dns.socket"

# ProtectHome= and PrivateTmp=.
CLOSED = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_PATH = re.compile(r"/[A-Za-z0-9/._@+-]{1,250}")
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
        config: The configuration that the service reads.
    """

    root: Path
    prefix: Path
    reload: tuple[str, ...] = ()
    polkit: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    config: Path = Path(DEFAULT_CONFIG)

    def path(self, name: str) -> Path:
        """A file of the system."""
        return self.root / name


@click.command("install-service")
@click.option("--reload", "reloads", multiple=True, metavar="PROXY", help="Let a root helper check and reload it.")
@click.option("--polkit", multiple=True, metavar="UNIT", help="Instead: let certd have systemd reload this unit.")
@click.option("--dns", multiple=True, metavar="ADDRESS", help="Have systemd bind port 53 there for the responder.")
@click.option("--uninstall", is_flag=True, help="Remove what was installed; state, configuration and user stay.")
@click.option("--root", type=click.Path(path_type=Path, file_okay=False, exists=True), default=Path("/"), hidden=True)
@click.pass_context
def install_service(
    context: click.Context,
    reloads: tuple[str, ...],
    polkit: tuple[str, ...],
    dns: tuple[str, ...],
    uninstall: bool,
    root: Path,
) -> None:
    """Install certd as a systemd service, or bring an installed one up to date.

    The service reads the configuration that --config names. What `certd once` made as root before becomes the service
    user's: the state folder, and the secrets beside the configuration.

    \b
    Examples:
      certd install-service --reload nginx        the usual case
      certd install-service --dns 192.0.2.10      certd answers DNS challenges itself
      certd install-service --uninstall
    """
    if os.geteuid() != 0:
        raise UsageError("only root can install a service", hint="sudo certd install-service ...")
    wanted = Wanted(root=root, prefix=Path(sys.prefix), reload=reloads, polkit=polkit, dns=dns)
    config = path_of(context)
    wanted = replace(wanted, config=config if str(config) != DEFAULT_CONFIG else installed_config(wanted))
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
    config = wanted.config
    if not _PATH.fullmatch(str(config)):
        raise UsageError(f"--config {config}: a unit cannot name it", hint="use letters, digits, dots and hyphens")
    if any(config.is_relative_to(closed) for closed in CLOSED):
        raise UsageError(f"{config}: the service's sandbox does not see it there", hint=f"move it to {DEFAULT_CONFIG}")
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


def installed_config(wanted: Wanted) -> Path:
    """The configuration that an installed service reads: an upgrade that names none must not change it."""
    unit = wanted.path(f"{UNITS}/certd.service")
    found = re.search(r"^ExecStart=.* --config (\S+) run$", unit.read_text(), re.MULTILINE) if unit.exists() else None
    return Path(found[1] if found else DEFAULT_CONFIG)


def install(wanted: Wanted, *, say_next: bool = True) -> None:
    """Write what differs, make user and folders, tell systemd. Twice is once. Raises CertdError."""
    changed = [place(wanted, name, text) for name, text in files(wanted).items()]
    _step(wanted, "systemd-sysusers", Path(SYSUSERS).name)
    folders = [Path(name).name for name in files(wanted) if "tmpfiles.d" in name]
    _step(wanted, "systemd-tmpfiles", "--create", *folders)
    give_to_service(wanted)
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
    if say_next:
        named = "" if str(wanted.config) == DEFAULT_CONFIG else f" --config {wanted.config}"
        begin = "" if wanted.path(str(wanted.config).lstrip("/")).exists() else f"certd{named} init, "
        click.echo(
            f"next: {begin}certd{named} config check, systemctl enable --now certd; "
            "after an upgrade: systemctl restart certd"
        )


def give_to_service(wanted: Wanted) -> None:
    """What root made before there was a service becomes the service user's: the state folder, whose published part is
    the readers' group's, and the secrets beside the configuration.

    Raises:
        UsageError: the service's user may not read the configuration.
    """
    if wanted.root != Path("/"):
        # An image: its users are not this machine's.
        return
    entry = pwd.getpwnam(SERVICE_USER)
    state = wanted.path(STATE.lstrip("/"))
    count = 0
    for folder in sorted(state.iterdir()):
        # The stamps and the answers in "reload" are as tmpfiles.d and the helpers make them.
        if folder.is_dir() and not folder.is_symlink() and folder.name not in {"public", "reload"}:
            count += hand_over(folder, entry.pw_uid, entry.pw_gid)
    readers = grp.getgrnam(READERS).gr_gid
    count += hand_over(state / "public", entry.pw_uid, readers, inherited=True)
    if count:
        click.echo(f"{state}: {counted(count, 'file')} of root's now {'belongs' if count == 1 else 'belong'} to certd")
    if not wanted.config.exists():
        return
    try:
        with as_user(entry.pw_uid, entry.pw_gid), wanted.config.open("rb"):
            pass
    except OSError as error:
        raise UsageError(
            f"{wanted.config}: the service's user {SERVICE_USER} may not read it: {error.strerror}",
            hint=f"let the group {SERVICE_USER} read it and enter its folders, or move it to {DEFAULT_CONFIG}",
        ) from error
    try:
        settings = load(wanted.config, known_choices())
    except ConfigurationError:
        warn(f"{wanted.config} has mistakes: certd config check")
        return
    if settings.state != Path(STATE):
        warn(f"certd.state is {settings.state}, and the service's sandbox lets it write {STATE} only")
    for reference in references_in(settings).values():
        scheme, _, name = reference.partition(":")
        file = settings.path.parent / name
        is_beside = scheme == "file" and file.parent == wanted.config.parent
        if is_beside and file.is_file() and not file.is_symlink() and give_to(file, SERVICE_USER):
            click.echo(f"{file}: is {SERVICE_USER}'s now")


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
    texts = {name: text.replace("/opt/certd/", f"{wanted.prefix}/") for name, text in texts.items()}
    if str(wanted.config) != DEFAULT_CONFIG:
        unit = f"{UNITS}/certd.service"
        command = f"{wanted.prefix}/bin/certd"
        texts[unit] = texts[unit].replace(f"={command} run", f"={command} --config {wanted.config} run")
    return texts


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
