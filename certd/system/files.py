"""Files that are either as they were or as they should be, never anything between (design.md, Never overwrite)."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from certd.errors import TargetError

MOST_BYTES = 4 * 1024 * 1024
# What stands for users and groups that a user namespace does not know (/proc/sys/kernel/overflowgid).
NOBODY = 65534

SAFE_NAME = re.compile(r"[a-z0-9_][a-z0-9._-]{0,252}")


def safe_name(name: str) -> str:
    """A link's name as a file name: ``*`` becomes ``_wildcard``; whatever else is odd is refused.

    Raises:
        TargetError: the name could leave its folder, hide, or surprise a proxy.
    """
    safe = name.lower().replace("*", "_wildcard")
    # Some letters that are no ASCII become ASCII as small ones: the Kelvin sign is no second name for "k".
    if not name.isascii() or not SAFE_NAME.fullmatch(safe) or ".." in safe:
        raise TargetError(f"{name!r} cannot be a file name")
    return safe


def write_atomic(path: Path, data: bytes, *, mode: int = 0o600, group: int | None = None) -> None:
    """Write a temporary file beside it, complete and synced, mode and group set, then rename it into place.

    The temporary one is a dot-file: HAProxy loads every other file of a folder. It is never readable by more than it
    will be: created 0600, its group before its mode.

    Raises:
        TargetError: nothing was changed; the disk is full, the folder is not ours, ...
    """
    temporary = _beside(path)
    try:
        try:
            _write_new(temporary, data, mode=mode, group=group)
            os.rename(temporary, path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        sync_folder(path.parent)
    except (OSError, ValueError) as error:
        raise TargetError(f"{path}: cannot be written: {_words(error)}", hint=_hint(error)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """One of several files that are replaced together; None: whoever we are."""

    path: Path
    data: bytes
    mode: int
    owner: int | None = None
    group: int | None = None

    def is_there(self) -> bool:
        """Whether it lies there already as it should be: content, mode, owner and group."""
        try:
            status = os.stat(self.path, follow_symlinks=False)
            same = stat.S_ISREG(status.st_mode) and stat.S_IMODE(status.st_mode) == self.mode
            same = same and self.owner in {None, status.st_uid}
            same = same and (self.group is None or _is_groups(status, self.group))
            return same and read_bounded(self.path) == self.data
        except (OSError, ValueError, TargetError):
            return False


def write_together(files: Sequence[NewFile]) -> None:
    """Replace several files: all are complete beside their places before the first is renamed into its own. Where a
    rename fails in the middle (a place that is a mount of its own), those before it are put back.

    Raises:
        TargetError: nothing was changed.
    """
    temporaries = [_beside(file.path) for file in files]
    backups: list[Path | None] = []
    replaced: list[tuple[Path, Path | None]] = []
    where = files[0].path if files else Path("/")
    try:
        try:
            for file, temporary in zip(files, temporaries, strict=True):
                where = file.path
                _write_new(temporary, file.data, mode=file.mode, group=file.group, owner=file.owner)
            for file, temporary in zip(files, temporaries, strict=True):
                where = file.path
                backups.append(_kept(file.path))
                os.rename(temporary, file.path)
                replaced.append((file.path, backups[-1]))
        except (OSError, ValueError):
            for place, backup in replaced:
                os.rename(backup, place) if backup is not None else place.unlink(missing_ok=True)
            raise
        finally:
            for leftover in [*temporaries, *(backup for backup in backups if backup is not None)]:
                with contextlib.suppress(OSError, ValueError):
                    leftover.unlink()
        for folder in dict.fromkeys(file.path.parent for file in files):
            sync_folder(folder)
    except (OSError, ValueError) as error:
        raise TargetError(f"{where}: cannot be written: {_words(error)}", hint=_hint(error)) from error


def _kept(path: Path) -> Path | None:
    """A second name for what lies there, so that it can be put back; None where nothing does."""
    backup = _beside(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    try:
        os.link(path, backup, follow_symlinks=False)
    except FileNotFoundError:
        return None
    except OSError:
        # A kernel with protected_hardlinks lets nobody link another's file: a copy does as well.
        _write_new(backup, path.read_bytes(), mode=stat.S_IMODE(path.stat().st_mode), group=None)
    return backup


def _beside(path: Path) -> Path:
    """A dot-file in the same folder. Its name is short: one made from the name might be too long where that is not."""
    return path.parent / f".{secrets.token_hex(8)}.tmp"


def _words(error: OSError | ValueError) -> str:
    """The system's; a name that holds a zero byte never gets as far as the system, and is a ValueError."""
    return str((isinstance(error, OSError) and error.strerror) or error)


def _hint(error: OSError | ValueError) -> str:
    """What the operator can do about it; empty where the words say it already."""
    return "move away what lies there" if isinstance(error, IsADirectoryError | NotADirectoryError) else ""


