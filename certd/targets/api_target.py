"""A provider that certd uploads to: implements ``ports.ProxyTarget``.

Generations and pointers lie on this node as for a proxy that reads files: the best copy, going back and the next start
of the node need them. In the place of a reload each link's pair is brought to the provider (``targets.remote``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from certd.errors import CertdError, ProviderRefused, StoreError, TargetError
from certd.model import Certificate, Generation, KeptLeftover, Leftover
from certd.pki.placeholder import is_placeholder
from certd.planning.backoff import CA_LADDER, rung
from certd.ports import Inclusion, KeptFiles, Outcome, Permission, Verdict
from certd.targets.files_target import FilesTarget
from certd.targets.hooks import Renewed, merge_outcomes
from certd.targets.reloads import MOST_WORDS
from certd.targets.remote import ODD_ANSWERS, ODD_WORDS, Pair, Remote, RemoteMemory


class LinkMemory(RemoteMemory, Protocol):
    """What is remembered of one link at one provider."""

    def names(self) -> Mapping[str, str]:
        """The provider's names by role."""
        ...


class RemoteNames(Protocol):
    """What is remembered of every link at every provider."""

    def of(self, proxy: str, link: str) -> LinkMemory:
        """Of one link at one provider."""
        ...

    def leftovers(self, proxy: str) -> Sequence[KeptLeftover]:
        """What is to be removed at one provider, oldest first."""
        ...

    def put_off(self, proxy: str, link: str, leftover: Leftover, *, until: datetime, reason: str) -> None:
        """Note that a removal failed, why, and when it is tried again."""
        ...


@dataclass(frozen=True, slots=True)
class ApiTarget:
    """One account at a provider, for the links of one proxy of the configuration.

    Args:
        files: Its generations and pointers on this node.
        connect: A client for one batch of links.
        write_side: Writes what the operator sets at the provider.
        deadline: For each request, and for all links of a batch: when it is over, no further link is begun.
    """

    files: FilesTarget
    connect: Callable[[], Remote]
    remotes: Callable[[], RemoteNames]
    write_side: Callable[[str, Sequence[str], RemoteMemory], str]
    deadline: timedelta
    settles: timedelta
    least_left: timedelta = timedelta(0)

    @property
    def name(self) -> str:
        """See ``ports.Target``."""
        return self.files.name

    @property
    def endpoints(self) -> tuple[str, ...]:
        """See ``ports.Target``."""
        return self.files.endpoints

    def install(self, certificate: Certificate) -> Generation:
        """See ``ports.Target``."""
        return self.files.install(certificate)

    def install_placeholder(self, link: str, domains: Sequence[str], now: datetime) -> Generation:
        """See ``ports.Target``; it stays on this node and is never uploaded."""
        return self.files.install_placeholder(link, domains, now)

    def point(self, link: str, generation: Generation) -> None:
        """See ``ports.Target``."""
        self.files.point(link, generation)

    def pointed(self, link: str) -> Generation | None:
        """See ``ports.Target``."""
        return self.files.pointed(link)

    def damage(self, certificate: Certificate) -> str:
        """See ``ports.Target``."""
        return self.files.damage(certificate)

    def check(self) -> Outcome:
        """See ``ports.Target``."""
        return self.files.check()

    def sweep(self, keep: Mapping[str, frozenset[str]], now: datetime) -> tuple[str, ...]:
        """See ``ports.Target``."""
        return self.files.sweep(keep, now)

    def reload(self, generations: Sequence[Generation] = ()) -> Outcome:
        """See ``ports.Target``: bring each to the provider."""
        remotes = self.remotes()
        return bring_each(
            self.connect,
            [self.files.renewed(each) for each in generations],
            lambda link: remotes.of(self.name, link),
            self.deadline,
        )

    # ------------------------------------------------------------------------------------ what was replaced

    def remove_replaced(self, proved: Mapping[str, Generation], now: datetime) -> Mapping[str, str]:
        """See ``ports.Target``.

        A leftover is removed once the generation that replaced it, or a newer one, is proved: a generation that was
        never served may lie between.
        """
        remotes = self.remotes()
        kept = [each for each in remotes.leftovers(self.name) if each.link in proved]
        remote: Remote | None = None
        stopped, started = "", time.monotonic()
        left: dict[str, str] = {}
        for each in kept:
            if each.leftover.generation > proved[each.link].name:
                continue
            memory = remotes.of(self.name, each.link)
            if memory.name(each.leftover.role) == each.leftover.name:
                # Nothing that is in use is removed, whatever was noted: a try to replace it did not come so far.
                continue
            reason = each.reason
            if time.monotonic() - started > self.deadline.total_seconds():
                stopped = stopped or "not asked yet"
            if not stopped and each.try_at <= now:
                wait, for_all = timedelta(0), False
                try:
                    remote = remote or self.connect()
                    reason = "" if remote.remove(each.leftover) else "the provider still uses it"
                except StoreError:
                    raise
                except CertdError as error:
                    reason = with_hint(error)
                    if isinstance(error, ProviderRefused):
                        wait, for_all = error.again_after, error.for_all
                except ODD_ANSWERS:
                    reason = ODD_WORDS
                if not reason:
                    memory.forget(each.leftover)
                    continue
                stopped = reason if for_all else ""
                until = now + max(rung(CA_LADDER, each.failures + 1), wait)
                remotes.put_off(self.name, each.link, each.leftover, until=until, reason=reason)
            left.setdefault(each.link, f"{each.leftover} is not removed yet: {reason or stopped}")
        return left

    # ------------------------------------------------------------------------------------ for commands and diagnosis

    def on_disk(self, link: str, now: datetime) -> Certificate | None:
        """See ``ports.ProxyTarget``."""
        return self.files.on_disk(link, now)

    def key_files(self, certificate: Certificate) -> tuple[Path, ...]:
        """See ``ports.ProxyTarget``."""
        return self.files.key_files(certificate)

    @property
    def kept_files(self) -> KeptFiles:
        """See ``ports.ProxyTarget``; no proxy of this node reads them."""
        return replace(self.files.kept_files, copies=())

    def held_elsewhere(self, link: str) -> str:
        """See ``ports.ProxyTarget``: nothing of this node's files is read by a provider."""
        return ""

    def may_load(self, user: str) -> Permission:
        """See ``ports.ProxyTarget``."""
        try:
            hindrance = self.connect().hindrance()
        except CertdError as error:
            hindrance = with_hint(error)
        except ODD_ANSWERS:
            hindrance = ODD_WORDS
        if hindrance:
            return Permission(is_granted=False, words=hindrance, hint="change that; certd asks again by itself")
        return Permission(is_granted=True, words=f"{user} may upload to it")

    def inclusion(self, link: str) -> Inclusion | None:
        """See ``ports.ProxyTarget``."""
        return None

    def own_side_hint(self, link: str) -> str:
        """See ``ports.ProxyTarget``."""
        late = self.settles.total_seconds() / 60
        return f"it must name what certd imports, once: `certd proxy-config {link}`; then give it {late:g} minutes"

    def own_side(self, link: str, domains: Sequence[str], write: Callable[[str, str], str]) -> str:
        """See ``ports.ProxyTarget``."""
        return self.write_side(link, domains, self.remotes().of(self.name, link))

    def forget(self, link: str) -> tuple[str, ...]:
        """See ``ports.ProxyTarget``."""
        self.files.forget(link)
        memory = self.remotes().of(self.name, link)
        there = [f"{role} {name}" for role, name in memory.names().items()]
        there += [str(leftover) for leftover in memory.leftovers() if str(leftover) not in there]
        return tuple(f"{each} ({self.name})" for each in there)


