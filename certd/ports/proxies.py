"""What is deployed to, and what clients see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from certd.model import Certificate, Generation, Observation
from certd.model.remote import Leftover


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


class Target(Protocol):
    """One proxy on this node: files, pointer, check, reload, endpoints."""

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

    def proved(self, link: str, generation: str) -> str:
        """Clients were seen to get this generation: what it replaces at a provider is removed. Twice is once.

        Returns:
            What is left there and why, in words; empty where nothing is.
        """
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


class RemoteMemory(Protocol):
    """What certd remembers of one link at one provider. Each write is on disk when it
    returns."""

    def name(self, role: str) -> str:
        """The provider's name for the link's object of this role; empty where certd made none."""
        ...

    def keep(self, role: str, name: str) -> None:
        """Remember the name. An adapter calls this first of all after an answer that made or renamed an object."""
        ...

    def leave(self, leftover: Leftover) -> None:
        """Note what must be removed later. An adapter calls this before the request that replaces it."""
        ...

    def leftovers(self) -> Sequence[Leftover]:
        """What is not removed yet, oldest first."""
        ...

    def forget(self, leftover: Leftover) -> None:
        """It is gone at the provider."""
        ...


class EndpointProber(Protocol):
    """What clients see."""

    def look(self, endpoints: Sequence[str], domain: str, *, issuer: str = "") -> tuple[Observation, ...]:
        """One fresh TLS handshake (no resumption) with SNI ``domain`` at every address of every endpoint.

        Names are resolved at each look. Judged: covers the name, in its dates, chains to the roots expected of
        ``issuer`` (the configured roots, else the system's). Never raises; what cannot be seen is BLIND.
        """
        ...
