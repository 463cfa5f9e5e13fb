"""Looking at the way of a click from outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from certd.clicks.model import Pointing, Response


class Names(Protocol):
    """Where DNS leads a host. Never raises for what a name server or a network does: ``trouble`` says it."""

    def seen(self, host: str) -> Pointing:
        """What this host's resolvers say now, aliases followed, both address families."""
        ...

    def everywhere(self, host: str) -> tuple[Pointing, ...]:
        """What each authoritative server of the host's zone says, asked directly, with its own TTL."""
        ...

    def by(self, host: str, resolvers: Sequence[str]) -> tuple[Pointing, ...]:
        """What each of these resolvers says."""
        ...


class Clicks(Protocol):
    """One HTTP request to one address, as a mail reader would send it."""

    def ask(
        self,
        address: tuple[str, int],
        *,
        host: str,
        path: str,
        method: str = "GET",
        tls: bool = True,
        name: str = "",
        issuer: str | None = None,
        proxy_protocol: bool = False,
        agent: str = "",
    ) -> Response:
        """Send it over a connection of its own and read the answer's beginning; no redirect is followed.

        Never raises for what a server or a network does; ends within ten seconds.

        Args:
            host: The Host header.
            path: Path and query, sent as they are.
            name: For SNI; empty: ``host``.
            issuer: Whose certificates are trusted; None: none is judged.
            agent: The User-Agent; empty: certd's own.
        """
        ...
