"""Figures for Prometheus, read from the store at each scrape, and counted as things happen.

Names follow prometheus.io/docs/practices/naming: base units, ``_total`` for counters, ``_timestamp_seconds`` for
moments. They are written down here and not by prometheus-client: that one brings a web server of its own, 1.9 MiB of
every certd, and takes ten times the memory of the text for each sample, of which there are a hundred thousand.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from certd.model import Health
from certd.planning.clicking import trouble_of
from certd.planning.renewal import margin_used, renewal_moment
from certd.ports import Journal
from certd.standing import Standing, State

BUCKETS = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)

WEEK = timedelta(days=7)

# Words of the journal that begin or end a try; everything else is context.
TRIES = frozenset({"ordered", "issued", "served", "not served", "not deployed", "not reloaded", "going back", "drift"})


class Tally:
    """A journal that counts what passes through it: there is one line for each step, so this misses none."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._steps: Counter[tuple[str, str]] = Counter()
        # There from the start: a counter that begins with one shows no increase.
        self._failures: Counter[tuple[str, str]] = Counter({("crash", ""): 0})
        self._buckets: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}

    def say(self, message: str, **fields: str) -> None:
        """See ``ports.Journal``."""
        self._count(message, fields)
        self._journal.say(message, **fields)

    def warn(self, message: str, **fields: str) -> None:
        """See ``ports.Journal``."""
        self._count(message, fields)
        self._journal.warn(message, **fields)

    def crash(self, message: str, error: Exception, **fields: str) -> None:
        """See ``ports.Journal``."""
        with self._lock:
            self._failures["crash", ""] += 1
        self._journal.crash(message, error, **fields)

    def took(self, lane: str, seconds: float) -> None:
        """A worker has worked on something of a lane for so long."""
        with self._lock:
            counts = self._buckets.setdefault(lane, [0] * (len(BUCKETS) + 1))
            counts[bisect_left(BUCKETS, seconds)] += 1
            self._seconds[lane] = self._seconds.get(lane, 0.0) + seconds

    def _count(self, message: str, fields: Mapping[str, str]) -> None:
        with self._lock:
            if message in TRIES:
                self._steps[message.replace(" ", "_"), fields.get("issuer", "") or fields.get("proxy", "")] += 1
            if message == "attempt failed":
                self._failures[fields.get("kind", "") or "unknown", fields.get("issuer", "")] += 1
            elif message in {"not published", "not served", "not deployed", "not reloaded", "away"}:
                self._failures[message.replace(" ", "_"), fields.get("lane", "") or fields.get("proxy", "")] += 1

    def text(self) -> bytes:
        """The counters, in the exposition format."""
        steps = Family("steps_total", "What was done, since certd started", "by", "step", kind="counter")
        failures = Family("failures_total", "What failed, since certd started, by kind", "kind", "of", kind="counter")
        took = Family("work_seconds", "Time that a worker spent in one go", "lane", kind="histogram")
        with self._lock:
            for (step, by), count in self._steps.items():
                steps.add([by, step], float(count))
            for (kind, of), count in self._failures.items():
                failures.add([kind, of], float(count))
            for lane, counts in self._buckets.items():
                took.add_histogram([lane], BUCKETS, counts, self._seconds[lane])
        return b"".join(family.text for family in (steps, failures, took))


class Source(Protocol):
    """What the figures need: see ``certd.web.site.Vitals``."""

    def lanes_away(self) -> Mapping[str, str]:
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


class Family:
    """One metric as text (the exposition format, version 0.0.4), written down as it is found.

    Args:
        kind: ``gauge``, ``counter`` or ``histogram``.
    """

    def __init__(self, name: str, words: str, *labels: str, kind: str = "gauge") -> None:
        self._name = f"certd_{name}"
        self._labels = labels
        self.text = bytearray(f"# HELP {self._name} {words}\n# TYPE {self._name} {kind}\n".encode())

    def add(self, values: Sequence[str], value: float) -> None:
        """One sample."""
        self._add("", zip(self._labels, values, strict=True), value)

    def add_histogram(
        self, values: Sequence[str], bounds: Sequence[float], counts: Sequence[int], total: float
    ) -> None:
        """How many fell between one bound and the next, the last above all of them, and the sum of what they were."""
        pairs = list(zip(self._labels, values, strict=True))
        so_far = 0
        for bound, count in zip((*map(str, bounds), "+Inf"), counts, strict=True):
            so_far += count
            self._add("_bucket", (*pairs, ("le", bound)), float(so_far))
        self._add("_count", pairs, float(so_far))
        self._add("_sum", pairs, total)

    def _add(self, suffix: str, pairs: Iterable[tuple[str, str]], value: float) -> None:
        said = ",".join(f'{label}="{_escaped(of)}"' for label, of in pairs)
        labels = f"{{{said}}}" if said else ""
        self.text += f"{self._name}{suffix}{labels} {value!r}\n".encode()


