"""Figures for Prometheus, read from the store at each scrape, and counted as things happen.

Names follow prometheus.io/docs/practices/naming: base units, ``_total`` for counters, ``_timestamp_seconds`` for
moments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from certd.clicks.judge import trouble_of
from certd.errors import CertdError
from certd.model import Health
from certd.planning.renewal import margin_used, renewal_moment
from certd.status.assess import LinkStatus, State
from certd.web.step_counter import BUCKETS, StepCounter

WEEK = timedelta(days=7)


class Source(Protocol):
    """What the figures need: see ``certd.web.site.Vitals``."""

    def dependencies_away(self) -> Mapping[str, str]:
        """With the reasons."""
        ...

    def queue(self) -> Mapping[str, int]:
        """By lane."""
        ...

    def workers(self) -> Mapping[str, int]:
        """By lane."""
        ...

    def alarms(self) -> Mapping[str, int]:
        """How many are open, by level."""
        ...

    def trouble_of(self) -> str:
        """Why nobody could be told of an alarm; empty when somebody could."""
        ...

    def budgets(self) -> Mapping[tuple[str, str, str], int]:
        """What is left of the CAs' limits, by issuer, limit and whose it is; of those that something was taken of."""
        ...

    def passed_at(self) -> float:
        """Epoch seconds."""
        ...

    def now(self) -> datetime:
        """By certd's clock."""
        ...

    def statuses(self) -> Iterable[LinkStatus]:
        """Every link's. Raises CertdError where the store is away."""
        ...


def exposition(source: Source, step_counter: StepCounter) -> bytes:
    """What one scrape is answered, in the exposition format (version 0.0.4)."""
    registry = CollectorRegistry()
    registry.register(Figures(source))
    registry.register(Counters(step_counter))
    general = generate_latest(registry)
    try:
        return general + LinkFigures(source.now()).of(source.statuses())
    except CertdError:
        # A store that is away must not hide that certd lives, and what else is known.
        return general


class Counters:
    """A Prometheus collector of what the step counter has counted."""

    def __init__(self, step_counter: StepCounter) -> None:
        self._step_counter = step_counter

    def collect(self) -> Iterable[Metric]:
        """The counters."""
        steps = CounterMetricFamily("certd_steps", "What was done, since certd started", labels=["step", "by"])
        failures = CounterMetricFamily(
            "certd_failures", "What failed, since certd started, by kind", labels=["kind", "of"]
        )
        took = HistogramMetricFamily("certd_work_seconds", "Time that a worker spent in one go", labels=["dependency"])
        counted = self._step_counter.counted()
        for (step, by), count in counted.steps.items():
            steps.add_metric([step, by], count)
        for (kind, of), count in counted.failures.items():
            failures.add_metric([kind, of], count)
        for dependency, (counts, seconds) in counted.took.items():
            total, cumulative = 0, []
            for bound, count in zip((*map(str, BUCKETS), "+Inf"), counts, strict=True):
                total += count
                cumulative.append((bound, total))
            took.add_metric([dependency], cumulative, seconds)
        return steps, failures, took


