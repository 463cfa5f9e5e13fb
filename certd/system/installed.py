"""Whether the packages that this process runs were replaced since it started.

Some modules are imported long after the start: the ACME stack by the first order, a record type by dnspython when it
first sees one. After an upgrade they are of another version, which may not fit what is in memory, or are gone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

FOLDERS = ("site-packages", "dist-packages")


class Installed:
    """What the folders of packages looked like when this was made.

    pip and dpkg put a package into place by renaming, and the name of its metadata holds its version: whatever is
    installed, upgraded or removed leaves another time of change on the folder. So does a package that has nothing to do
    with certd: by itself a change means nothing.

    Args:
        path: Where modules are looked for; the folders on it that hold packages are watched.
    """

    def __init__(self, path: Iterable[str] | None = None) -> None:
        entries = sys.path if path is None else path
        self._folders = tuple(folder for folder in map(Path, entries) if folder.name in FOLDERS)
        self._marks = self._looked()

    def has_changed(self) -> bool:
        """Whether something was installed, upgraded or removed since."""
        return self._looked() != self._marks

    def _looked(self) -> tuple[tuple[int, int], ...]:
        marks = []
        for folder in self._folders:
            try:
                status = folder.stat()
            except OSError:
                marks.append((0, 0))
                continue
            marks.append((status.st_ino, status.st_mtime_ns))
        return tuple(marks)
