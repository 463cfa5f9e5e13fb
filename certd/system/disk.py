"""Why nothing can be written to a file, found without writing."""

from __future__ import annotations

import os
from pathlib import Path

# Less than this is full: SQLite's journal needs a few pages for each transaction.
_LEAST_FREE = 64 * 1024


def why_not_writable(path: Path) -> str:
    """The reason as the predicate of a sentence, such as ``is on a file system that is read-only``; empty when none
    can be seen. Never raises.
    """
    try:
        status = os.statvfs(path)
        if status.f_flag & os.ST_RDONLY:
            return "is on a file system that is read-only"
        # What is reserved for root does not help the service.
        free = status.f_bfree if os.geteuid() == 0 else status.f_bavail
        if free * status.f_frsize < _LEAST_FREE:
            return "is on a file system that is full"
        if status.f_files and not status.f_ffree:
            return "is on a file system that has no free inode"
        if not os.access(path, os.W_OK):
            return "may not be written by this user"
        if not os.access(path.parent, os.W_OK | os.X_OK):
            return "lies in a folder that may not be written by this user"
    except OSError as error:
        return f"cannot be looked at: {error.strerror}"
    return ""
