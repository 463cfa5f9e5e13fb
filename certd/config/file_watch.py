"""Noticing that the configuration's files have changed: a ConfigMap is replaced without anybody sending a signal.

A changed ConfigMap is a symbolic link (``..data``) that names another folder; an editor renames or writes in place. So
what is compared is what the names lead to: identity, size and time first, the bytes only where these differ.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

from certd.config.files import MOST_FILE, files_of
from certd.system.regular_file import open_regular

# Younger files may still be in an editor's, or a copy's, hands.
SETTLED_SECONDS = 2.0

Fingerprints = tuple[tuple[str, int, int, int], ...]


class ConfigWatch:
    """What the files of a configuration were when they were last read."""

    def __init__(self, path: Path, patterns: Iterable[str]) -> None:
        self._path = path
        self._patterns = tuple(patterns)
        self._marks = self._looked()
        self._digest = self._read()

    def has_changed(self) -> bool:
        """Whether something else stands in them than at the last call, or at the start. A file that is being written
        has not changed yet.
        """
        marks = self._looked()
        if marks == self._marks:
            return False
        newest = max((mark[2] for mark in marks), default=0) / 1e9
        if 0 <= time.time() - newest < SETTLED_SECONDS:
            return False
        digest, before = self._read(), self._digest
        self._marks, self._digest = marks, digest
        return digest != before

    def follow(self, patterns: Iterable[str]) -> None:
        """They were read just now, by whoever asked for it, and name these other files."""
        self._patterns = tuple(patterns)
        self._marks, self._digest = self._looked(), self._read()

    def _files(self) -> list[Path]:
        found = {self._path}
        for pattern in self._patterns:
            # A folder may have been closed, or a name become too long, since the pattern was read.
            with contextlib.suppress(ValueError):
                found |= set(files_of(self._path.parent, pattern))
        return sorted(found)

    def _looked(self) -> Fingerprints:
        marks = []
        for path in self._files():
            try:
                status = os.stat(path)
            except OSError:
                marks.append((str(path), 0, 0, 0))
                continue
            marks.append((str(path), status.st_ino, status.st_mtime_ns, status.st_size))
        return tuple(marks)

    def _read(self) -> str:
        digest = hashlib.sha256()
        for path in self._files():
            digest.update(f"{path}\0".encode())
            try:
                with open_regular(path) as file:
                    digest.update(hashlib.sha256(file.read(MOST_FILE)).digest())
            except OSError:
                digest.update(b"-")
        return digest.hexdigest()
