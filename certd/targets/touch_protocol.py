"""``touch:PATH``: asking a helper with more rights, and hearing what it has to say.

The protocol, which a shell script can speak:

1. certd writes 32 hexadecimal digits and a newline into PATH, in place and at once: a question.
2. The helper, started by whatever watches PATH (a systemd path unit), runs its own check and reload. It takes nothing
   from certd but the question: which command is run is not certd's to choose.
3. It replaces PATH.result by rename: a first line with the question, a space and the exit code, then the output.
   The root helper answers in a folder of root's instead (``root_result_of``): who may ask it cannot forge its answer.
   A line ``not copied LINK: WHY`` in it concerns that link alone (:mod:`certd.targets.root_copies`).

A helper that never answered (there is no PATH.result) is given a moment; then the handshake must tell. One that has
answered before is waited for until the deadline. The helper's side in Python is :mod:`certd.targets.root_helper`.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from certd.errors import TargetError
from certd.ports import Outcome, Verdict
from certd.system.files import read_bounded, safe_name
from certd.system.regular_file import open_own
from certd.targets.hooks import Renewed
from certd.targets.reloads import MOST_WORDS, RELOAD_DEADLINE, Reload

QUESTION = re.compile(r"[0-9a-f]{32}")
MOST_RESULT = 64 * 1024
NOT_COPIED = "not copied"
_NOT_COPIED_LINE = re.compile(rf"^{NOT_COPIED} (\S+): (.*)$", re.MULTILINE)

# A helper of the operator's that only watches and never answers holds nobody up for longer.
SILENCE = timedelta(seconds=3)
PAUSE = 0.05


@dataclass(frozen=True, slots=True)
class Stamp(Reload):
    """Write a question into a file that a helper watches, and wait for its answer.

    Args:
        deadline: For a helper that has answered before.
        silence: For one that never has.
    """

    path: str
    deadline: timedelta = RELOAD_DEADLINE
    silence: timedelta = SILENCE

    def ask(self, renewed: Sequence[Renewed] = ()) -> Outcome:
        """Ask; the words are the proxy's own, as the helper heard them."""
        started = time.monotonic()
        has_answered = self.result.exists()
        question = secrets.token_hex(16)
        try:
            self._write(question)
        except OSError as error:
            return Outcome(verdict=Verdict.NO, words=f"{self.path}: {error.strerror}")
        patience = (self.deadline if has_answered else self.silence).total_seconds()
        while True:
            answer = self._answer(question)
            took = timedelta(seconds=time.monotonic() - started)
            if answer is not None:
                code, words = answer
                by_link = _refusals(words, renewed, took)
                if code == 0:
                    return Outcome(verdict=Verdict.YES, words=words, took=took, by_link=by_link)
                words = words or f"the helper's command ended with {code}"
                return Outcome(verdict=Verdict.NO, words=words, took=took, by_link=by_link)
            if took.total_seconds() >= patience:
                break
            time.sleep(PAUSE)
        if has_answered:
            late = f"{self.path}: the helper did not answer within {patience:g} s; does it still run?"
            return Outcome(verdict=Verdict.NO, words=late, took=took)
        return Outcome(verdict=Verdict.YES, words=f"{self.path} touched; no helper ever answered there", took=took)

    def may(self) -> bool:
        """It is there, and ours to write."""
        return os.access(self.path, os.W_OK)

    @property
    def result(self) -> Path:
        """Where the answer is: once the root helper has answered, its own counts and no other."""
        by_root = root_result_of(Path(self.path))
        return by_root if by_root.exists() else result_of(Path(self.path))

    def _write(self, question: str) -> None:
        """In place, so that the file stays its owner's; one write of always the same length, so that nobody ever reads
        a part of it.
        """
        descriptor = open_own(self.path, mode=0o644, access=os.O_WRONLY)
        try:
            os.pwrite(descriptor, f"{question}\n".encode(), 0)
            os.ftruncate(descriptor, len(question) + 1)
        finally:
            os.close(descriptor)

    def _answer(self, question: str) -> tuple[int, str] | None:
        try:
            text = read_bounded(self.result, MOST_RESULT).decode(errors="replace")
        except TargetError:
            return None
        first, _, words = text.partition("\n")
        asked, _, code = first.partition(" ")
        if asked != question or not re.fullmatch(r"-?\d{1,5}", code):
            return None
        return int(code), words.strip()[-MOST_WORDS:]


def _refusals(words: str, renewed: Sequence[Renewed], took: timedelta) -> dict[str, Outcome]:
    """What the helper says of single links."""
    why = dict(_NOT_COPIED_LINE.findall(words))
    return {
        each.link: Outcome(
            verdict=Verdict.NO, words=f"the root helper refuses its pointer: {why[safe_name(each.link)]}", took=took
        )
        for each in renewed
        if safe_name(each.link) in why
    }


def result_of(stamp: Path) -> Path:
    """Where the answer to a stamp's question is."""
    return stamp.with_name(stamp.name + ".result")


def root_result_of(stamp: Path) -> Path:
    """Where the root helper answers, if that folder is there: beside the state folder, among root's copies."""
    state = stamp.parent.parent
    return state.with_name(f"{state.name}-reload") / f"{stamp.name}.result"
