"""Uploading to a provider that terminates TLS, in the place of a reload: one ``Remote``, asked link by link.

Uploaded is not served: the handshake proves it, as for every proxy. What a new certificate replaces is removed only
after that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from certd.errors import CertdError, ProviderRefused, TargetError
from certd.pki.placeholder import is_placeholder
from certd.ports import Outcome, RemoteMemory, Verdict
from certd.targets.hooks import Renewed, merge_outcomes
from certd.targets.reloads import MOST_WORDS, RELOAD_DEADLINE, Reload
from certd.targets.remote import Pair, Remote

# What taking apart an answer raises that is JSON and not the provider's.
ODD_ANSWERS = (LookupError, TypeError, ValueError, AttributeError)
ODD_WORDS = "the provider's answer is not what its API documents; does something in between answer for it?"


@dataclass(frozen=True, slots=True)
class Upload(Reload):
    """Uploads what the provider does not hold yet; asking twice changes nothing.

    Args:
        remote: Makes the provider's client; its credentials are read at each use.
        memory: What is remembered of a link there.
        deadline: For all links of one call.
    """

    remote: Callable[[], Remote]
    memory: Callable[[str], RemoteMemory]
    deadline: timedelta = RELOAD_DEADLINE

    def ask(self, renewed: Sequence[Renewed] = ()) -> Outcome:
        """Upload each; one that is refused holds back no other, unless the provider itself cannot be asked."""
        started = time.monotonic()
        outcomes: dict[str, Outcome] = {}
        stopped: Outcome | None = None
        try:
            remote = self.remote()
        except CertdError as error:
            stopped = Outcome(verdict=Verdict.NO, words=with_hint(error))
        for each in renewed:
            if stopped is None and time.monotonic() - started > self.deadline.total_seconds():
                words = f"not uploaded yet: {self.deadline.total_seconds():g} s are over"
                stopped = Outcome(verdict=Verdict.NO, words=words)
            if stopped is not None:
                outcomes[each.link] = stopped
                continue
            outcomes[each.link], for_all = self._upload(remote, each)
            stopped = outcomes[each.link] if for_all else None
        if stopped is not None and not renewed:
            return stopped
        return merge_outcomes(outcomes, MOST_WORDS)

    def may(self) -> bool:
        """Whether the provider takes certificates with these credentials."""
        return not self.hindrance()

    def hindrance(self) -> str:
        """See ``Reload``."""
        try:
            return self.remote().hindrance()
        except CertdError as error:
            return with_hint(error)
        except ODD_ANSWERS:
            return ODD_WORDS

    def proved(self, link: str, generation: str) -> str:
        """Remove what this generation replaces, now that clients are seen to get it; what fails is tried again later.

        Returns:
            Why something is left there, in words; empty where nothing is.
        """
        memory = self.memory(link)
        # Names of generations sort by age. What is current again, after going back, stays.
        due = [
            leftover
            for leftover in memory.leftovers()
            if leftover.generation <= generation and memory.name(leftover.role) != leftover.name
        ]
        if not due:
            return ""
        try:
            remote = self.remote()
            for leftover in due:
                if not remote.remove(leftover):
                    return f"{leftover.role} {leftover.name} is still in use at the provider"
                memory.forget(leftover)
        except CertdError as error:
            return with_hint(error)
        except ODD_ANSWERS:
            return ODD_WORDS
        return ""

    def _upload(self, remote: Remote, one: Renewed) -> tuple[Outcome, bool]:
        """How it went, and whether it would go so for every link."""
        started = time.monotonic()
        again_after, for_all = timedelta(0), False
        try:
            pair = Pair.of(one)
            if is_placeholder(pair.leaf):
                raise TargetError(f"{pair.link}: a placeholder is not uploaded")
            words, verdict = remote.bring(pair, self.memory(one.link)), Verdict.YES
        except CertdError as error:
            words, verdict = with_hint(error), Verdict.NO
            if isinstance(error, ProviderRefused):
                again_after, for_all = error.again_after, error.for_all
        except ODD_ANSWERS:
            words, verdict = ODD_WORDS, Verdict.NO
        took = timedelta(seconds=time.monotonic() - started)
        return Outcome(verdict=verdict, words=words, took=took, again_after=again_after), for_all


def with_hint(error: CertdError) -> str:
    """An error and its way out in one line."""
    return f"{error}; {error.hint}" if error.hint else str(error)
