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

from certd.errors import TargetError, displayable

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
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=cwd,
            start_new_session=True,
            close_fds=True,
        )
    except OSError as error:
        raise TargetError(f"{argv[0]}: cannot be run: {error.strerror}") from error
    except ValueError as error:
        raise TargetError(f"cannot be run: {error}") from error
    end = started + deadline.total_seconds()
    output, timed_out = _converse(process, stdin, end)
    if timed_out:
        _end(process)
    process.wait()
    took = timedelta(seconds=time.monotonic() - started)
    text = displayable(output.decode("utf-8", errors="replace").strip())
    return Completed(code=process.returncode, output=text, timed_out=timed_out, took=took)


def _converse(process: subprocess.Popen[bytes], stdin: bytes, end: float) -> tuple[bytes, bool]:
    """What it says until it has ended, and whether the deadline came first. Neither a program that does not read nor
    a grandchild that does not fall silent is waited for.
    """
    output = bytearray()
    unsent = memoryview(stdin)
    assert process.stdin is not None  # noqa: S101 (both were asked for)
    assert process.stdout is not None  # noqa: S101
    with process.stdin, process.stdout, selectors.DefaultSelector() as selector:
        descriptor = process.stdout.fileno()
        os.set_blocking(descriptor, False)
        os.set_blocking(process.stdin.fileno(), False)
        selector.register(process.stdout, selectors.EVENT_READ)
        selector.register(process.stdin, selectors.EVENT_WRITE)
        while True:
            left = end - time.monotonic()
            # Asked before reading: what it said before it ended is in the pipe by now.
            has_ended = process.poll() is not None
            if left <= 0 and not has_ended:
                return bytes(output), True
            patience = 0.0 if has_ended else min(left, 0.05 if selector.get_map() else 0.005)
            ready = {key.fileobj for key, _ in selector.select(patience)}
            if process.stdin in ready:
                unsent = _feed(process.stdin.fileno(), unsent)
                if not unsent:
                    selector.unregister(process.stdin)
                    process.stdin.close()
            if process.stdout in ready:
                chunk = os.read(descriptor, 65536)
                output += chunk[: MOST_OUTPUT - len(output)]
                if not chunk:
                    selector.unregister(process.stdout)
            if has_ended:
                return bytes(output), False


def _feed(descriptor: int, unsent: memoryview) -> memoryview:
    """As much as the pipe takes; nothing is left once nobody reads."""
    try:
        return unsent[os.write(descriptor, unsent) :] if unsent else unsent
    except BrokenPipeError:
        return unsent[:0]


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
