"""The helper's side of ``touch:PATH``, for a process with more rights than certd (its protocol: ``touch_protocol``).

It runs as root and trusts nothing in the folder: the question is read as 32 hexadecimal digits or not at all, never
through a symbolic link, and the answer is a new file put there by rename.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from certd.errors import TargetError
from certd.system.command import run
from certd.targets.registry import KINDS
from certd.targets.reloads import CHECK_DEADLINE, MOST_WORDS
from certd.targets.touch_protocol import NOT_COPIED, QUESTION, result_of, root_result_of

# So many refused pointers are told one by one; more of them make the answer a no.
MOST_TOLD = 5
MOST_REASON = 120

# Questions that came while one was being answered are answered in the same run; whoever asks for ever is not.
MOST_QUESTIONS = 100


def commands_of(kind: str, unit: str = "") -> tuple[tuple[str, ...], ...]:
    """What a helper runs for a kind of proxy: its check, then the reload of its unit.

    Raises:
        TargetError: nothing is known of how that kind is reloaded.
    """
    known = KINDS.get(kind)
    unit = unit or (known.unit if known else "")
    if not unit:
        raise TargetError(f"it is not known how {kind} is reloaded", hint="name its systemd unit")
    check = known.check if known else ()
    return (*((check,) if check else ()), ("systemctl", "--no-ask-password", "reload", unit))


def answer(
    stamp: Path,
    commands: Sequence[Sequence[str]],
    *,
    deadline: timedelta = CHECK_DEADLINE,
    copying: Callable[[], Mapping[str, str]] | None = None,
) -> int:
    """Run the commands one after the other until one fails, and write its exit code and output back.

    Args:
        deadline: For each command.
        copying: Brings root's copies of the pointers up to date first, and returns why a link's pointer was refused.
            The commands run whatever comes of it: a refused link holds back no other.

    Returns:
        The last exit code; 0 where nobody asked.

    Raises:
        TargetError: the answer cannot be written.
    """
    code, answered = 0, ""
    for _ in range(MOST_QUESTIONS):
        question = _question(stamp)
        if question in {"", answered}:
            return code
        missed, refusals = _copied(copying) if copying is not None else (0, "")
        code, words = _carried_out(commands, deadline)
        code, words = code or missed, f"{words}\n{refusals}".strip()[-MOST_WORDS:]
        _reply(stamp, f"{question} {code}\n{words}\n".encode())
        answered = question
    return code


def _copied(copying: Callable[[], Mapping[str, str]]) -> tuple[int, str]:
    """Exit code and words of the copying; a few refusals are theirs alone and no failure of the whole."""
    try:
        refused = copying()
    except (TargetError, OSError) as error:
        return 1, f"no pointer was copied: {error}"[: MOST_WORDS // 2]
    told = [f"{NOT_COPIED} {link}: {why[:MOST_REASON]}" for link, why in sorted(refused.items())[:MOST_TOLD]]
    if len(refused) > MOST_TOLD:
        told.append(f"and {len(refused) - MOST_TOLD} more were not copied")
    return int(len(refused) > MOST_TOLD), "\n".join(told)


def _carried_out(commands: Sequence[Sequence[str]], deadline: timedelta) -> tuple[int, str]:
    said = []
    for argv in commands:
        try:
            done = run(tuple(argv), deadline=deadline)
        except TargetError as error:
            return 127, str(error)
        if done.output:
            said.append(done.output)
        if done.timed_out:
            said.append(f"{argv[0]} did not end within {deadline.total_seconds():g} s")
            return 124, "\n".join(said)[-MOST_WORDS:]
        if done.code != 0:
            return done.code, "\n".join(said)[-MOST_WORDS:]
    return 0, "\n".join(said)[-MOST_WORDS:]


def _question(stamp: Path) -> str:
    """What was asked; empty when it is no question."""
    try:
        descriptor = os.open(stamp, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        text = os.read(descriptor, 64).decode("ascii", errors="replace").strip()
    finally:
        os.close(descriptor)
    return text if QUESTION.fullmatch(text) else ""


def _reply(stamp: Path, data: bytes) -> None:
    """In root's folder where there is one, else beside the stamp; readable by all: it holds what a proxy said of its
    configuration. Nothing is synced: an answer is worth nothing after a power cut.
    """
    by_root = root_result_of(stamp)
    result = by_root if by_root.parent.is_dir() else result_of(stamp)
    # Of one name, so that what a helper that was killed left behind is replaced by the next answer.
    temporary = f".{stamp.name}.tmp"
    try:
        folder = os.open(result.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(temporary, flags, 0o600, dir_fd=folder)
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(descriptor, view) :]
                os.fchmod(descriptor, 0o644)
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(temporary, dir_fd=folder)
                raise
            finally:
                os.close(descriptor)
            os.rename(temporary, result.name, src_dir_fd=folder, dst_dir_fd=folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise TargetError(f"{result}: cannot be written: {error.strerror}") from error