class Figures:
    """A Prometheus collector of what concerns no single link."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def collect(self) -> Iterable[Metric]:
        """The metrics."""
        words = "When certd last looked for due work: a dead man's switch"
        yield _gauge("certd_last_pass_timestamp_seconds", words, {"": self._source.passed_at()})
        yield _gauge("certd_alarms", "Alarms that were told of and are not over", self._source.alarms(), "level")
        words = "1 while nobody can be told of an alarm"
        yield _gauge("certd_alarm_channels_failed", words, {"": float(bool(self._source.trouble_of()))})
        words = "What is left of a CA's limit, as mirrored; a limit that is not here is untouched"
        left = GaugeMetricFamily("certd_rate_limit_left", words, labels=["issuer", "limit", "of"])
        for key, count in self._source.budgets().items():
            left.add_metric(key, count)
        yield left
        away = dict.fromkeys(self._source.dependencies_away(), 1.0)
        yield _gauge("certd_dependency_away", "1 for a CA, a name server or a proxy that is away", away, "dependency")
        yield _gauge(
            "certd_work_due", "Subjects that are due and that nobody holds", self._source.queue(), "dependency"
        )
        yield _gauge(
            "certd_work_in_progress", "Subjects that are being worked on", self._source.workers(), "dependency"
        )


class Family:
    """One gauge of many links as text (the exposition format, version 0.0.4), written down as it is found: samples of
    the library take ten times the memory, and there are a hundred thousand.
    """

    def __init__(self, name: str, words: str, *labels: str) -> None:
        self._name = f"certd_{name}"
        self._labels = ("link", *labels)
        self.text = bytearray(f"# HELP {self._name} {words}\n# TYPE {self._name} gauge\n".encode())

    def add(self, values: Sequence[str], value: float) -> None:
        """One sample."""
        pairs = ",".join(f'{label}="{_escaped(of)}"' for label, of in zip(self._labels, values, strict=True))
        self.text += f"{self._name}{{{pairs}}} {value!r}\n".encode()


class LinkFigures:
    """One pass over all links."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self.newest = Family("certificate_not_after_timestamp_seconds", "End of the newest certificate", "issuer")
        self.life = Family("certificate_life_seconds", "From notBefore to notAfter of the newest certificate")
        self.margin = Family("margin_used_ratio", "Share of the time from planned renewal to expiry that is gone")
        self.renewal = Family("next_renewal_timestamp_seconds", "When it is to be replaced")
        self.served = Family("served", "1 where every endpoint that answers was seen with the newest", "proxy")
        self.ends = Family("served_not_after_timestamp_seconds", "End of what an endpoint shows", "proxy", "endpoint")
        self.mismatch = Family(
            "served_mismatch", "1 where an endpoint shows another certificate than the store has", "proxy", "endpoint"
        )
        self.blind = Family("endpoint_blind", "1 where nothing can be seen of what clients get", "proxy", "endpoint")
        self.failed = Family("link_failed", "1 where the last try failed")
        self.attention = Family("link_attention", "1 where somebody should look")
        self.failures = Family("link_failures_in_a_row", "Since the last success, by the kind of the last", "kind")
        self.clicks = Family("click_ok", "1 where nothing is wrong with the way of a click", "host")
        self.waits = Family("click_waits_for_cname", "1 until DNS was once seen leading here", "host")
        self.looked = Family("click_looked_at_timestamp_seconds", "When the way of a click was last looked at", "host")
        self.took = Family("click_duration_seconds", "What a click took through an address", "host", "address")
        self.left = Family("certificates_left", "Of the CA's weekly allowance for exactly these names", "issuer")

    def of(self, statuses: Iterable[LinkStatus]) -> bytes:
        """All of them, in the exposition format."""
        for one in statuses:
            self._add(one)
        families = (
            self.newest,
            self.life,
            self.margin,
            self.renewal,
            self.served,
            self.ends,
            self.mismatch,
            self.blind,
            self.failed,
            self.attention,
            self.failures,
            self.left,
            self.clicks,
            self.waits,
            self.looked,
            self.took,
        )
        return b"".join(family.text for family in families)

    def _add(self, one: LinkStatus) -> None:
        link, current, attempt = one.link.name, one.facts.current, one.facts.attempt
        if current is not None:
            self.newest.add([link, current.issuer], current.not_after.timestamp())
            self.renewal.add([link], renewal_moment(current).at.timestamp())
            self.life.add([link], current.life.total_seconds())
            self.margin.add([link], round(margin_used(current, self._now), 4))
        self.failed.add([link], float(one.state is State.FAILED))
        self.attention.add([link], float(one.attention))
        self.failures.add([link, attempt.kind], float(attempt.failures + attempt.dns_failures))
        if one.desired is not None and (limit := one.desired.issuer.weekly_same_names):
            spent = sum(self._now - at < WEEK for at in one.facts.issued_lately)
            self.left.add([link, one.desired.issuer.name], float(max(0, limit - spent)))
        self._add_clicks(one)
        for proxy, deployment in one.deployments:
            self.served.add([link, proxy], float(deployment.is_verified))
            for observation in deployment.observations:
                if observation.never_answered:
                    continue
                at = [link, proxy, observation.address]
                self.blind.add(at, float(observation.health is Health.BLIND))
                if observation.not_after is not None:
                    self.ends.add(at, observation.not_after.timestamp())
                if current is not None and observation.fingerprint:
                    self.mismatch.add(at, float(observation.fingerprint != current.fingerprint))

    def _add_clicks(self, one: LinkStatus) -> None:
        for facts in one.clicks:
            at = [one.link.name, facts.host]
            self.waits.add(at, float(facts.waits_for_cname))
            if facts.look is None:
                continue
            self.clicks.add(at, float(trouble_of(facts) is None))
            self.looked.add(at, facts.look.at.timestamp())
            for leg in facts.look.legs:
                if leg.status:
                    self.took.add([*at, leg.address], leg.milliseconds / 1000)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _gauge(name: str, words: str, values: Mapping[str, float], label: str = "") -> GaugeMetricFamily:
    made = GaugeMetricFamily(name, words, labels=[label] if label else [])
    for key, value in values.items():
        made.add_metric([key] if label else [], value)
    return made
