"""What is deployed to, and what clients see."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from certd.model import Certificate, Generation, Observation


class Verdict(StrEnum):
    """What a proxy's own configuration check said."""

    YES = "yes"
    NO = "no"
    CANNOT_JUDGE = "cannot judge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a check or a reload went: exit code 0 is "not yet proven".

    Attributes:
        words: The proxy's own output, bounded, for the alarm.
        took: Wall time.
        again_after: Whoever was asked wants to be left alone so long.
        by_link: What each link's part came to, where each was asked for by itself.
    """

    verdict: Verdict
    words: str = ""
    took: timedelta = timedelta(0)
    again_after: timedelta = timedelta(0)
    by_link: Mapping[str, Outcome] = field(default_factory=dict)

    def of(self, link: str) -> Outcome:
        """What a link's part came to."""
        return self.by_link.get(link, self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """Whether certd may have a proxy load a certificate.

    Attributes:
        words: Who may do what, or why not.
        hint: The way out where it may not.
    """

    is_granted: bool
    words: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFiles:
    """Where a target keeps certificates on this node.

    Attributes:
        public: The folder of everything that proxies read.
        pointers: The folder of this target's pointers.
        has_readers: A group of the operator's may read the keys.
        copies: The paths of the operator's own that copies go to; ``{link}`` stands for the link.
    """

    public: Path
    pointers: Path
    has_readers: bool
    copies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inclusion:
    """Which pointer the configuration of a proxy on this node includes.

    Attributes:
        pointer: The one to include, as the proxy sees it.
        own: The one that certd's user writes.
        copy: Where a root helper copies it to.
        is_copied: A root helper keeps the copy up to date, and the proxy includes that.
    """

    pointer: str
    own: str
    copy: str
    is_copied: bool


class Target(Protocol):
    """One proxy as a rollout sees it: generations, pointer, check, reload, endpoints.

    It is a program on this node that reads files, or a provider that certd uploads to.
    """

    @property
    def name(self) -> str:
        """The proxy's name in the configuration."""
        ...

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Where "served" is looked at, ``host:port``."""
        ...

    @property
    def settles(self) -> timedelta:
        """How long after a reload that it took clients may still see the old one; zero for a proxy on this machine."""
        ...

    @property
    def least_left(self) -> timedelta:
        """What a certificate must have left so that it can be brought there; zero where that does not matter."""
        ...

    def install(self, certificate: Certificate) -> Generation:
        """Write an immutable generation. Installing the same one twice changes nothing. Raises TargetError."""
        ...

    def install_placeholder(self, link: str, domains: Sequence[str], now: datetime) -> Generation:
        """Write a self-signed placeholder generation, marked as such."""
        ...

    def point(self, link: str, generation: Generation) -> None:
        """Make the pointer name this generation, by one rename. Pointing twice changes nothing."""
        ...

    def pointed(self, link: str) -> Generation | None:
        """What the pointer on disk names now; None when there is no pointer or its generation is not readable."""
        ...

    def damage(self, certificate: Certificate) -> str:
        """What a stranger or a disk changed of a deployed certificate's files and pointer, in words; empty: nothing.

        A proxy that serves well from memory would not come back with it after a restart.
        """
        ...

    def check(self) -> Outcome:
        """Ask the proxy to judge its configuration. Never raises for what the proxy says."""
        ...

    def reload(self, generations: Sequence[Generation] = ()) -> Outcome:
        """Ask the proxy to load it. NO when the asking itself failed.

        Args:
            generations: What the pointers name that were moved or are not seen served yet, for commands that must know.
        """
        ...

    def sweep(self, keep: Mapping[str, frozenset[str]], now: datetime) -> tuple[str, ...]:
        """Remove generations that are not kept and are older than a week; returns what went."""
        ...

    def remove_replaced(self, proved: Mapping[str, Generation], now: datetime) -> Mapping[str, str]:
        """Remove at a provider what these generations replaced. A removal that fails is tried again by a later call.

        Args:
            proved: By link, the generation that every endpoint was just seen to serve.

        Returns:
            By link, what is still left there and why, in words.

        Raises:
            StoreError: this node's store does not answer.
        """
        ...


class ProxyTarget(Target, Protocol):
    """One proxy as commands and diagnosis see it, too."""

    def on_disk(self, link: str, now: datetime) -> Certificate | None:
        """The certificate that the pointer names; None where there is none or it cannot be read."""
        ...

    def key_files(self, certificate: Certificate) -> tuple[Path, ...]:
        """The files of this generation that hold its key."""
        ...

    @property
    def kept_files(self) -> KeptFiles:
        """Where it keeps certificates on this node."""
        ...

    def held_elsewhere(self, link: str) -> str:
        """A generation that something else than the pointer still names; empty where nothing does."""
        ...

    def may_load(self, user: str) -> Permission:
        """Whether certd, which runs as this user, may have it load a certificate. Changes nothing."""
        ...

    def inclusion(self, link: str) -> Inclusion | None:
        """What the proxy's configuration includes; None for a provider, which includes nothing."""
        ...

    def own_side_hint(self, link: str) -> str:
        """What the operator must set on the proxy's own side so that it serves what certd gives it, in words."""
        ...

    def own_side(self, link: str, domains: Sequence[str], write: Callable[[str, str], str]) -> str:
        """The text for ``certd proxy-config``.

        Args:
            write: Writes the configuration of a proxy on this node, from the pointer's path and the pointers' folder.

        Raises:
            CertdError: the proxy cannot start with it yet.
        """
        ...

    def forget(self, link: str) -> tuple[str, ...]:
        """Remove the pointer of a link that is forgotten. Nothing is removed at a provider.

        Returns:
            What is left at the provider, each in words.

        Raises:
            TargetError: the pointer cannot be removed.
        """
        ...


class EndpointProber(Protocol):
    """What clients see."""

    def look(self, endpoints: Sequence[str], domain: str, *, issuer: str = "") -> tuple[Observation, ...]:
        """One fresh TLS handshake (no resumption) with SNI ``domain`` at every address of every endpoint.

        Names are resolved at each look. Judged: covers the name, in its dates, chains to the roots expected of
        ``issuer`` (the configured roots, else the system's). Never raises; what cannot be seen is BLIND.
        """
        ...
