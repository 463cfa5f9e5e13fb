"""Files that somebody else may have placed: opened without blocking, and only where they are regular files.

A FIFO in the place of a file makes a plain ``open`` wait for ever, a device answers without end, and a file with a
second name is somebody else's too. What is opened is judged by its descriptor, so nobody can swap it in between.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFDIR: "a directory",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@contextmanager
def open_regular(path: str | Path, *, follow: bool = True) -> Iterator[BinaryIO]:
    """A regular file, open for reading.

    Args:
        follow: Through symbolic links, as in Kubernetes' and certbot's trees.

    Raises:
        OSError: it cannot be opened, or is no regular file; ``strerror`` says what it is.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    descriptor = os.open(path, flags)
    try:
        judge(descriptor)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


def read_regular(path: str | Path, most: int) -> bytes:
    """The first ``most`` bytes of a regular file. Raises OSError as ``open_regular``."""
    with open_regular(path) as file:
        return file.read(most)


def open_own(path: str | Path, *, mode: int, access: int = os.O_RDWR) -> int:
    """A descriptor for writing in place, of a file that has one name only; made where there is none.

    Args:
        mode: Of a file that is made.
        access: ``os.O_WRONLY`` where the file need not be readable.

    Raises:
        OSError: it cannot be opened, is a symbolic link or no regular file, or has a second name: writing would change
            somebody else's file.
    """
    flags = access | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, mode)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "is a symbolic link; remove it") from error
        raise
    try:
        names = judge(descriptor).st_nlink
        if names > 1:
            raise OSError(errno.EMLINK, f"has {names} names (hard links); remove it")
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def judge(descriptor: int) -> os.stat_result:
    """What is open; raises OSError where it is no regular file."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        kind = KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        number = errno.EISDIR if stat.S_ISDIR(status.st_mode) else errno.EINVAL
        raise OSError(number, f"is {kind}, not a regular file")
    return status
