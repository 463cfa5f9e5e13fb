"""A real server as a child process, stopped by the id it got."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType


class Process:
    """Starts a program with its output in a file; ends it, its children too, when the context is left."""

    def __init__(
        self, argv: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        self.argv = list(argv)
        self.log = log
        self._env = {**os.environ, **(env or {})}
        self._cwd = cwd
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> Process:
        """Start it."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._env,
                cwd=self._cwd,
                start_new_session=True,
            )
        return self

    def wait_for_port(self, port: int, *, host: str = "127.0.0.1", seconds: float = 60.0) -> None:
        """Until something accepts TCP connections there."""
        self.wait_until(lambda: answers(host, port), seconds=seconds, what=f"port {port}")

    def wait_until(self, holds: Callable[[], bool], *, seconds: float = 60.0, what: str = "it") -> None:
        """Until a predicate holds; a process that ended, or the deadline, is an error that shows its output."""
        deadline = time.monotonic() + seconds
        while not holds():
            if not self.is_running():
                raise AssertionError(f"{self.argv[0]} ended with {self.code()}:\n{self.output()[-3000:]}")
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.argv[0]}: {what} not within {seconds} s:\n{self.output()[-3000:]}")
            time.sleep(0.02)

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    def code(self) -> int | None:
        """Its exit code; None while it runs."""
        return None if self._process is None else self._process.poll()

    def wait(self, seconds: float) -> int:
        """Its exit code, within so many seconds."""
        assert self._process is not None
        return self._process.wait(seconds)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def output(self) -> str:
        """What it said so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def stop(self, *, seconds: float = 5.0) -> None:
        """Ask it to end, then make it, with everything that it started."""
        process = self._process
        if process is None:
            return
        for number in (signal.SIGCONT, signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            if number is signal.SIGCONT:
                continue
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
        self._process = None

    def __enter__(self) -> Process:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def answers(host: str, port: int) -> bool:
    """Whether something accepts a TCP connection there."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False
