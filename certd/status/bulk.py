"""Where every link stands, read in bulk: what pages and figures are made of.

With ten thousand links this takes seconds of a processor, so a summary is kept for a moment and made by one at a time.
With the shared store away it is made from what this node itself knows (design.md, Store away).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from certd.config.settings import LinkSettings
from certd.errors import CertdError
from certd.model import Certificate, Deployment, Desired, Generation, LineageFacts, Secret
from certd.planning.renewal import renewal_moment
from certd.read_model import ReadModel
from certd.status.assess import LinkStatus, State, assess_facts

# A summary serves everybody who asks within so many seconds.
FRESH_SECONDS = 5.0

# Links read at once: bounds what lies in memory.
CHUNK = 500


@dataclass(frozen=True, slots=True)
class LinkSummary:
    """One link, as much as a list needs to sort, search and count.

    Attributes:
        not_after: Of the newest certificate; None before the first.
        seen_until: The earliest end of what an endpoint of this node shows.
    """

    name: str
    domains: tuple[str, ...]
    labels: Mapping[str, str]
    state: State
    attention: bool
    not_after: datetime | None
    renewal_at: datetime | None
    seen_until: datetime | None

    def matches(self, text: str) -> bool:
        """Whether a search finds it: by name, domain or label."""
        words = (self.name, *self.domains, *(f"{name}={value}" for name, value in self.labels.items()))
        return any(text in word.lower() for word in words)


@dataclass(frozen=True, slots=True)
class Summary:
    """All links.

    Attributes:
        glances: What needs attention first, then what ends soonest.
        trouble: Why the shared store could not be read; empty when it was.
        orphans: Links that are in the configuration no more.
    """

    at: datetime
    summaries: tuple[LinkSummary, ...]
    trouble: str = ""
    orphans: tuple[str, ...] = ()

    @property
    def attention(self) -> int:
        """How many links somebody should look at."""
        return sum(glance.attention for glance in self.summaries)


class BulkStatus:
    """Reads; one summary at a time.

    Args:
        read_model: That of the configuration in force.
    """

    def __init__(self, read_model: Callable[[], ReadModel]) -> None:
        self._ledger = read_model
        self._lock = threading.Lock()
        self._kept: tuple[float, ReadModel, Summary] | None = None

    def summary(self) -> Summary:
        """At most five seconds old. Raises CertdError where this node's own store cannot be read."""
        read_model = self._ledger()
        with self._lock:
            if self._kept is not None and self._kept[1] is read_model:
                age = read_model.clock.monotonic() - self._kept[0]
                if age < FRESH_SECONDS:
                    return self._kept[2]
            made = self._summary(read_model)
            self._kept = (read_model.clock.monotonic(), read_model, made)
            return made

    def statuses(self, links: Sequence[str]) -> list[LinkStatus]:
        """These links, as they stand now; unknown names are left out."""
        read_model = self._ledger()
        known = {link.name: link for link in read_model.settings.links}
        return list(_standings(read_model, [known[name] for name in links if name in known], Trouble()))

    def every(self) -> Iterator[LinkStatus]:
        """All of them, a few hundred at a time."""
        read_model = self._ledger()
        return _standings(read_model, read_model.settings.links, Trouble())

    def _summary(self, read_model: ReadModel) -> Summary:
        trouble = Trouble()
        summaries = [_glance(one) for one in _standings(read_model, read_model.settings.links, trouble)]
        far = datetime.max.replace(tzinfo=read_model.clock.now().tzinfo)
        summaries.sort(key=lambda glance: (not glance.attention, glance.not_after or far, glance.name))
        orphans: tuple[str, ...] = ()
        if not trouble.words:
            try:
                orphans = read_model.stores.specs.orphans()
            except CertdError as error:
                trouble.words = str(error)
        return Summary(read_model.clock.now(), tuple(summaries), trouble.words, orphans)


@dataclass(slots=True)
class Trouble:
    """Why the shared store could not be read."""

    words: str = ""


def _standings(read_model: ReadModel, links: Sequence[LinkSettings], trouble: Trouble) -> Iterator[LinkStatus]:
    for start in range(0, len(links), CHUNK):
        yield from _chunk(read_model, links[start : start + CHUNK], trouble)


def _chunk(read_model: ReadModel, links: Sequence[LinkSettings], trouble: Trouble) -> Iterator[LinkStatus]:
    names = [link.name for link in links]
    bulk_reader = read_model.stores.bulk_reader
    deployments = bulk_reader.deployments({link.name: link.spec.domains for link in links})
    clicks = read_model.stores.clicks.among(names)
    now = read_model.clock.now()
    try:
        specs, facts, away = bulk_reader.specs(names), bulk_reader.lineages(names), read_model.issuers_away()
    except CertdError as error:
        trouble.words = str(error)
        specs, facts, away = {}, {link: _own(link, deployments[link]) for link in names}, {}
    for link in links:
        mine = deployments[link.name]
        on = tuple(
            (proxy, mine.get(proxy) or Deployment(link=link.name, domains=link.spec.domains)) for proxy in link.proxies
        )
        desired: Desired | None = None
        spec = specs.get(link.name)
        if spec is not None:
            try:
                desired = read_model.desired_for(spec, facts[link.name], away)
            except CertdError as error:
                trouble.words = trouble.words or str(error)
        yield assess_facts(link, facts[link.name], on, desired, now, clicks=clicks.get(link.name, ()))


def _own(link: str, deployments: Mapping[str, Deployment]) -> LineageFacts:
    """What this node has a copy of, in place of what the shared store would say."""
    wanted = [one.wanted for one in deployments.values() if one.wanted is not None]
    newest = max(wanted, key=lambda generation: generation.not_before, default=None)
    return LineageFacts(link=link, current=_as_certificate(newest) if newest else None)


def _as_certificate(generation: Generation) -> Certificate:
    return Certificate(
        link=generation.link,
        generation=generation.name,
        fingerprint=generation.fingerprint,
        issuer=generation.issuer,
        domains=generation.domains,
        key_type="",
        not_before=generation.not_before,
        not_after=generation.not_after,
        chain_pem="",
        key=Secret(""),
        issued_at=generation.not_before,
    )


def _glance(one: LinkStatus) -> LinkSummary:
    current = one.facts.current
    ends = [
        observation.not_after
        for _, deployment in one.deployments
        for observation in deployment.observations
        if observation.not_after
    ]
    return LinkSummary(
        name=one.link.name,
        domains=one.link.spec.domains,
        labels=one.link.spec.labels,
        state=one.state,
        attention=one.attention,
        not_after=current.not_after if current else None,
        renewal_at=renewal_moment(current).at if current else None,
        seen_until=min(ends, default=None),
    )
