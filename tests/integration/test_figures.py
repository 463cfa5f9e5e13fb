"""Figures and alert rules, judged by Prometheus's own tool."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from certd.web.exchange import Request
from tests.lab.population import Character, Population

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "config" / "alert-rules.yaml"
TESTS = Path(__file__).with_name("alert-rules.test.yaml")


def promtool(*arguments: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run it."""
    return subprocess.run(["promtool", *arguments], input=stdin, capture_output=True, timeout=60)


@pytest.fixture
def figures(tmp_path: Path) -> bytes:
    """What a store full of links in every state gives."""
    population = Population(tmp_path)
    population.step_counter.warn("attempt failed", link="x", kind="rateLimited", issuer="letsencrypt", reason="no")
    population.step_counter.say("ordered", link="x", issuer="letsencrypt")
    spend = "INSERT INTO bucket (issuer, kind, subject, spent, queued) VALUES (?, ?, ?, {now} + 1800, {now})"
    with population.stores.lineages.database.writing() as transaction:
        transaction.execute(spend, "letsencrypt", "orders", "account")
        transaction.execute(spend, "gone", "orders", "account")
        for link in ("link.example.com", "go.news.example"):
            transaction.execute("UPDATE work SET due = {now} - 5 WHERE subject = ?", f"issue:{link}")
    population.stores.lineages.dependency_away("dns:corp", "no answer", population.now)
    population.trouble = "alarms.webhook: it answers 500"
    population.step_counter.took("issuer:letsencrypt", 0.3)
    try:
        return population.site().answer(Request(method="GET", path="/metrics")).body
    finally:
        population.close()


@pytest.mark.lab("promtool")
def test_the_rules_are_right() -> None:
    """promtool understands every one."""
    done = promtool("check", "rules", str(RULES))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.lab("promtool")
def test_each_rule_fires_for_its_cause(tmp_path: Path) -> None:
    """And is silent while all is well, and while a renewal is in progress."""
    path = tmp_path / "test.yaml"
    path.write_text(TESTS.read_text().replace("RULES", str(RULES)))
    done = promtool("test", "rules", str(path))
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


def test_every_rule_is_tried() -> None:
    """Each alert is expected to fire somewhere."""
    alerts = set(re.findall(r"alert: (\w+)", RULES.read_text()))
    fired = set(re.findall(r"alertname: (\w+)\n\s+exp_alerts", TESTS.read_text()))
    assert alerts - fired == {"CertdRenewalLate"}  # two links fire it; its louder sister is tried word by word


@pytest.mark.lab("promtool")
def test_the_names_follow_the_conventions(figures: bytes) -> None:
    """promtool's linter has nothing to say."""
    done = promtool("check", "metrics", stdin=figures)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_the_rules_ask_for_figures_that_are_there(figures: bytes) -> None:
    """A rule over a name that nobody exposes would never fire."""
    exposed = {
        name for line in figures.decode().splitlines() if (name := re.split(r"[ {]", line)[0]) and line[0] != "#"
    }
    asked = set(re.findall(r"\bcertd_\w+", re.sub(r"#.*", "", RULES.read_text())))
    headers = set(re.findall(r"# TYPE (\w+)", figures.decode()))
    assert asked - exposed - headers == set()


def test_what_the_figures_say(figures: bytes) -> None:
    """Of each link and endpoint, as Prometheus reads it."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(figures.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    seen = "127.0.0.1:443"
    assert found["certd_served_mismatch"]["link.example.com", "nginx", seen] == 0
    assert found["certd_served_mismatch"]["track.travel.example", "nginx", seen] == 1
    assert found["certd_served_mismatch"]["mail.bank.example", "nginx", seen] == 1
    assert found["certd_endpoint_blind"]["l.dark.example", "nginx", "[::1]:443"] == 1
    assert ("l.dark.example", "nginx", seen) not in found["certd_served_not_after_timestamp_seconds"]
    assert found["certd_link_failures_in_a_row"]["go.news.example", "rateLimited"] == 4
    assert found["certd_certificates_left"]["link.example.com", "letsencrypt"] == 5
    assert found["certd_margin_used_ratio"]["e.late.example",] > 1
    assert found["certd_margin_used_ratio"]["link.example.com",] < 0
    assert found["certd_certificate_life_seconds"]["link.example.com",] == 90 * 86400
    assert ("new.start.example",) not in found["certd_next_renewal_timestamp_seconds"]
    assert found["certd_failures_total"]["rateLimited", "letsencrypt"] == 1
    assert found["certd_steps_total"]["letsencrypt", "ordered"] == 1
    assert found["certd_work_seconds_bucket"]["issuer:letsencrypt", "0.5"] == 1
    assert found["certd_work_in_progress"]["issuer:letsencrypt",] == 2
    assert found["certd_alarms"]["page",] == 0
    assert found["certd_alarm_channels_failed"][()] == 1
    assert abs(found["certd_last_pass_timestamp_seconds"][()] - time.time()) < 120
    assert sum(found["certd_work_due"].values()) == 2
    assert found["certd_dependency_away"]["dns:corp",] == 1
    renewal = found["certd_next_renewal_timestamp_seconds"]["link.example.com",]
    assert abs(renewal - (time.time() + (0.665 - 0.3) * 90 * 86400)) < 120
    # Half an hour of three hours' 300 is spent; that of an issuer that is configured no more is nobody's.
    assert 249 <= found["certd_rate_limit_left"]["letsencrypt", "orders", "account"] <= 250
    assert len(found["certd_rate_limit_left"]) == 1


def test_names_from_outside_are_escaped(tmp_path: Path) -> None:
    """A proxy's words never break a line of the figures."""
    population = Population(tmp_path, [Character(name="a.example", fails=('x"\\\nevil 1', "m"))])
    try:
        body = population.site().answer(Request(method="GET", path="/metrics")).body.decode()
    finally:
        population.close()
    kinds = [
        s.labels["kind"]
        for f in text_string_to_metric_families(body)
        for s in f.samples
        if s.name == "certd_link_failures_in_a_row"
    ]
    assert kinds == ['x"\\\nevil 1']