def bring_each(
    connect: Callable[[], Remote],
    renewed: Sequence[Renewed],
    memory_of: Callable[[str], RemoteMemory],
    deadline: timedelta,
) -> Outcome:
    """Bring each link's pair to a provider. One that is refused holds back no other, unless the provider refuses for
    all. Never raises for what a provider says.

    Args:
        connect: A client for these links.
        deadline: When it is over, no further link is begun.
    """
    started = time.monotonic()
    remote: Remote | None = None
    outcomes: dict[str, Outcome] = {}
    stopped: Outcome | None = None
    for each in renewed:
        begun = time.monotonic()
        if stopped is None and begun - started > deadline.total_seconds():
            stopped = Outcome(verdict=Verdict.NO, words=f"not asked yet: {deadline.total_seconds():g} s are over")
        if stopped is not None:
            outcomes[each.link] = stopped
            continue
        again_after, for_all = timedelta(0), False
        try:
            pair = Pair.of(each)
            if is_placeholder(pair.leaf):
                raise TargetError(f"{each.link}: a placeholder is not uploaded")
            remote = remote or connect()
            words, verdict = remote.bring(pair, memory_of(each.link)), Verdict.YES
        except CertdError as error:
            words, verdict = with_hint(error), Verdict.NO
            if isinstance(error, ProviderRefused):
                again_after, for_all = error.again_after, error.for_all
        except ODD_ANSWERS:
            words, verdict = ODD_WORDS, Verdict.NO
        took = timedelta(seconds=time.monotonic() - begun)
        outcomes[each.link] = Outcome(verdict=verdict, words=words, took=took, again_after=again_after)
        stopped = outcomes[each.link] if for_all else None
    return merge_outcomes(outcomes, MOST_WORDS)


def with_hint(error: CertdError) -> str:
    """What went wrong, and the way out."""
    return f"{error}; {error.hint}" if error.hint else str(error)