class Figures:
    """What concerns no single link."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def text(self) -> bytes:
        """All of them, in the exposition format."""
        source = self._source
        passed = Family("last_pass_timestamp_seconds", "When certd last looked for due work: a dead man's switch")
        passed.add([], source.passed_at())
        alarms = Family("alarms", "Alarms that were told of and are not over", "level")
        failed = Family("alarm_channels_failed", "1 while nobody can be told of an alarm")
        failed.add([], float(bool(source.trouble_of())))
        words = "What is left of a CA's limit, as mirrored; a limit that is not here is untouched"
        left = Family("budget_left", words, "issuer", "limit", "of")
        for key, count in source.budgets().items():
            left.add(key, float(count))
        away = Family("lane_away", "1 for a CA, a name server or a proxy that is away", "lane")
        due = Family("work_due", "Subjects that are due and that nobody holds", "lane")
        busy = Family("work_in_progress", "Subjects that are being worked on", "lane")
        by_lane = ((away, dict.fromkeys(source.lanes_away(), 1)), (due, source.queue()), (busy, source.workers()))
        for family, values in ((alarms, source.alarms()), *by_lane):
            for one, value in values.items():
                family.add([one], float(value))
        return b"".join(family.text for family in (passed, alarms, failed, left, away, due, busy))


class LinkFigures:
    """One pass over all links."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self.newest = _of_links("certificate_not_after_timestamp_seconds", "End of the newest certificate", "issuer")
        self.life = _of_links("certificate_life_seconds", "From notBefore to notAfter of the newest certificate")
        self.margin = _of_links("margin_used_ratio", "Share of the time from planned renewal to expiry that is gone")
        self.renewal = _of_links("next_renewal_timestamp_seconds", "When it is to be replaced")
        self.served = _of_links("served", "1 where every endpoint that answers was seen with the newest", "proxy")
        self.ends = _of_links(
            "served_not_after_timestamp_seconds", "End of what an endpoint shows", "proxy", "endpoint"
        )
        self.mismatch = _of_links(
            "served_mismatch", "1 where an endpoint shows another certificate than the store has", "proxy", "endpoint"
        )
        self.blind = _of_links("endpoint_blind", "1 where nothing can be seen of what clients get", "proxy", "endpoint")
        self.failed = _of_links("link_failed", "1 where the last try failed")
        self.attention = _of_links("link_attention", "1 where somebody should look")
        self.failures = _of_links("link_failures_in_a_row", "Since the last success, by the kind of the last", "kind")
        self.clicks = _of_links("click_ok", "1 where nothing is wrong with the way of a click", "host")
        self.waits = _of_links("click_waits_for_cname", "1 until DNS was once seen leading here", "host")
        self.looked = _of_links(
            "click_looked_at_timestamp_seconds", "When the way of a click was last looked at", "host"
        )
        self.took = _of_links("click_duration_seconds", "What a click took through an address", "host", "address")
        self.left = _of_links("certificates_left", "Of the CA's weekly allowance for exactly these names", "issuer")

    def of(self, standings: Iterable[Standing]) -> bytes:
        """All of them, in the exposition format."""
        for one in standings:
            self._add(one)
        families = (
            self.newest, self.life, self.margin, self.renewal, self.served, self.ends, self.mismatch, self.blind,
            self.failed, self.attention, self.failures, self.left,
            self.clicks, self.waits, self.looked, self.took,
        )  # fmt: skip
        return b"".join(family.text for family in families)

    def _add(self, one: Standing) -> None:
        link, current, attempt = one.link.name, one.facts.current, one.facts.attempt
        if current is not None:
            self.newest.add([link, current.issuer], current.not_after.timestamp())
            self.renewal.add([link], renewal_moment(current).at.timestamp())
            self.life.add([link], current.life.total_seconds())
            self.margin.add([link], round(margin_used(current, self._now), 4))
        self.failed.add([link], float(one.state is State.FAILED))
        self.attention.add([link], float(one.attention))
        self.failures.add([link, attempt.kind], float(attempt.failures + attempt.dns_failures))
        if one.wish is not None and (limit := one.wish.issuer.weekly_same_names):
            spent = sum(self._now - at < WEEK for at in one.facts.issued_lately)
            self.left.add([link, one.wish.issuer.name], float(max(0, limit - spent)))
        self._add_clicks(one)
        for proxy, deployment in one.deployments:
            self.served.add([link, proxy], float(deployment.is_verified))
            for sight in deployment.sights:
                if sight.never_answered:
                    continue
                at = [link, proxy, sight.address]
                self.blind.add(at, float(sight.health is Health.BLIND))
                if sight.not_after is not None:
                    self.ends.add(at, sight.not_after.timestamp())
                if current is not None and sight.fingerprint:
                    self.mismatch.add(at, float(sight.fingerprint != current.fingerprint))

    def _add_clicks(self, one: Standing) -> None:
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


def _of_links(name: str, words: str, *labels: str) -> Family:
    return Family(name, words, "link", *labels)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
