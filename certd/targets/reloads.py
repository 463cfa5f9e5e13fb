"""Asking a proxy to load its configuration, and to judge it. Exit code 0 is "not yet proven"."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from certd.errors import EgressFailed, TargetError
from certd.model.address import Address, without_address
from certd.ports import Outcome, Verdict
from certd.system.command import run
from certd.system.regular_file import read_regular
from certd.targets.hooks import Renewed, merge_outcomes, variables

if TYPE_CHECKING:
    from certd.system.egress import Egress

RELOAD_DEADLINE = timedelta(seconds=60)
CHECK_DEADLINE = timedelta(seconds=60)
MOST_WORDS = 2000

# What a check says when it may not read what the proxy itself may: then it says nothing about the configuration.
BLIND_WORDS = ("permission denied", "operation not permitted")

# What systemctl says when polkit does not let this user reload a unit.
FORBIDDEN_WORDS = ("interactive authentication required", "access denied", "authentication is required")


class Reload:
    """One way to ask; ``ask`` never raises."""

    def ask(self, renewed: Sequence[Renewed] = ()) -> Outcome:
        """Ask, for these links."""
        raise NotImplementedError

    def may(self) -> bool:
        """Whether it is there and permitted, for ``auto``."""
        return True


@dataclass(frozen=True, slots=True)
class Command(Reload):
    """An argument list, without a shell; run once for all links."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    deadline: timedelta = RELOAD_DEADLINE

    def ask(self, renewed: Sequence[Renewed] = ()) -> Outcome:
        """Run it; any exit code but 0 is a no, in the program's own words."""
        try:
            done = run(self.argv, deadline=self.deadline, env={**self.environment, **variables(renewed)})
        except TargetError as error:
            return Outcome(verdict=Verdict.NO, words=str(error))
        words = done.output[-MOST_WORDS:]
        if done.timed_out:
            late = f"{self.argv[0]} did not end within {self.deadline.total_seconds():g} s"
            return Outcome(verdict=Verdict.NO, words=f"{late}: {words}" if words else late, took=done.took)
        if done.code != 0:
            return Outcome(verdict=Verdict.NO, words=words or f"{self.argv[0]} ended with {done.code}", took=done.took)
        return Outcome(verdict=Verdict.YES, words=words, took=done.took)


@dataclass(frozen=True, slots=True)
class Hook(Reload):
    """A deploy hook of certbot's: run once for each link, as certbot runs it once for each lineage."""

    path: str
    environment: Mapping[str, str]
    deadline: timedelta = RELOAD_DEADLINE

    def ask(self, renewed: Sequence[Renewed] = ()) -> Outcome:
        """Run it for each; one that fails holds back no other."""
        command = Command((self.path,), self.environment, self.deadline)
        return merge_outcomes({each.link: command.ask((each,)) for each in renewed}, MOST_WORDS)


@dataclass(frozen=True, slots=True)
class Unit(Reload):
    """``systemctl reload UNIT``; what systemd's journal says of a failure is fetched by ``status``."""

    unit: str
    deadline: timedelta = RELOAD_DEADLINE

    def ask(self, renewed: Sequence[Renewed] = ()) -> Outcome:
        """Ask systemd, and never wait for a password."""
        asked = Command(("systemctl", "--no-ask-password", "reload", self.unit), {}, self.deadline).ask()
        if asked.verdict is Verdict.YES or is_forbidden(asked.words):
            return asked
        status = Command(("systemctl", "--no-pager", "--lines=5", "status", self.unit), {}, timedelta(seconds=10)).ask()
        words = f"{asked.words}\n{status.words}".strip()
        return Outcome(verdict=Verdict.NO, words=words[-MOST_WORDS:], took=asked.took)

    def may(self) -> bool:
        """systemd runs here and the unit is active; whether polkit lets us is known when we ask."""
        if not Path("/run/systemd/system").is_dir():
            return False
        asked = Command(("systemctl", "is-active", "--quiet", self.unit), {}, timedelta(seconds=10)).ask()
        return asked.verdict is Verdict.YES


