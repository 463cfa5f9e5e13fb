"""Where every link stands, read in bulk: what pages and figures are made of.

With ten thousand links this takes seconds of a processor, so a summary is kept for a moment and made by one at a time.
With the shared store away it is made from what this node itself knows (promise 10).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from certd.config.settings import LinkSettings
from certd.errors import CertdError
from certd.ledger import Ledger
from certd.model import Certificate, Deployment, Generation, LineageFacts, Secret, Wish
from certd.planning.renewal import renewal_moment
from certd.standing import Standing, State, placed

# A summary serves everybody who asks within so many seconds.
FRESH_SECONDS = 5.0

# Links read at once: bounds what lies in memory.
CHUNK = 500


@dataclass(frozen=True, slots=True)
class Glance:
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
    glances: tuple[Glance, ...]
    trouble: str = ""
    orphans: tuple[str, ...] = ()

    @property
    def attention(self) -> int:
        """How many links somebody should look at."""
        return sum(glance.attention for glance in self.glances)


class Overview:
    """Reads; one summary at a time.

    Args:
        ledger: That of the configuration in force.
    """

    def __init__(self, ledger: Callable[[], Ledger]) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._kept: tuple[float, Ledger, Summary] | None = None

    def summary(self) -> Summary:
        """At most five seconds old. Raises CertdError where this node's own store cannot be read."""
        ledger = self._ledger()
        with self._lock:
            if self._kept is not None and self._kept[1] is ledger:
                age = ledger.clock.monotonic() - self._kept[0]
                if age < FRESH_SECONDS:
                    return self._kept[2]
            made = self._summary(ledger)
            self._kept = (ledger.clock.monotonic(), ledger, made)
            return made

    def standings(self, links: Sequence[str]) -> list[Standing]:
        """These links, as they stand now; unknown names are left out."""
        ledger = self._ledger()
        known = {link.name: link for link in ledger.settings.links}
        return list(_standings(ledger, [known[name] for name in links if name in known], Trouble()))

    def every(self) -> Iterator[Standing]:
        """All of them, a few hundred at a time."""
        ledger = self._ledger()
        return _standings(ledger, ledger.settings.links, Trouble())

    def _summary(self, ledger: Ledger) -> Summary:
        trouble = Trouble()
        glances = [_glance(one) for one in _standings(ledger, ledger.settings.links, trouble)]
        far = datetime.max.replace(tzinfo=ledger.clock.now().tzinfo)
        glances.sort(key=lambda glance: (not glance.attention, glance.not_after or far, glance.name))
        orphans: tuple[str, ...] = ()
        if not trouble.words:
            try:
                orphans = ledger.stores.wishes.orphans()
            except CertdError as error:
                trouble.words = str(error)
        return Summary(ledger.clock.now(), tuple(glances), trouble.words, orphans)


@dataclass(slots=True)
class Trouble:
    """Why the shared store could not be read."""

    words: str = ""


def _standings(ledger: Ledger, links: Sequence[LinkSettings], trouble: Trouble) -> Iterator[Standing]:
    for start in range(0, len(links), CHUNK):
        yield from _chunk(ledger, links[start : start + CHUNK], trouble)


def _chunk(ledger: Ledger, links: Sequence[LinkSettings], trouble: Trouble) -> Iterator[Standing]:
    names = [link.name for link in links]
    survey = ledger.stores.survey
    deployments = survey.deployments({link.name: link.spec.domains for link in links})
    clicks = ledger.stores.clicks.among(names)
    now = ledger.clock.now()
    try:
        specs, facts, away = survey.specs(names), survey.lineages(names), ledger.issuers_away()
    except CertdError as error:
        trouble.words = str(error)
        specs, facts, away = {}, {link: _own(link, deployments[link]) for link in names}, {}
    for link in links:
        mine = deployments[link.name]
        on = tuple(
            (proxy, mine.get(proxy) or Deployment(link=link.name, domains=link.spec.domains)) for proxy in link.proxies
        )
        wish: Wish | None = None
        spec = specs.get(link.name)
        if spec is not None:
            try:
                wish = ledger.wish_for(spec, facts[link.name], away)
            except CertdError as error:
                trouble.words = trouble.words or str(error)
        yield placed(link, facts[link.name], on, wish, now, clicks=clicks.get(link.name, ()))


def _own(link: str, deployments: Mapping[str, Deployment]) -> LineageFacts:
    """What this node has a copy of, in place of what the shared store would say."""
    wanted = [one.wanted for one in deployments.values() if one.wanted is not None]
    newest = max(wanted, key=lambda generation: generation.not_before, default=None)
    return LineageFacts(link=link, current=_as_certificate(newest) if newest else None)


def _as_certificate(generation: Generation) -> Certificate:
    return Certificate(
        link=generation.link, generation=generation.name, fingerprint=generation.fingerprint,
        issuer=generation.issuer, domains=generation.domains, key_type="", not_before=generation.not_before,
        not_after=generation.not_after, chain_pem="", key=Secret(""), issued_at=generation.not_before,
    )  # fmt: skip


def _glance(one: Standing) -> Glance:
    current = one.facts.current
    ends = [sight.not_after for _, deployment in one.deployments for sight in deployment.sights if sight.not_after]
    return Glance(
        name=one.link.name, domains=one.link.spec.domains, labels=one.link.spec.labels, state=one.state,
        attention=one.attention, not_after=current.not_after if current else None,
        renewal_at=renewal_moment(current).at if current else None, seen_until=min(ends, default=None),
    )  # fmt: skip
