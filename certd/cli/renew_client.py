"""Asking for a renewal and following it: over the daemon's socket, or in this process; the same words either way.

Over the socket nothing of the state need be readable: a member of the admin group may ask, and may not read keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from certd.app import App
from certd.config.settings import LinkSettings
from certd.control.protocol import Question, Reply, Verb, ask
from certd.errors import CertdError
from certd.model import Request
from certd.status.follow import Cost, Seen, costs, look, seen_of

# An answer is at most 64 KiB; a hundred links take half of it.
AT_ONCE = 100
DEADLINE = 60.0

# Fingerprint of the current certificate, and when the last failure was.
Before = tuple[str, float | None]


class Gone(CertdError):
    """The daemon that was asked does not listen any more."""

    def __init__(self) -> None:
        super().__init__("the daemon went away; what was asked for is kept", hint="it goes on when certd runs again")


class RenewClient(Protocol):
    """Whoever does the renewal."""

    def costs(self, links: Sequence[LinkSettings]) -> dict[str, Cost]:
        """What a forced renewal of these costs; links whose CA states no limit are left out."""
        ...

    def renew(self, links: Sequence[LinkSettings], *, force: bool, reserve: bool) -> Iterator[dict[str, Before]]:
        """Ask for it, some at a time; how things stood before with those that were asked for. Raises Gone."""
        ...

    def look(self, links: Sequence[LinkSettings]) -> list[Seen]:
        """How they stand. Raises Gone."""
        ...


@dataclass(slots=True)
class ThroughDaemon:
    """Over its socket."""

    path: Path
    by: str
    _since: float = 0.0

    def costs(self, links: Sequence[LinkSettings]) -> dict[str, Cost]:
        """Its words."""
        found: dict[str, Cost] = {}
        for reply in self._each(links, Question(verb=Verb.COSTS)):
            for link, (words, takes_reserve) in reply.data["costs"].items():
                found[link] = Cost(words=str(words), takes_reserve=bool(takes_reserve))
        return found

    def renew(self, links: Sequence[LinkSettings], *, force: bool, reserve: bool) -> Iterator[dict[str, Before]]:
        """It writes the row."""
        for reply in self._each(links, Question(verb=Verb.RENEW, force=force, reserve=reserve)):
            self._since = self._since or float(reply.data["at"])
            yield {link: (str(was[0]), was[1]) for link, was in reply.data["before"].items()}

    def look(self, links: Sequence[LinkSettings]) -> list[Seen]:
        """As it sees them."""
        question = Question(verb=Verb.STANDING, since=self._since)
        return [seen_of(data) for reply in self._each(links, question) for data in reply.data["links"]]

    def _each(self, links: Sequence[LinkSettings], question: Question) -> Iterator[Reply]:
        for start in range(0, len(links), AT_ONCE):
            few = tuple(link.name for link in links[start : start + AT_ONCE])
            part = Question(
                verb=question.verb,
                links=few,
                force=question.force,
                reserve=question.reserve,
                since=question.since,
                by=self.by,
            )
            reply = ask(self.path, part, deadline=DEADLINE)
            if reply is None:
                raise Gone
            if not reply.fine:
                raise CertdError(reply.words)
            yield reply


@dataclass(slots=True)
class InProcess:
    """In this process, which holds the state's lock."""

    app: App
    by: str
    _since: datetime = field(default_factory=lambda: datetime.now(UTC))

    def costs(self, links: Sequence[LinkSettings]) -> dict[str, Cost]:
        """From the store."""
        return costs(self.app, links)

    def renew(self, links: Sequence[LinkSettings], *, force: bool, reserve: bool) -> Iterator[dict[str, Before]]:
        """Write the row."""
        before = {seen.link: (seen.fingerprint, seen.failed_at) for seen in look(self.app, links, None)}
        for link in links if force else ():
            self.app.stores.lineages.request(link.name, Request(by=self.by, at=self.app.clock.now()))
        yield before

    def look(self, links: Sequence[LinkSettings]) -> list[Seen]:
        """From the stores."""
        return look(self.app, links, self._since)


def is_news(seen: Seen, before: Mapping[str, Before]) -> bool:
    """Whether what is seen came after the request: another certificate, or a failure that was not there; or
    that nothing can come of it now.
    """
    fingerprint, failed_at = before.get(seen.link, ("", None))
    is_new = bool(seen.fingerprint) and seen.fingerprint != fingerprint
    return is_new or (seen.state == "failed" and (seen.failed_at not in {None, failed_at} or seen.force_is_vain))
