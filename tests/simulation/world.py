"""One link, one proxy, one CA and the faults that a seed draws; the engine that runs is the real one."""

from __future__ import annotations

import bisect
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from certd.acme.directories import LETS_ENCRYPT
from certd.deployment.placeholders import publish_placeholders
from certd.deployment.rollout import Rollout
from certd.dns.public_suffix import registered_domain
from certd.engine import LONGEST_REST, DeployEngine, IssueEngine
from certd.errors import GateRefused
from certd.issuance import Crypto, Issuance
from certd.model import Certificate, CertificateSpec, Desired, DesiredProxy, IssuerTerms, LineageFacts, Rank, Secret
from certd.planning.issuers import choose_issuer, issuer_of
from tests.simulation.clock import EPOCH, VirtualClock
from tests.simulation.memory import MemoryLineages, MemoryNode
from tests.simulation.models import ModelCa, ModelDns, ModelProxy

LINK = "link.example.com"
LINKS = {LINK: (LINK,)}
TERMS = IssuerTerms(
    name="model",
    pause_after_failed_validation=timedelta(minutes=12),
    weekly_same_names=5,
    weekly_reserve=1,
    limits=LETS_ENCRYPT,
)

# A mass revocation: the window moves first, the certificate is revoked so long after.
NOTICE = timedelta(hours=24)
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Outages:
    """When something is away, as sorted intervals."""

    intervals: tuple[tuple[datetime, datetime], ...]

    def __call__(self, now: datetime) -> bool:
        return self.touches(now, now)

    def touches(self, start: datetime, end: datetime) -> bool:
        """Whether something of this time falls into one of them."""
        # Those that began last; one that began long before has ended.
        last = bisect.bisect_right(self.intervals, end, key=_start)
        return any(since <= end and start < until for since, until in self.intervals[max(0, last - 8) : last])

    @staticmethod
    def drawn(chance: random.Random, years: float, a_year: float, longest: timedelta) -> Outages:
        """So many a year, each up to ``longest``, at random."""
        count = round(years * a_year)
        starts = sorted(chance.uniform(0, years * 365) for _ in range(count))
        return Outages(
            tuple(
                (EPOCH + timedelta(days=s), EPOCH + timedelta(days=s) + longest * chance.random() ** 2) for s in starts
            )
        )


def _start(interval: tuple[datetime, datetime]) -> datetime:
    return interval[0]


NOTHING = Outages(())


@dataclass(frozen=True)
class Event:
    """What befalls a machine or its CA: a stranger's reload, a suspend for so long, a clock that is off by so much from
    then, an incident that calls back what was signed.
    """

    at: datetime
    kind: str
    by: timedelta = timedelta(0)

    @staticmethod
    def drawn(chance: random.Random, years: float) -> list[Event]:
        """Twelve reloads by strangers, two suspends of up to three days, and four wrong clocks a year."""
        events = []

        def moments(a_year: float) -> list[datetime]:
            return [EPOCH + timedelta(days=chance.uniform(0, years * 365)) for _ in range(round(years * a_year))]

        events += [Event(at, "stranger") for at in moments(12)]
        events += [Event(at, "suspend", timedelta(days=3 * chance.random() ** 2)) for at in moments(2)]
        for at in moments(4):
            events.append(Event(at, "clock", timedelta(hours=chance.uniform(-6, 6))))
            events.append(Event(at + timedelta(hours=chance.uniform(1, 48)), "clock"))
        return events


@dataclass
class SilentJournal:
    """Keeps the last lines, for a failing seed."""

    lines: list[str] = field(default_factory=list)
    clock: VirtualClock | None = None

    def say(self, message: str, **fields: str) -> None:
        at = f"{self.clock.true:%Y-%m-%d %H:%M:%S}" if self.clock else ""
        self.lines.append(f"{at} {message} {fields}")
        del self.lines[:-400]

    warn = say

    def crash(self, message: str, error: Exception, **fields: str) -> None:
        raise error


def covers(certificate: Certificate, domains: Sequence[str], now: datetime) -> None:
    """What the pair gate says of names."""
    if not certificate.covers(tuple(domains)):
        raise GateRefused(f"{certificate.generation} covers {certificate.domains}, not {domains}")


