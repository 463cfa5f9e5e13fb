"""Becoming another user, as whom everything is written, without losing what only root could give."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
from collections.abc import Iterator

# prctl(2), capabilities(7), capset(2).
_PR_SET_KEEPCAPS = 8
_CAP_NET_BIND_SERVICE = 10
_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Set(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def become(user: int, group: int) -> None:
    """Give up root's rights for a user's, all but one: to bind ports below 1024, which the responder needs where no
    socket unit gives it port 53. Programs that are started do not inherit it. Before the first thread.

    Args:
        group: For a number that this machine has no name for: a container's user on a shared volume. Who has a name has
            his own groups.

    Raises OSError.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    try:
        entry = pwd.getpwuid(user)
    except KeyError:
        os.setgroups([group])
        os.setgid(group)
    else:
        os.initgroups(entry.pw_name, entry.pw_gid)
        os.setgid(entry.pw_gid)
    os.setuid(user)
    bind = 1 << _CAP_NET_BIND_SERVICE
    header, wanted = _Header(_VERSION_3, 0), (_Set * 2)(_Set(bind, bind, 0), _Set(0, 0, 0))
    if libc.capset(ctypes.byref(header), wanted) != 0:
        # A container that lacks it: then it is nobody's here. The others go in any case.
        libc.capset(ctypes.byref(header), (_Set * 2)(_Set(0, 0, 0), _Set(0, 0, 0)))


@contextlib.contextmanager
def as_user(user: int, group: int) -> Iterator[None]:
    """What is opened inside is opened with this user's rights; only root can do so. Not for a process with threads.

    Args:
        group: For a number that this machine has no name for.
    """
    before = os.geteuid(), os.getegid(), os.getgroups()
    if before[0] != 0 or user == 0:
        yield
        return
    try:
        entry = pwd.getpwuid(user)
    except KeyError:
        groups = [group]
    else:
        group, groups = entry.pw_gid, os.getgrouplist(entry.pw_name, entry.pw_gid)
    try:
        os.setgroups(groups)
        os.setegid(group)
        os.seteuid(user)
        yield
    finally:
        os.seteuid(before[0])
        os.setegid(before[1])
        os.setgroups(before[2])
