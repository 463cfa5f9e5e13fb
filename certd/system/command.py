"""Running somebody else's program: an argument list, a deadline, bounded output, never a shell."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from certd.errors import TargetError

MOST_OUTPUT = 64 * 1024
GRACE = 2.0

# What a program started by certd sees of our environment; secrets that came in by `env:` are not passed on.
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "HOME")
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """How it ended.

    Attributes:
        code: Exit code; the negative signal number if a signal ended it.
        output: Standard output and error together, at most 64 KiB, undecodable bytes replaced.
    """

    code: int
    output: str
    timed_out: bool
    took: timedelta


def run(
    argv: Sequence[str],
    *,
    deadline: timedelta,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    cwd: str = "/",
) -> Completed:
    """Run a program in a session of its own, and end the whole group at the deadline.

    A grandchild that keeps the pipe open holds nobody up: when the program itself has ended, what was read counts.

    Raises:
        TargetError: it cannot be started.
    """
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment.setdefault("PATH", DEFAULT_PATH)
    environment |= dict(env or {})
    started = time.monotonic()
    try:
        process = subprocess.Popen(
            list(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=environment, cwd=cwd, start_new_session=True, close_fds=True,
        )  # fmt: skip
    except OSError as error:
        raise TargetError(f"{argv[0]}: cannot be run: {error.strerror}") from error
    except ValueError as error:
        raise TargetError(f"cannot be run: {error}") from error
    end = started + deadline.total_seconds()
    with contextlib.suppress(BrokenPipeError):
        if process.stdin is not None:
            process.stdin.write(stdin)
            process.stdin.close()
    output, timed_out = _read(process, end)
    if timed_out:
        _end(process)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
    took = timedelta(seconds=time.monotonic() - started)
    text = output.decode("utf-8", errors="replace").strip()
    return Completed(code=process.returncode, output=text, timed_out=timed_out, took=took)


def _read(process: subprocess.Popen[bytes], end: float) -> tuple[bytes, bool]:
    """What it says until it has ended, and whether the deadline came first."""
    output = bytearray()
    assert process.stdout is not None  # noqa: S101 (it was asked for a line above)
    descriptor = process.stdout.fileno()
    os.set_blocking(descriptor, False)
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        is_open = True
        while True:
            left = end - time.monotonic()
            if left <= 0:
                return bytes(output), True
            if is_open and selector.select(min(left, 0.05)):
                chunk = os.read(descriptor, 65536)
                output += chunk[: MOST_OUTPUT - len(output)]
                if not chunk:
                    selector.unregister(descriptor)
                    is_open = False
                continue
            if process.poll() is not None:
                return bytes(output), False
            if not is_open:
                time.sleep(min(left, 0.005))


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the whole group to end, then make it."""
    for number, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        return