class World:
    """Runs virtual time; ``lapsed`` is how long clients would have seen a warning after the first certificate."""

    def __init__(
        self,
        seed: int,
        *,
        years: float,
        life: timedelta | Callable[[datetime], timedelta] = timedelta(days=90),
        fallback_away: Outages | None = None,
        sees_otherwise: Outages = NOTHING,
        with_staging: bool = False,
        ca_away: Outages | None = None,
        dns_away: Outages | None = None,
        reload_fails: Outages | None = None,
        unseen: Outages | None = None,
        look_every: timedelta = timedelta(days=1),
        events: Sequence[Event] = (),
    ) -> None:
        nothing = NOTHING
        self.chance = random.Random(seed)
        self.end = EPOCH + timedelta(days=365 * years)
        self.clock = VirtualClock()
        self.journal = SilentJournal(clock=self.clock)
        self.dns = ModelDns(self.clock, dns_away or nothing)
        lives = life if callable(life) else lambda now: life
        self.ca = ModelCa(self.clock, self.chance, lives, ca_away or nothing, self.dns, sees_otherwise=sees_otherwise)
        self.cas = {"model": self.ca}
        if with_staging:
            self.cas["staging"] = ModelCa(
                self.clock,
                self.chance,
                lives,
                ca_away or nothing,
                self.dns,
                "staging",
                has_limits=False,
                sees_otherwise=sees_otherwise,
            )
        if fallback_away is not None:
            self.cas["fallback"] = ModelCa(self.clock, self.chance, lives, fallback_away, self.dns, "fallback")
        self.proxy = ModelProxy(self.clock, self.chance, reload_fails or nothing, unseen or nothing)
        self.lineages = MemoryLineages(self.clock)
        self.node = MemoryNode(self.clock)
        issuers = ("model", "fallback") if fallback_away is not None else ("model",)
        self.spec = CertificateSpec(link=LINK, domains=(LINK,), issuers=issuers, dns="model")
        self.mark = ""
        self.terms = replace(TERMS, staging="staging" if with_staging else "")
        crypto = Crypto(
            make_key=lambda kind: Secret("key"),
            key_type_of=lambda key: "ecdsa-p256",
            csr=lambda key, domains: b"csr",
            read=self._read,
            judge=lambda certificate, domains, now: None,
        )
        issuance = Issuance(
            authority=self.cas.__getitem__,
            challenges=lambda name: self.dns,
            crypto=crypto,
            clock=self.clock,
            chance=self.chance,
            journal=self.journal,
        )
        self.issue = IssueEngine(
            store=self.lineages,
            issuance=issuance,
            desired=self._wish,
            clock=self.clock,
            registered=registered_domain,
            journal=self.journal,
            issued=lambda link: None,
        )
        rollout = Rollout(
            target=self.proxy,
            prober=self.proxy,
            clock=self.clock,
            journal=self.journal,
            certificate=self.node.certificate,
            gate=covers,
        )
        self.links: Mapping[str, tuple[str, ...]] = LINKS
        self.deploy = DeployEngine(
            store=self.node,
            rollout=lambda proxy: rollout,
            links=lambda proxy: self.links,
            desired=lambda proxy: DesiredProxy(proxy=proxy, links=(LINK,), look_every=look_every),
            clock=self.clock,
            journal=self.journal,
        )
        self.lineages.add(LINK, "issuer:model")
        self.node.add("edge")
        publish_placeholders(self.proxy, {LINK: (LINK,)}, self.clock)
        self.proxy.reload()
        self.lapsed = timedelta(0)
        self.lapses: list[tuple[datetime, datetime]] = []
        self.passes = 0
        self.revoked: dict[str, datetime] = {}
        self.incidents = 0
        self._events = sorted(events, key=lambda event: event.at, reverse=True)

    def _read(self, chain: str, key: Secret, link: str, issuer: str, now: datetime) -> Certificate:
        return self.cas[issuer].signed(chain, key, link, issuer, now)

    def _wish(self, link: str, facts: LineageFacts, dependency: str = "") -> Desired:
        """What the application does: the issuer whose turn it is, with its terms."""
        spec = self.spec if link == LINK else replace(self.spec, link=link, domains=(link,))
        current = facts.current.issuer if facts.current else ""
        before = current if current in self.cas and current not in spec.issuers else ""
        if spec.issuers == ("model",) and not before:
            return Desired(spec=spec, issuer=self.terms, mark=self.mark)
        away = {
            name: state.away_since for state in self.lineages.dependencies() if (name := issuer_of(state.dependency))
        }
        name = choose_issuer(spec.issuers, facts, self.clock.now(), away, issuer_of(dependency), before)
        terms = self.terms if name == "model" else replace(self.terms, name=name, staging="")
        return Desired(spec=spec, issuer=terms, mark=self.mark)

    def _reroute(self) -> None:
        """What the daemon does every half minute: who waits for one that is away is moved to the other's lane."""
        row = self.lineages.rows[self.spec.subject]
        if not row.dependency.startswith("issuer:") or len(self.spec.issuers) == 1 or row.lease_until is not None:
            return
        chosen = f"issuer:{self._wish(LINK, self.lineages.facts(LINK)).issuer.name}"
        if (
            any(dependency.dependency == row.dependency for dependency in self.lineages.dependencies())
            and chosen != row.dependency
        ):
            row.dependency, row.due = chosen, min(row.due, self.clock.now())

    def _copy_in(self) -> None:
        """What a dispatch of the daemon does each time: level-triggered, so that no death can lose it."""
        newer = list(self.lineages.certificates_since(self.node.sequence()))
        for sequence, certificate in newer:
            self.node.copy_in(certificate, sequence)
        if newer:
            self.node.forget_old()
            self.node.wake("deploy:edge", rank=Rank.RENEWAL)

    def run(self) -> None:
        """Until the end of the virtual years."""
        while self.clock.true < self.end:
            self._copy_in()
            self._reroute()
            due = self._next_due()
            wait = max(due - self.clock.now(), timedelta(0))
            if self._events and self._events[-1].at <= self.clock.true + wait:
                self._befall(self._events.pop())
                continue
            self._advance(wait)
            before = self.clock.true
            served = self._served_until()
            for lease in self.lineages.claim(limit=1):
                self.issue.reconcile(lease)
            for lease in self.node.claim(limit=1):
                self.deploy.reconcile(lease)
            self.passes += 1
            self._count(before, self.clock.true, served)
            if self.clock.true == before and due <= self.clock.now():
                # Every pass costs some time; a loop that costs none would spin for ever.
                self._advance(timedelta(milliseconds=1))

    def configure(self, spec: CertificateSpec, mark: str) -> None:
        """What a changed configuration does: what failed with the old wish says nothing of the new one."""
        self.spec, self.mark, self.links = spec, mark, {LINK: spec.domains}
        self.lineages.wish_changed(LINK)
        self.node.wake("deploy:edge", rank=Rank.RENEWAL)

    def _befall(self, event: Event) -> None:
        """Something happens to the machine, of which certd learns nothing."""
        self._advance(max(event.at - self.clock.true, timedelta(0)))
        match event.kind:
            case "stranger":
                self.proxy.loaded = dict(self.proxy.files)
            case "suspend":
                self._advance(event.by)
            case "clock":
                self.clock.skew = event.by
                # The daemon notices that the wall clock jumped.
                for store in (self.lineages, self.node):
                    store.wake_impossible(LONGEST_REST + HOUR)
            case "incident":
                self._call_back()

    def _call_back(self) -> None:
        """The CA moves the windows of everything it signed lately, and revokes it a day later."""
        for ca in self.cas.values():
            for order in ca.orders[-3:]:
                if order.certificate is not None and order.certificate.ari_id not in ca.incidents:
                    ca.incidents.add(order.certificate.ari_id)
                    self.revoked[order.certificate.fingerprint] = self.clock.true + NOTICE
        self.incidents += 1

    def _next_due(self) -> datetime:
        dues: Sequence[datetime | None] = (self.lineages.next_due(), self.node.next_due())
        return min(due for due in dues if due is not None)

    def _served_until(self) -> datetime | None:
        loaded = self.proxy.loaded.get(LINK)
        if loaded is None or loaded.placeholder:
            return None
        return min(loaded.not_after, self.revoked.get(loaded.fingerprint, loaded.not_after))

    def _advance(self, duration: timedelta) -> None:
        before = self.clock.true
        self.clock.true += duration
        self._count(before, self.clock.true, self._served_until())

    def _count(self, start: datetime, end: datetime, served_until: datetime | None) -> None:
        if served_until is not None and end > served_until:
            began = max(start, served_until)
            self.lapsed += end - began
            if self.lapses and began <= self.lapses[-1][1]:
                began = self.lapses.pop()[0]
            self.lapses.append((began, end))