@dataclass(frozen=True, slots=True)
class Signal(Reload):
    """A signal to the process whose id a file holds, read at each use."""

    number: signal.Signals
    pid_file: str

    def ask(self, renewed: Sequence[Renewed] = ()) -> Outcome:
        """Send it."""
        try:
            os.kill(self._pid(), self.number)
        except (OSError, ValueError, OverflowError) as error:
            words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            return Outcome(verdict=Verdict.NO, words=f"{self.number.name} by {self.pid_file}: {words}")
        return Outcome(verdict=Verdict.YES, words=f"{self.number.name} sent")

    def may(self) -> bool:
        """The process is there and ours to signal."""
        try:
            os.kill(self._pid(), 0)
        except (OSError, ValueError, OverflowError):
            return False
        return True

    def _pid(self) -> int:
        text = read_regular(self.pid_file, 64).decode("ascii").strip()
        if not text.isdigit() or int(text) < 1:
            raise ValueError("the file holds no process id")
        return int(text)


@dataclass(frozen=True, slots=True)
class Http(Reload):
    """A request to an address of the operator's."""

    method: str
    url: Address
    egress: Callable[[], Egress]
    deadline: timedelta = RELOAD_DEADLINE

    def ask(self, renewed: Sequence[Renewed] = ()) -> Outcome:
        """Any answer of the 200s is a yes."""
        started = time.monotonic()
        try:
            answer = self.egress().send(self.method, self.url.reveal(), deadline=self.deadline.total_seconds())
        except EgressFailed as error:
            return Outcome(verdict=Verdict.NO, words=f"{self.url.host}: {error}")
        took = timedelta(seconds=time.monotonic() - started)
        words = without_address(answer.body.decode(errors="replace"), self.url.reveal())[:MOST_WORDS]
        if 200 <= answer.status < 300:
            return Outcome(verdict=Verdict.YES, words=words, took=took)
        return Outcome(verdict=Verdict.NO, words=f"{self.url.host} answers {answer.status}: {words}", took=took)


@dataclass(frozen=True, slots=True)
class Nothing(Reload):
    """The proxy watches its files by itself."""

    def ask(self, renewed: Sequence[Renewed] = ()) -> Outcome:
        """Nothing to do."""
        return Outcome(verdict=Verdict.YES, words="it watches its files by itself")


@dataclass(frozen=True, slots=True)
class Auto(Reload):
    """The first way that is there and permitted, judged at each use: a unit may have been installed since."""

    ways: tuple[Reload, ...]

    def ask(self, renewed: Sequence[Renewed] = ()) -> Outcome:
        """Use it, or say that there is none."""
        refused = ""
        for way in self.ways:
            if not way.may():
                continue
            asked = way.ask(renewed)
            if asked.verdict is not Verdict.NO or not is_forbidden(asked.words):
                return asked
            refused = f": {asked.words}"
        words = f"no way to reload it is permitted to this user: set reload{refused}"
        return Outcome(verdict=Verdict.NO, words=words[:MOST_WORDS])


def is_forbidden(words: str) -> bool:
    """Whether systemd says that this user may not (systemctl's and polkit's words)."""
    return any(phrase in words.lower() for phrase in FORBIDDEN_WORDS)


def check(argv: Sequence[str], deadline: timedelta = CHECK_DEADLINE) -> Outcome:
    """Run a proxy's own check and tell no from "may not judge"."""
    if not argv:
        return Outcome(verdict=Verdict.CANNOT_JUDGE, words="it has no check")
    try:
        done = run(tuple(argv), deadline=deadline)
    except TargetError as error:
        return Outcome(verdict=Verdict.CANNOT_JUDGE, words=str(error))
    words = done.output[-MOST_WORDS:]
    if done.code == 0 and not done.timed_out:
        return Outcome(verdict=Verdict.YES, words=words, took=done.took)
    if done.timed_out:
        words = f"{argv[0]} did not end within {deadline.total_seconds():g} s"
        return Outcome(verdict=Verdict.CANNOT_JUDGE, words=words, took=done.took)
    blind = os.geteuid() != 0 and any(phrase in words.lower() for phrase in BLIND_WORDS)
    return Outcome(verdict=Verdict.CANNOT_JUDGE if blind else Verdict.NO, words=words, took=done.took)