def _write_new(path: Path, data: bytes, *, mode: int, group: int | None, owner: int | None = None) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(data)
        while view:
            # On a full disk os.write takes a part and raises nothing.
            view = view[os.write(descriptor, view) :]
        if group is not None:
            _give(descriptor, group, path.parent)
        if owner is not None:
            os.fchown(descriptor, owner, -1)
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _give(what: int | Path, group: int, folder: Path) -> None:
    """Make something the group's, unless it is that already because its folder is set-group-id.

    In a user namespace (systemd's PrivateUsers=, rootless containers) a group that is not mapped can neither be seen
    nor given, but it is inherited. Raises OSError, with words where nothing is to be inherited.
    """
    status = os.stat(what, follow_symlinks=isinstance(what, int))
    if status.st_gid == group:
        return
    if _is_foreign(group):
        if os.stat(folder).st_mode & stat.S_ISGID:
            return
        raise PermissionError(errno.EPERM, f"group {group} is outside this sandbox, and {folder} does not pass it on")
    os.chown(what, -1, group, follow_symlinks=isinstance(what, int))


def _is_groups(status: os.stat_result, group: int) -> bool:
    """Whether something is the group's, as far as can be seen: in a user namespace every strange group looks alike."""
    return status.st_gid == group or (status.st_gid == NOBODY and _is_foreign(group))


def _is_foreign(group: int) -> bool:
    """Whether this user namespace does not know the group."""
    try:
        with open("/proc/self/gid_map", encoding="ascii") as file:
            ranges = [tuple(int(part) for part in line.split()) for line in file]
    except (OSError, ValueError):
        return False
    return bool(ranges) and not any(first <= group < first + count for first, _, count in ranges)


def write_folder(path: Path, files: Mapping[str, bytes], *, mode: int, file_mode: int, group: int | None) -> None:
    """Make a folder with these files complete under a dot-name, then rename it into place.

    A folder that is there already is left as it is: what is written this way never changes.

    Raises:
        TargetError: nothing was changed.
    """
    if os.path.isdir(path):
        return
    temporary = _beside(path)
    try:
        try:
            os.mkdir(temporary, 0o700)
            for name, data in files.items():
                _write_new(temporary / name, data, mode=file_mode, group=group)
            if group is not None:
                _give(temporary, group, path.parent)
            os.chmod(temporary, mode)
            sync_folder(temporary)
            os.rename(temporary, path)
        except OSError:
            shutil.rmtree(temporary, ignore_errors=True)
            if os.path.isdir(path):
                return
            raise
        sync_folder(path.parent)
    except (OSError, ValueError) as error:
        raise TargetError(f"{path}: cannot be written: {_words(error)}") from error


def make_folder(path: Path, *, mode: int, group: int | None = None) -> None:
    """Make a folder and its parents; the last one gets this mode and group, also when it was there.

    Raises:
        TargetError: it cannot be made, is somebody else's, or something else is there: a file, a symbolic link.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            # Empty, so nothing can be read in it. In a set-group-id folder it is as it should be at once, which a
            # sandbox with RestrictSUIDSGID= needs: there nobody may set that bit.
            os.mkdir(path, mode & 0o777)
        status = os.stat(path, follow_symlinks=False)
        if not stat.S_ISDIR(status.st_mode):
            raise TargetError(f"{path}: cannot be made: something else is there", hint="move it away")
        if group is not None and status.st_gid != group and not (status.st_mode & stat.S_ISGID and _is_foreign(group)):
            _give(path, group, path.parent)
        if status.st_mode & 0o7777 != mode:
            os.chmod(path, mode)
    except (OSError, ValueError) as error:
        raise TargetError(f"{path}: cannot be made: {_words(error)}", hint="who owns it?") from error


def link_atomic(path: Path, target: str) -> None:
    """Make ``path`` a symbolic link to ``target`` by rename. Raises TargetError."""
    temporary = _beside(path)
    try:
        os.symlink(target, temporary)
        os.rename(temporary, path)
        sync_folder(path.parent)
    except (OSError, ValueError) as error:
        with contextlib.suppress(OSError, ValueError):
            temporary.unlink()
        raise TargetError(f"{path}: cannot be linked: {_words(error)}") from error


def read_bounded(path: Path, most: int = MOST_BYTES) -> bytes:
    """A file's bytes, at most so many, never through a symbolic link in its last part.

    Raises:
        TargetError: it is not there, not readable, too large, or no file: nobody waits for what a pipe may bring.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise TargetError(f"{path}: cannot be read: this is no file")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                data = file.read(most + 1)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        raise TargetError(f"{path}: cannot be read: {_words(error)}") from error
    if len(data) > most:
        raise TargetError(f"{path}: larger than {most} bytes")
    return data


def sync_folder(path: Path) -> None:
    """Make names in a folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
