"""A program at a terminal of its own: keys in, what the screen was sent out."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType

# Wide enough that no line of a test wraps.
ROWS, COLUMNS = 50, 200

# Colours, cursor movements, window titles: what a terminal would not show as text.
CONTROL = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\[[0-9;:?<>=]*[ -/]*[@-~]|\x1b[()][A-Z0-9]|\x1b[=>78]"
    r"|[\x00-\x09\x0b-\x1f]"
)


class Terminal:
    """Starts a program at once; it is ended with its terminal."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        self._pid, self._master = pty.fork()
        if self._pid == 0:
            try:
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
                os.execvpe(argv[0], list(argv), dict(environment))  # noqa: S606
            finally:
                os._exit(127)
        self._seen = ""

    def press(self, keys: str) -> None:
        """Type; what was shown before is not waited for any more."""
        self._seen = ""
        os.write(self._master, keys.encode())

    def wait_for(self, pattern: str, seconds: float = 30.0) -> re.Match[str]:
        """Wait until what was shown since the last keys has it. Raises AssertionError with what was shown instead."""
        end = time.monotonic() + seconds
        while True:
            shown = CONTROL.sub("", self._seen)
            if found := re.search(pattern, shown):
                return found
            ready, _, _ = select.select([self._master], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise AssertionError(f"{pattern!r} was not shown within {seconds:g} s, but: {shown!r}")
            try:
                chunk = os.read(self._master, 65536)
            except OSError:
                chunk = b""
            if not chunk:
                raise AssertionError(f"it ended without {pattern!r}: {shown!r}")
            self._seen += chunk.decode(errors="replace")

    def close(self) -> None:
        """Hang up."""
        os.kill(self._pid, signal.SIGKILL)
        os.close(self._master)
        os.waitpid(self._pid, 0)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
