"""One certd per state folder, held by the kernel: a dead process leaves no lock behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

from certd.errors import CertdError, StateTaken
from certd.system.regular_file import open_own

# In the private folder of a state folder.
LOCK_FILE = "certd.lock"

# Who only looks whether it is taken holds it for an instant; that is no other certd.
MOMENT = 0.2


class StateLock:
    """``flock`` on a file in the state folder. The file stays; who holds it is written in it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self) -> None:
        """Take it or say who has it.

        Raises:
            StateTaken: another certd works on this state folder.
            CertdError: it cannot be locked at all.
        """
        try:
            descriptor = open_own(self._path, mode=0o600)
        except OSError as error:
            raise CertdError(f"{self._path}: cannot be locked: {error.strerror}", hint="who owns it?") from error
        try:
            _lock(descriptor)
        except OSError as error:
            holder = os.pread(descriptor, 64, 0).decode(errors="replace").strip()
            os.close(descriptor)
            if not isinstance(error, BlockingIOError):
                raise CertdError(f"{self._path}: cannot be locked: {error.strerror}") from error
            raise StateTaken(
                f"another certd (process {holder or 'unknown'}) works on {self._path.parent}",
                hint="ask it instead: `certd renew` and `certd status` do so by themselves",
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give it back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def is_taken(self) -> bool:
        """Whether another process holds it now."""
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return True
            finally:
                os.close(descriptor)
        return False


def _lock(descriptor: int) -> None:
    """Raises BlockingIOError when somebody has held it for longer than a moment."""
    deadline = time.monotonic() + MOMENT
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
