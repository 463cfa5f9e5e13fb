"""Both stores in memory, quick enough for virtual years; the contract suites hold them to their ports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from certd.errors import LeaseLost
from certd.model import (
    NO_ATTEMPT,
    Bucket,
    Certificate,
    DependencyState,
    Deployment,
    Lease,
    LineageFacts,
    Need,
    ProxyFacts,
    Rank,
    Request,
    Slot,
    Turn,
)
from certd.planning.generation_choice import to_deploy
from certd.planning.rate_limits import charge, refund, take
from certd.ports import Clock
from certd.targets.layout import as_generation

LEASE = timedelta(seconds=30)

# As in the real store: who waits for a dependency has just stepped back, or is due.
SOON = timedelta(minutes=5)

# Before everything that a time was set for.
AT_ONCE = datetime.fromtimestamp(0, UTC)


@dataclass
class Row:
    """One work row."""

    subject: str
    dependency: str
    rank: Rank
    due: datetime
    because: str = ""
    owner: str = ""
    generation: int = 0
    lease_until: datetime | None = None
    crashes: int = 0
    woken: Rank | None = None


class MemoryWork:
    """Implements ports.WorkStore."""

    def __init__(self, clock: Clock, owner: str) -> None:
        self._clock = clock
        self._owner = owner
        self.rows: dict[str, Row] = {}
        self._dependencies: dict[str, DependencyState] = {}

    def claim(self, *, limit: int, dependencies: Mapping[str, int] | None = None, subject: str = "") -> list[Lease]:
        now = self._clock.now()
        leases: list[Lease] = []
        taken: dict[str, int] = {}
        for row in sorted(self.rows.values(), key=lambda r: (r.rank, r.due)):
            if len(leases) >= limit:
                break
            if subject and row.subject != subject:
                continue
            held = row.lease_until is not None and row.lease_until > now
            dead = row.lease_until is not None and not held
            if held or (row.due > now and not dead and not subject):
                continue
            away = self._dependencies.get(row.dependency)
            if away is not None and not subject:
                if away.probe_at > now:
                    continue
                self._dependencies[row.dependency] = replace(away, probe_at=now + LEASE)
            if taken.get(row.dependency, 0) >= (dependencies or {}).get(row.dependency, limit):
                continue
            taken[row.dependency] = taken.get(row.dependency, 0) + 1
            row.generation += 1
            row.woken = None
            row.crashes += int(dead)
            row.owner = self._owner
            row.lease_until = now + LEASE
            leases.append(
                Lease(
                    subject=row.subject,
                    owner=self._owner,
                    generation=row.generation,
                    dependency=row.dependency,
                    taken_over=dead,
                    crashes=row.crashes,
                )
            )
        return leases

    def _fence(self, lease: Lease) -> Row:
        row = self.rows.get(lease.subject)
        now = self._clock.now()
        if row is None or row.owner != lease.owner or row.generation != lease.generation:
            raise LeaseLost(f"{lease.subject}: held by another")
        if row.lease_until is None or row.lease_until <= now:
            raise LeaseLost(f"{lease.subject}: the lease ran out")
        row.lease_until = now + LEASE
        return row

    def extend(self, lease: Lease) -> None:
        self._fence(lease)

    def release(self, lease: Lease, *, due: datetime, rank: Rank, because: str, dependency: str = "") -> None:
        row = self._fence(lease)
        row.due, row.rank, row.because, row.lease_until, row.crashes = due, rank, because, None, 0
        row.dependency = dependency or row.dependency
        if row.woken is not None:
            row.due, row.rank, row.woken = self._clock.now(), min(rank, row.woken), None

    def wake(self, subject: str, *, rank: Rank | None = None, because: str = "") -> None:
        now = self._clock.now()
        row = self.rows.setdefault(subject, Row(subject, "", rank or Rank.FIRST, now))
        if row.lease_until is not None:
            row.woken = min(row.woken or Rank.FIRST, Rank.FIRST if rank is None else rank)
            return
        row.due = min(row.due, now)
        row.rank = row.rank if rank is None else min(rank, row.rank)

    def wake_impossible(self, longest: timedelta) -> int:
        now = self._clock.now()
        woken = [row for row in self.rows.values() if row.lease_until is None and row.due > now + longest]
        for row in woken:
            row.due = now
        return len(woken)

    def next_due(self) -> datetime | None:
        now = self._clock.now()
        dues = []
        for row in self.rows.values():
            if row.lease_until is not None:
                dues.append(max(row.lease_until, now))
                continue
            away = self._dependencies.get(row.dependency)
            dues.append(max(row.due, away.probe_at) if away else row.due)
        return min(dues, default=None)

    def dependency_away(self, dependency: str, because: str, probe_at: datetime) -> None:
        known = self._dependencies.get(dependency)
        now = self._clock.now()
        self._dependencies[dependency] = DependencyState(
            dependency=dependency,
            away_since=known.away_since if known else now,
            probe_at=probe_at,
            failures=known.failures + 1 if known else 1,
            because=because,
        )

    def dependency_back(self, dependency: str) -> None:
        self._dependencies.pop(dependency, None)

    def dependencies(self) -> list[DependencyState]:
        return list(self._dependencies.values())


class MemoryLineages(MemoryWork):
    """Implements ports.LineageStore."""

    def soonest_end(self, dependency: str) -> datetime | None:
        now = self._clock.now()
        waiting = [row for row in self.rows.values() if row.dependency == dependency and row.due <= now + SOON]
        facts = [self._facts.get(row.subject.removeprefix("issue:")) for row in waiting]
        ends = [each.current.not_after for each in facts if each is not None and each.current is not None]
        return min((end for end in ends if end > now), default=None)

    def __init__(self, clock: Clock, owner: str = "node") -> None:
        super().__init__(clock, owner)
        self._facts: dict[str, LineageFacts] = {}
        self._requests: dict[str, Request] = {}
        self._buckets: dict[tuple[str, str, str], Bucket] = {}
        self._slots: dict[str, Slot] = {}
        self.certificates: list[Certificate] = []

    def add(self, link: str, dependency: str) -> None:
        """A link that is wanted from now on."""
        subject = f"issue:{link}"
        self.rows[subject] = Row(subject, dependency, Rank.FIRST, self._clock.now())
        self._facts.setdefault(link, LineageFacts(link=link))

    def wish_changed(self, link: str) -> None:
        """What setting another wish does."""
        self._facts[link] = replace(self._facts[link], attempt=NO_ATTEMPT, others=())
        self.wake(f"issue:{link}")

    def facts(self, link: str) -> LineageFacts:
        now = self._clock.now()
        facts = self._facts.get(link, LineageFacts(link=link))
        request, slot = self._requests.get(link), self._slots.get(link)
        lately = facts.issued_lately
        if lately and now - lately[0] >= timedelta(days=7):
            lately = tuple(at for at in lately if now - at < timedelta(days=7))
        if (request, slot, lately) == (facts.request, facts.slot, facts.issued_lately):
            return facts
        return replace(facts, request=self._requests.get(link), issued_lately=lately, slot=self._slots.get(link))

    def repair(self, lease: Lease) -> str:
        return ""

    def keep(self, lease: Lease, facts: LineageFacts) -> None:
        self._fence(lease)
        current = facts.current
        asked = self._requests.get(facts.link)
        if facts.request is None and asked and current and asked.at <= current.issued_at:
            del self._requests[facts.link]
        if current is not None and all(current.fingerprint != c.fingerprint for c in self.certificates):
            self.certificates.append(current)
        elif adopted := self._facts.get(facts.link, facts).current:
            known = current is not None and current.fingerprint == adopted.fingerprint
            facts = facts if known else replace(facts, current=adopted)
        self._facts[facts.link] = facts

    def leave(
        self, lease: Lease, facts: LineageFacts, *, until: datetime, rank: Rank, because: str, dependency: str = ""
    ) -> None:
        self.keep(lease, facts)
        self.release(lease, due=until, rank=rank, because=because, dependency=dependency)

    def take_turn(self, lease: Lease, issuer: str, needs: Sequence[Need], *, urgent: bool) -> Turn:
        self._fence(lease)
        now = self._clock.now()
        link = lease.subject.removeprefix("issue:")
        keys = [(issuer, need.limit.kind, need.subject) for need in needs]
        full = Bucket(spent=now, queued=now)
        slot = self._slots.get(link)
        held = slot.at if slot is not None and slot.issuer == issuer else None
        turn = take(needs, [self._buckets.get(key, full) for key in keys], now, urgent=urgent, slot=held)
        self._buckets |= dict(zip(keys, turn.buckets, strict=True))
        self._slots.pop(link, None)
        if turn.slot is not None:
            self._slots[link] = Slot(issuer=issuer, at=turn.slot)
        return turn

    def charge(self, issuer: str, needs: Sequence[Need]) -> None:
        now = self._clock.now()
        for need in needs:
            key = (issuer, need.limit.kind, need.subject)
            self._buckets[key] = charge(need, self._buckets.get(key, Bucket(spent=now, queued=now)), now)

    def refund(self, issuer: str, needs: Sequence[Need]) -> None:
        for need in needs:
            key = (issuer, need.limit.kind, need.subject)
            self._buckets[key] = refund(need, self._buckets[key])

    def request(self, link: str, request: Request) -> None:
        self._requests[link] = request
        self.wake(f"issue:{link}", rank=Rank.OPERATOR)

    def adopt(self, certificate: Certificate) -> bool:
        known = self.certificates
        if any(certificate.fingerprint == c.fingerprint for c in known):
            return False
        known.append(certificate)
        facts = self._facts.get(certificate.link, LineageFacts(link=certificate.link))
        if facts.current is None or facts.current.not_after < certificate.not_after:
            self._facts[certificate.link] = replace(facts, current=certificate, attempt=NO_ATTEMPT)
        self.wake(f"issue:{certificate.link}")
        return True

    def certificates_since(self, sequence: int) -> Iterable[tuple[int, Certificate]]:
        return list(enumerate(self.certificates[sequence:], start=sequence + 1))


@dataclass
class Kept:
    """What a node remembers of its proxies."""

    deployments: dict[tuple[str, str], Deployment] = field(default_factory=dict)
    came: set[tuple[str, str]] = field(default_factory=set)
    due: dict[tuple[str, str], datetime | None] = field(default_factory=dict)
    expected: dict[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    woken: int = 0
    proxies: dict[str, ProxyFacts] = field(default_factory=dict)


class MemoryNode(MemoryWork):
    """Implements ports.NodeStore."""

    def __init__(self, clock: Clock, owner: str = "node") -> None:
        super().__init__(clock, owner)
        self._copies: dict[tuple[str, str], Certificate] = {}
        self._sequence = 0
        self._kept = Kept()

    def add(self, proxy: str) -> None:
        """A proxy of this node."""
        subject = f"deploy:{proxy}"
        self.rows[subject] = Row(subject, f"proxy:{proxy}", Rank.RENEWAL, self._clock.now())

    def proxy_facts(self, proxy: str, links: Sequence[tuple[str, tuple[str, ...]]]) -> ProxyFacts:
        kept = self._kept.proxies.get(proxy, ProxyFacts(proxy=proxy))
        deployments = []
        for link, domains in links:
            known = self._kept.deployments.get((proxy, link), Deployment(link=link, domains=domains))
            copies = [c for (name, _), c in self._copies.items() if name == link]
            ours = frozenset(c.fingerprint for c in copies)
            deployments.append(
                replace(
                    known, domains=domains, wanted=to_deploy([as_generation(c) for c in copies], domains), ours=ours
                )
            )
        return replace(kept, deployments=tuple(deployments))

    def due_facts(
        self, proxy: str, links: Mapping[str, tuple[str, ...]], *, by: datetime, latest: datetime, most: int
    ) -> ProxyFacts:
        kept = self._kept
        if kept.expected.get(proxy) is not links:
            kept.expected[proxy] = links
            kept.due = {key: due for key, due in kept.due.items() if key[0] != proxy}
            kept.due |= dict.fromkeys(((proxy, link) for link in links), AT_ONCE)
        dues = {link: due for (on, link), due in kept.due.items() if on == proxy and due is not None and link in links}
        ordered = sorted(dues, key=lambda link: (dues[link], link))
        wrong = [link for link in ordered if self._trouble(proxy, link) and dues[link] <= by][: most // 2]
        come = [link for link in ordered if dues[link] <= by or dues[link] > latest]
        chosen = list(dict.fromkeys([*wrong, *come]))[:most]
        later = next(((link, dues[link]) for link in ordered if link not in chosen), None)
        facts = self.proxy_facts(proxy, [(link, links[link]) for link in chosen])
        return replace(facts, woken=kept.woken, later=later)

    def _trouble(self, proxy: str, link: str) -> bool:
        known = self._kept.deployments.get((proxy, link))
        return known is None or bool(known.error) or not known.served or (proxy, link) in self._kept.came

    def _wake(self, link: str) -> None:
        self._kept.woken += 1
        self._kept.came |= {key for key in self._kept.due if key[1] == link}
        self._kept.due |= {key: AT_ONCE for key in self._kept.due if key[1] == link}

    def keep(self, lease: Lease, facts: ProxyFacts, due: Mapping[str, datetime | None] | None = None) -> None:
        self._fence(lease)
        self._kept.proxies[facts.proxy] = replace(facts, deployments=(), woken=0, later=None)
        if facts.woken != self._kept.woken:
            due = None
        for deployment in facts.deployments:
            key = facts.proxy, deployment.link
            self._kept.deployments[key] = deployment
            self._kept.came.discard(key)
            self._kept.due[key] = AT_ONCE if due is None else due[deployment.link]

    def leave(
        self,
        lease: Lease,
        facts: ProxyFacts,
        due: Mapping[str, datetime | None] | None = None,
        *,
        until: datetime,
        rank: Rank,
        because: str,
        dependency: str = "",
    ) -> None:
        self.keep(lease, facts, due)
        self.release(lease, due=until, rank=rank, because=because, dependency=dependency)

    def copy_in(self, certificate: Certificate, sequence: int) -> None:
        self._copies[certificate.link, certificate.generation] = certificate
        self._wake(certificate.link)
        self._sequence = max(self._sequence, sequence)

    def forget_old(self, keep: int = 6) -> None:
        """What housekeeping does."""
        for key in list(self._copies)[:-keep]:
            del self._copies[key]

    def certificate(self, link: str, generation: str) -> Certificate | None:
        return self._copies.get((link, generation))

    def sequence(self) -> int:
        return self._sequence

    def deployments(self) -> Iterator[tuple[str, Deployment]]:
        return ((proxy, deployment) for (proxy, _), deployment in sorted(self._kept.deployments.items()))
