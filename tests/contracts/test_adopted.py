"""A certificate that is adopted: failures before it are over, and what ends first is taken first."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

from certd.cli.check import _remember_what_is_well
from certd.clicks.model import CheckFinding
from certd.diagnosis.findings import Finding, Grade, Result
from certd.model import Attempt, Certificate, LineageFacts, Rank, Secret
from certd.pki.chain import read_certificate
from tests.cli.test_costs import LINK, app_with
from tests.cli.test_transcripts import certd
from tests.lab.bought import buy

NOW = datetime.now(UTC)
PAUSED = Attempt(
    failures=3,
    kind="paused",
    message="the CA paused the account",
    failed_at=NOW,
    first_failed_at=NOW,
    not_before=NOW + timedelta(days=1),
)


def bought(folder: Path, days: int, link: str = LINK) -> Certificate:
    """A good certificate that ends after so many days."""
    pair = buy(folder / f"{link}{days}", link, days=days)
    return read_certificate(
        pair.chain.read_text(), Secret(pair.key.read_text()), link=link, issuer="letsencrypt", issued_at=NOW
    )


def test_a_failure_before_it_is_over(short_path: Path) -> None:
    """Also where somebody works on the link meanwhile; an older certificate changes nothing."""
    app = app_with(short_path, 0)
    lineages = app.stores.lineages
    (lease,) = lineages.claim(limit=1)
    facts = replace(lineages.facts(LINK), attempt=PAUSED)
    lineages.keep(lease, facts)
    assert lineages.facts(LINK).attempt.kind == "paused"
    lineages.adopt(bought(short_path, 60))
    assert lineages.facts(LINK).attempt == Attempt()
    lineages.keep(lease, facts)
    assert lineages.facts(LINK).attempt == Attempt()
    lineages.keep(lease, replace(lineages.facts(LINK), attempt=PAUSED))
    lineages.adopt(bought(short_path, 30))
    assert lineages.facts(LINK).attempt.kind == "paused"
    app.stores.close()


def test_what_ends_first_is_taken_first(short_path: Path) -> None:
    """Rows that were made for links without a certificate, as after a lost store."""
    app = app_with(short_path, 0)
    lineages, links = app.stores.lineages, [f"{name}.example.com" for name in ("a", "b", "c", "d")]
    (spec,) = (link.spec for link in app.settings.links)
    app.stores.specs.set([replace(spec, link=link, domains=(link,)) for link in links])
    for link, age in (("d.example.com", 62), ("b.example.com", 70), ("c.example.com", 88)):
        certificate = bought(short_path, 90, link)
        back = timedelta(days=age)
        lineages.adopt(
            replace(
                certificate, not_before=certificate.not_before - back, not_after=certificate.not_after - back, ari_id=""
            )
        )
    taken = [lease.subject.removeprefix("issue:")[0] for _ in links for lease in lineages.claim(limit=1)]
    assert taken[:3] == ["c", "b", "d"]
    app.stores.close()


def test_what_a_worker_saw_is_said(short_path: Path) -> None:
    """A first order that is held back by what clients are served already: in plan and in status, with the way out."""
    app = app_with(short_path, 0)
    (lease,) = app.stores.lineages.claim(limit=1)
    words = "192.0.2.1:443 serves a good certificate already: nothing is ordered before 2026-12-05"
    until = datetime.now(UTC) + timedelta(minutes=1)
    app.stores.lineages.leave(lease, LineageFacts(link=LINK), until=until, rank=Rank.FIRST, because=words)
    app.stores.close()
    (row, *_) = json.loads(certd(short_path, "plan", "--json").stdout)["plan"]
    assert (row["action"], row["because"]) == ("wait", words)
    status = certd(short_path, "status").stdout
    assert f"next     {words} (in " in status
    assert f"because  {words}" in status


def test_what_a_check_finds_well_is_over(short_path: Path) -> None:
    """At once in ``status``, though the daemon's own examination comes hours later; the rest stays."""
    app = app_with(short_path, 0)
    clicks = app.stores.clicks
    clicks.want([(LINK, LINK, timedelta(minutes=5))], NOW)
    wrong = [CheckFinding(name=name, words="w", hint="m", is_failure=True, since=NOW) for name in ("dns.caa", "up.tls")]
    (facts,) = clicks.of(LINK)
    clicks.keep(replace(facts, findings=tuple(wrong)), NOW)
    app.stores.close()
    assert "check    dns.caa: w" in certd(short_path, "status").stdout
    app = app_with(short_path, 0)
    subject = SimpleNamespace(desired=SimpleNamespace(host=LINK))

    def found(name: str, grade: Grade) -> Finding:
        return Finding(code="A1", group="DNS", name=name, result=Result(grade=grade, words="w"), milliseconds=1)

    findings = (found("dns.caa", Grade.PASS), found("up.tls", Grade.FAIL))
    _remember_what_is_well(app, [(subject, findings)])  # type: ignore[list-item]
    (facts,) = app.stores.clicks.of(LINK)
    assert [finding.name for finding in facts.findings] == ["up.tls"]
    assert app.stores.clicks.amiss() == 1
    app.stores.close()


def test_a_changed_key_is_announced(short_path: Path) -> None:
    """In plan and in status, from the edit to the renewal."""
    app = app_with(short_path, 1)
    app.stores.close()
    path = short_path / "certd.toml"
    assert "the next renewal brings" not in certd(short_path, "plan").stdout
    path.write_text(path.read_text() + 'key = "rsa-3072"\n')
    words = "key rsa-3072 instead of ecdsa-p256"
    assert f"{LINK}: the next renewal brings: {words}\n" in certd(short_path, "plan").stdout
    assert f"    changes  the next renewal brings: {words}\n" in certd(short_path, "status").stdout
    assert json.loads(certd(short_path, "status", "--json").stdout)["status"]["links"][0]["changes"] == [words]
