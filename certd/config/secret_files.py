"""Why a secret file cannot be read, in words: the path, its owner and mode, the user that certd runs as, and the
commands that open it.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import shlex
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from certd.config.settings import Settings
from certd.errors import Finding, SecretUnreadable
from certd.system.regular_file import open_regular
from certd.system.rights import as_user

# Of the unit that `certd install-service` writes.
SERVICE_USER = "certd"


def unreadable(path: Path, reference: str, error: OSError) -> SecretUnreadable:
    """The failure of reading ``path`` as this process's user, with the way out."""
    user, group = user_name(os.geteuid()), group_name(os.getegid())
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return SecretUnreadable(
            f"{reference}: cannot be read: {path} does not exist (certd runs as {user})",
            hint=f"write the secret into {path}, then: {opening(path, user)}",
        )
    if (folder := closed_folder(path)) is not None:
        return SecretUnreadable(
            f"{reference}: cannot be read: certd runs as {user}, and may not enter {folder} ({owner_and_mode(folder)})",
            hint=f"chgrp {shlex.quote(group)} {shlex.quote(str(folder))} && chmod g+x {shlex.quote(str(folder))}",
        )
    if error.errno == errno.EACCES:
        return SecretUnreadable(
            f"{reference}: cannot be read: certd runs as {user}, and may not read {path} ({owner_and_mode(path)})",
            hint=opening(path, user),
        )
    return SecretUnreadable(f"{reference}: cannot be read: {path}: {error.strerror} (certd runs as {user})")


def opening(path: Path, user: str) -> str:
    """The commands that let this user, and nobody else, read a file."""
    file = shlex.quote(str(path))
    return f"chown {shlex.quote(user)} {file} && chmod 0600 {file}"


def closed_folder(path: Path) -> Path | None:
    """The first folder on the way to ``path`` that this process's user may not enter."""
    for folder in reversed(path.parents):
        if not os.access(folder, os.X_OK, effective_ids=True):
            return folder
    return None


def owner_and_mode(path: Path) -> str:
    """``owner root:root, mode 0600``; empty of facts where the file cannot be looked at."""
    try:
        status = path.stat()
    except OSError as error:
        return str(error.strerror)
    mode = stat.S_IMODE(status.st_mode)
    return f"owner {user_name(status.st_uid)}:{group_name(status.st_gid)}, mode {mode:04o}"


def user_name(number: int) -> str:
    """A user's name; the number where it has none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def group_name(number: int) -> str:
    """A group's name; the number where it has none."""
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def references_in(settings: Settings) -> dict[str, str]:
    """The references to secrets of a configuration, by key path."""
    found = {
        "certd.store_password": settings.store_password,
        "certd.listen_password": settings.listen_password,
        "certd.metrics_password": settings.metrics_password,
        "alarms.webhook": settings.alarms.webhook.reveal(),
        "alarms.smtp_password": settings.alarms.smtp_password,
        "alarms.ping": settings.alarms.ping.reveal(),
    }
    found |= {f"certd.seal[{index}]": text for index, text in enumerate(settings.seal)}
    found |= {f"alarms.apprise[{index}]": text.reveal() for index, text in enumerate(settings.alarms.apprise)}
    for index, route in enumerate(settings.alarms.routes):
        where = f"alarms.route[{index}]"
        found |= {f"{where}.webhook": route.webhook.reveal(), f"{where}.smtp_password": route.smtp_password}
        found |= {f"{where}.apprise[{number}]": text.reveal() for number, text in enumerate(route.apprise)}
    found |= {f"issuer.{name}.eab.hmac": issuer.eab_hmac for name, issuer in settings.issuers.items()}
    for name, dns in settings.dns.items():
        found |= _texts(f"dns.{name}", dns.table)
    return {path: text for path, text in found.items() if text.partition(":")[0] in {"file", "env", "credential"}}


def _texts(path: str, value: object) -> dict[str, str]:
    """The texts of a table and of the tables in it; a list (a command's words) holds no secret."""
    if isinstance(value, str):
        return {path: value}
    found: dict[str, str] = {}
    if isinstance(value, Mapping):
        for name, each in value.items():
            found |= _texts(f"{path}.{name}", each)
    return found


@dataclass(frozen=True, slots=True)
class SecretFindings:
    """What ``certd config check`` says of secrets.

    Attributes:
        user: The user that certd runs as, by the owner of its state folder or by its unit.
        readable: How many files this user can read.
        wrong: Those that it cannot read.
        open: Those that others may read, too.
        unknown: Those that cannot be judged from here.
    """

    user: str
    readable: int
    wrong: tuple[Finding, ...]
    open: tuple[Finding, ...]
    unknown: tuple[Finding, ...]


def judge_secrets(settings: Settings) -> SecretFindings:
    """Read each secret file as the user that certd runs as; root can become that user for a moment."""
    user, group = service_user(settings)
    may_judge = os.geteuid() in {0, user}
    readable = 0
    wrong, open_, unknown = list[Finding](), list[Finding](), list[Finding]()
    for path, reference in references_in(settings).items():
        scheme, _, name = reference.partition(":")
        if scheme != "file":
            hint = "only the running service has it"
            unknown.append(Finding(path=path, message=f"{reference} is not judged here", hint=hint))
            continue
        file = settings.path.parent / name
        try:
            with as_user(user, group) if may_judge else contextlib.nullcontext():
                try:
                    with open_regular(file) as stream:
                        stream.read(1)
                except OSError as error:
                    raise unreadable(file, reference, error) from error
        except SecretUnreadable as error:
            if may_judge:
                wrong.append(Finding(path=path, message=str(error), hint=error.hint))
            else:
                message = f"{reference}: whether {user_name(user)} may read it cannot be judged by this user"
                unknown.append(Finding(path=path, message=message, hint="use sudo"))
            continue
        readable += 1
        if file.stat().st_mode & stat.S_IROTH:
            message = f"{reference}: every user of this machine may read {file} ({owner_and_mode(file)})"
            open_.append(Finding(path=path, message=message, hint=opening(file, user_name(user))))
    return SecretFindings(user_name(user), readable, tuple(wrong), tuple(open_), tuple(unknown))


def service_user(settings: Settings) -> tuple[int, int]:
    """The user and group that certd runs as: the owner of its state folder, else the user of its unit."""
    with contextlib.suppress(OSError):
        status = settings.state.stat()
        return status.st_uid, status.st_gid
    with contextlib.suppress(KeyError):
        entry = pwd.getpwnam(SERVICE_USER)
        return entry.pw_uid, entry.pw_gid
    return os.geteuid(), os.getegid()
