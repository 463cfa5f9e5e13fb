"""Giving what root wrote to the service's user, without being led astray by what lies in a folder of that user's."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

# A folder whose group is inherited by what is written in it.
_SET_GROUP_ID = 0o2000


def give_to(path: Path, user: str) -> str:
    """Make one of root's files a user's; its mode stays.

    Returns:
        The user; empty where there is no such user, or this process is not root and the file stays its own.
    """
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        return ""
    if os.geteuid() != 0:
        return ""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not _is_roots_file(os.fstat(descriptor)):
            return ""
        os.fchown(descriptor, entry.pw_uid, entry.pw_gid)
    finally:
        os.close(descriptor)
    return user


def hand_over(folder: Path, user: int, group: int, *, inherited: bool = False) -> int:
    """Make everything of root's below a folder a user's and a group's. Links are not followed, and a file with a second
    name is left alone: it may be another folder's.

    Args:
        inherited: The folders pass their group on, and whatever lies in them becomes the group's, whose it was before.

    Returns:
        How many things changed.

    Raises OSError.
    """
    changed = 0
    for _, folders, files, here in os.fwalk(folder, follow_symlinks=False):
        changed += _give_folder(here, user, group, inherited=inherited)
        for name in (*files, *folders):
            status = os.stat(name, dir_fd=here, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode) or not _is_wrong(status, user, group, inherited=inherited):
                continue
            if not stat.S_ISREG(status.st_mode):
                os.chown(name, user, group, dir_fd=here, follow_symlinks=False)
                changed += 1
                continue
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=here)
            try:
                status = os.fstat(descriptor)
                if status.st_nlink == 1 and stat.S_ISREG(status.st_mode):
                    os.fchown(descriptor, user, group)
                    changed += 1
            finally:
                os.close(descriptor)
    return changed


def _give_folder(descriptor: int, user: int, group: int, *, inherited: bool) -> int:
    status = os.fstat(descriptor)
    mode = stat.S_IMODE(status.st_mode)
    wanted = mode | _SET_GROUP_ID if inherited else mode
    if not _is_wrong(status, user, group, inherited=inherited) and mode == wanted:
        return 0
    if status.st_uid not in {0, user}:
        return 0
    os.fchown(descriptor, user, group)
    os.fchmod(descriptor, wanted)
    return 1


def _is_wrong(status: os.stat_result, user: int, group: int, *, inherited: bool) -> bool:
    return status.st_uid == 0 or (inherited and status.st_uid == user and status.st_gid != group)


def _is_roots_file(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and status.st_uid == 0 and status.st_nlink == 1
