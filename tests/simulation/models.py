"""Models of what certd talks to: a CA with Let's Encrypt's limits, a DNS, a proxy. Each can be away or misbehave."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from certd.errors import AcmeProblem, AcmeRequest, AcmeUnreachable, DnsUnreachable
from certd.model import Authorization, Certificate, Generation, Health, Observation, Secret, TxtCleanup
from certd.ports import Obstacle, OrderSeen, Outcome, Propagation, RenewalAdvice, Verdict
from tests.simulation.clock import VirtualClock

WEEK = timedelta(days=7)


@dataclass
class ModelOrder:
    """An order at the model CA."""

    number: int
    domains: tuple[str, ...]
    made_at: datetime
    status: str = "pending"
    certificate: Certificate | None = None


@dataclass
class Tokens:
    """Boulder's limiter: so many at once, refilled evenly. Kept apart from certd's own arithmetic on purpose."""

    most: int
    per: timedelta
    held: dict[str, tuple[float, datetime]] = field(default_factory=dict)

    def left(self, subject: str, now: datetime) -> float:
        """How many it holds."""
        held, at = self.held.get(subject, (float(self.most), now))
        return min(float(self.most), held + (now - at) / (self.per / self.most))

    def spend(self, subject: str, now: datetime) -> None:
        """Take one."""
        self.held[subject] = (self.left(subject, now) - 1, now)

    def wait(self, subject: str, now: datetime) -> timedelta:
        """Until there is one; zero when there is."""
        return max(1 - self.left(subject, now) - 1e-6, 0.0) * (self.per / self.most)


@dataclass
class ModelCa:
    """Implements ports.CertificateAuthority: RFC 8555's states, Let's Encrypt's limits
    (letsencrypt.org/docs/rate-limits), and Boulder's renewal windows. ``refused`` counts the answers that a good
    client never sees.

    Attributes:
        has_limits: False for a staging directory.
        sees_otherwise: When its distant resolvers do not see what is published.
        spoils: What it says of an order that it never gets done with, or raises; None for all others.
    """

    clock: VirtualClock
    chance: random.Random
    life: Callable[[datetime], timedelta]
    is_away: Callable[[datetime], bool]
    dns: ModelDns
    name: str = "model"
    has_limits: bool = True
    sees_otherwise: Callable[[datetime], bool] = lambda now: False
    spoils: Callable[[ModelOrder], str | None] = lambda order: None
    orders: list[ModelOrder] = field(default_factory=list)
    issued: list[tuple[datetime, frozenset[str]]] = field(default_factory=list)
    per_names: Tokens = field(default_factory=lambda: Tokens(5, WEEK))
    per_domain: Tokens = field(default_factory=lambda: Tokens(50, WEEK))
    per_account: Tokens = field(default_factory=lambda: Tokens(300, timedelta(hours=3)))
    failures: Tokens = field(default_factory=lambda: Tokens(5, timedelta(hours=1)))
    refused: list[str] = field(default_factory=list)
    incidents: set[str] = field(default_factory=set)
    by_ari: dict[str, Certificate] = field(default_factory=dict)
    accounts: int = 1
    account_ended: bool = False
    words_of_the_end: str = 'Account is not valid, has status "deactivated"'
    reach_delay: timedelta = timedelta(seconds=0.05)

    @property
    def offers_renewal_information(self) -> bool:
        return True

    def _reached(self) -> datetime:
        self.clock.sleep(self.reach_delay)
        if self.is_away(self.clock.true):
            raise AcmeUnreachable("model: the CA does not answer")
        return self.clock.true

    def account(self) -> str:
        return f"{self.name}/account/{self.accounts}"

    def account_has_ended(self) -> bool:
        return self.account_ended

    def replace_account(self, ended: str) -> None:
        if ended == self.account():
            self.accounts += 1
            self.account_ended = False

    def new_order(self, domains: Sequence[str], *, profile: str = "", replaces: str = "") -> OrderSeen:
        now = self._reached()
        if self.account_ended:
            raise AcmeProblem(
                type="unauthorized", detail=self.words_of_the_end, status=403, request=AcmeRequest.NEW_ORDER
            )
        names = frozenset(domains)
        if self.has_limits and not self._is_exempt(replaces, now):
            self._judge_limits(names, now)
        order = ModelOrder(len(self.orders), tuple(domains), now)
        self.orders.append(order)
        return self._seen(order)

    def _judge_limits(self, names: frozenset[str], now: datetime) -> None:
        """A renewal of exactly the same names is exempt from two of them (letsencrypt.org/docs/rate-limits)."""
        known = any(issued == names and now - at < timedelta(days=120) for at, issued in self.issued[-2000:])
        limits = [("this exact set", self.per_names, "+".join(sorted(names)))]
        limits += [("failed authorizations", self.failures, name) for name in names]
        if not known:
            limits += [("new orders", self.per_account, "")]
            limits += [("a registered domain", self.per_domain, ".".join(n.split(".")[-2:])) for n in names]
        for detail, tokens, subject in limits:
            if wait := tokens.wait(subject, now):
                self._refuse(f"{self.name}: too many: {detail} {subject}", wait)
        if not known:
            self.per_account.spend("", now)

    def _is_exempt(self, replaces: str, now: datetime) -> bool:
        """Boulder: only while now is inside the window (letsencrypt.org/docs/rate-limits)."""
        replaced = self.by_ari.get(replaces)
        if replaced is None:
            return False
        start, end = self._window(replaced)
        return start <= now < end

    def _refuse(self, detail: str, retry_after: timedelta) -> None:
        self.refused.append(detail)
        raise AcmeProblem(type="rateLimited", detail=detail, status=429, retry_after=retry_after)

    def _seen(self, order: ModelOrder) -> OrderSeen:
        return OrderSeen(
            url=f"order/{order.number}",
            status=order.status,
            finalize_url=f"finalize/{order.number}",
            authorization_urls=tuple(f"authz/{order.number}/{i}" for i in range(len(order.domains))),
            expires=order.made_at + WEEK,
            certificate_url=f"cert/{order.number}" if order.certificate else "",
        )

    def _order(self, url: str) -> ModelOrder:
        return self.orders[int(url.split("/")[1])]

    def read_order(self, url: str) -> OrderSeen:
        self._reached()
        order = self._order(url)
        status = self.spoils(order)
        return self._seen(order) if status is None else replace(self._seen(order), status=status, certificate_url="")

    def read_authorization(self, url: str) -> Authorization:
        self._reached()
        order, index = self._order(url), int(url.split("/")[2])
        status = {"pending": "pending", "invalid": "invalid"}.get(order.status, "valid")
        domain = order.domains[index]
        return Authorization(
            url=url,
            identifier=domain,
            status=status,
            challenge_url=f"challenge/{order.number}/{index}",
            txt_name=f"_acme-challenge.{domain}",
            txt_value=self._value(order, index),
            problem_type="unauthorized" if status == "invalid" else "",
            problem="No TXT record found" if status == "invalid" else "",
        )

    def answer(self, challenge_url: str) -> None:
        now = self._reached()
        order, index = self._order(challenge_url), int(challenge_url.split("/")[2])
        if order.status != "pending":
            return
        value = self._value(order, index)
        seen = value in self.dns.visible(f"_acme-challenge.{order.domains[index]}")
        if seen and not self.sees_otherwise(now):
            order.status = "ready"
        else:
            order.status = "invalid"
            self.failures.spend(order.domains[index], now)

    def _value(self, order: ModelOrder, index: int) -> str:
        return f"value-{self.name}-{order.number}-{index}"

    def finalize(self, finalize_url: str, csr_der: bytes) -> OrderSeen:
        now = self._reached()
        order = self._order(finalize_url)
        if order.status != "ready":
            return self._seen(order)
        start = now - timedelta(hours=1) if self.life(now) > timedelta(days=1) else now
        mark = f"{order.number:08x}" if self.name == "model" else f"{order.number + 0x40000000:08x}"
        order.certificate = Certificate(
            link="",
            generation=f"{start:%Y%m%dT%H%M%SZ}-{mark}",
            fingerprint=mark * 8,
            issuer=self.name,
            domains=tuple(sorted(order.domains)),
            key_type="ecdsa-p256",
            not_before=start,
            not_after=start + self.life(now),
            chain_pem=mark,
            key=Secret(csr_der.decode("latin-1")),
            issued_at=now,
            ari_id=f"ari-{self.name}-{order.number}",
        )
        order.status = "valid"
        self.issued.append((now, frozenset(order.domains)))
        self.per_names.spend("+".join(sorted(order.domains)), now)
        for domain in {".".join(name.split(".")[-2:]) for name in order.domains}:
            self.per_domain.spend(domain, now)
        self.by_ari[order.certificate.ari_id] = order.certificate
        return self._seen(order)

    def caa(self) -> tuple[tuple[str, ...], str]:
        return (), ""

    def revoke(self, chain_pem: str, reason: int) -> None:
        """Nothing asks for it here."""

    def collect(self, certificate_url: str, *, preferred_chain: str = "") -> str:
        self._reached()
        return certificate_url

    def chains(self, certificate_url: str) -> Iterator[str]:
        yield self.collect(certificate_url)

    def signed(self, chain: str, key: Secret, link: str, issuer: str, now: datetime) -> Certificate:
        """What ``Crypto.read`` does for the real one."""
        certificate = self.orders[int(chain.rpartition("/")[2])].certificate
        assert certificate is not None
        return replace(certificate, link=link, key=key, issued_at=now)

    def _window(self, certificate: Certificate) -> tuple[datetime, datetime]:
        """B:core/objects.go: 2/3 of the life (1/2 below ten days) plus or minus 1 %; an incident is in the past."""
        if certificate.ari_id in self.incidents:
            return self.clock.true - timedelta(hours=1), self.clock.true - timedelta(minutes=30)
        share = 1 / 2 if certificate.life < timedelta(days=10) else 2 / 3
        centre = certificate.not_before + certificate.life * share
        return centre - certificate.life * 0.01, centre + certificate.life * 0.01

    def renewal_information(self, ari_id: str) -> RenewalAdvice:
        self._reached()
        start, end = self._window(self.by_ari[ari_id])
        return RenewalAdvice(start=start, end=end, explanation_url="", retry_after=timedelta(hours=6))

    def clock_ahead(self, *, no_older_than: timedelta | None = None) -> timedelta:
        return self.clock.true - self.clock.now()

    def close(self) -> None:
        """Nothing is open."""


@dataclass
class ModelDns:
    """Implements ports.Challenges; values spread after a delay."""

    clock: VirtualClock
    is_away: Callable[[datetime], bool]
    delay: timedelta = timedelta(seconds=20)
    awaits_delegation: Callable[[], bool] = lambda: False
    lags_for_ever: bool = False
    values: dict[str, dict[str, datetime]] = field(default_factory=dict)

    def _reached(self) -> None:
        if self.is_away(self.clock.true):
            raise DnsUnreachable("model: the name server does not answer")

    def visible(self, name: str) -> set[str]:
        """What the world sees."""
        return {value for value, at in self.values.get(name, {}).items() if at <= self.clock.true}

    def denied(
        self, domains: Sequence[str], identities: Sequence[str], account: str, method: str = "dns-01"
    ) -> Obstacle | None:
        return None

    def unpersisted(
        self, domains: Sequence[str], issuers: Sequence[str], account: str, until: datetime
    ) -> Obstacle | None:
        return Obstacle(words="waits for DNS: no record stands", awaited=True)

    def undelegated(self, provider: str, domains: Sequence[str]) -> Obstacle | None:
        return Obstacle(words="waits for DNS: no CNAME yet", awaited=True) if self.awaits_delegation() else None

    def present(self, *cleanups: TxtCleanup) -> tuple[TxtCleanup, ...]:
        self._reached()
        for each in cleanups:
            self.values.setdefault(each.name, {}).setdefault(each.value, self.clock.true + self.delay)
        now = self.clock.now()
        return tuple(replace(each, target=each.name, zone="example.com", added_at=now) for each in cleanups)

    def spread(self, cleanup: TxtCleanup) -> Propagation:
        self._reached()
        seen = cleanup.value in self.visible(cleanup.name)
        because = "ns2 lags" if self.lags_for_ever else "" if seen else "ns1 does not show it yet"
        return Propagation(everywhere=seen and not self.lags_for_ever, somewhere=seen, because=because)

    def settle(self, cleanup: TxtCleanup) -> None:
        self._reached()
        self.values.get(cleanup.name, {}).pop(cleanup.value, None)

    def published(self) -> int:
        """How many values stand there."""
        return sum(len(values) for values in self.values.values())


@dataclass
class ModelProxy:
    """Implements ports.Target and ports.Eyes: what it loaded is what it serves; a reload may fail or do nothing."""

    clock: VirtualClock
    chance: random.Random
    reload_fails: Callable[[datetime], bool]
    is_unseen: Callable[[datetime], bool]
    name: str = "edge"
    files: dict[str, Generation] = field(default_factory=dict)
    loaded: dict[str, Generation] = field(default_factory=dict)
    installed: dict[tuple[str, str], Generation] = field(default_factory=dict)
    reloads: int = 0

    @property
    def endpoints(self) -> tuple[str, ...]:
        return ("192.0.2.1:443",)

    def install(self, certificate: Certificate) -> Generation:
        generation = Generation(
            link=certificate.link,
            name=certificate.generation,
            fingerprint=certificate.fingerprint,
            domains=certificate.domains,
            not_before=certificate.not_before,
            not_after=certificate.not_after,
            issuer=certificate.issuer,
        )
        self.installed[generation.link, generation.name] = generation
        return generation

    def install_placeholder(self, link: str, domains: Sequence[str], now: datetime) -> Generation:
        return Generation(
            link=link,
            name="placeholder",
            fingerprint="p" * 64,
            domains=tuple(domains),
            not_before=now,
            not_after=now + timedelta(days=3650),
            placeholder=True,
        )

    def point(self, link: str, generation: Generation) -> None:
        self.files[link] = generation

    def pointed(self, link: str) -> Generation | None:
        return self.files.get(link)

    @property
    def settles(self) -> timedelta:
        return timedelta(0)

    @property
    def least_left(self) -> timedelta:
        return timedelta(0)

    def damage(self, certificate: Certificate) -> str:
        return ""

    def check(self) -> Outcome:
        return Outcome(verdict=Verdict.YES)

    def reload(self, generations: Sequence[Generation] = ()) -> Outcome:
        self.clock.sleep(timedelta(seconds=0.2))
        self.reloads += 1
        if self.reload_fails(self.clock.true):
            # Exit code 0 and nothing happened, or an honest failure: both are seen.
            return Outcome(verdict=self.chance.choice([Verdict.YES, Verdict.NO]), words="model: reload")
        self.loaded = dict(self.files)
        return Outcome(verdict=Verdict.YES)

    def sweep(self, keep: Mapping[str, frozenset[str]], now: datetime) -> tuple[str, ...]:
        return ()

    def remove_replaced(self, proved: Mapping[str, Generation], now: datetime) -> Mapping[str, str]:
        return {}

    def look(self, endpoints: Sequence[str], domain: str, *, issuer: str = "") -> tuple[Observation, ...]:
        self.clock.sleep(timedelta(milliseconds=400))
        now = self.clock.now()
        (endpoint,) = endpoints
        if self.is_unseen(self.clock.true):
            return (Observation(endpoint=endpoint, address=endpoint, health=Health.BLIND, at=now, because="timed out"),)
        shown = next((g for g in self.loaded.values() if domain in g.domains), None)
        if shown is None or shown.placeholder or shown.not_after <= now:
            return (Observation(endpoint=endpoint, address=endpoint, health=Health.BAD, at=now, because="not good"),)
        return (
            Observation(
                endpoint=endpoint,
                address=endpoint,
                health=Health.GOOD,
                at=now,
                fingerprint=shown.fingerprint,
                not_after=shown.not_after,
            ),
        )
