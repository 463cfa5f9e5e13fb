"""``status`` by label and for monitoring systems."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from certd.model import Secret, TxtCleanup
from certd.pki.chain import read_certificate
from certd.system.lock import LOCK_FILE, StateLock
from tests.cli.test_costs import LINK, app_with
from tests.cli.test_transcripts import certd
from tests.lab.bought import buy
from tests.unit.cases import order


@contextlib.contextmanager
def running(folder: Path) -> Iterator[None]:
    """A certd works on the state folder, as far as anybody can see."""
    lock = StateLock(folder / "state" / "private" / LOCK_FILE)
    lock.take()
    try:
        yield
    finally:
        lock.release()


def adopted(folder: Path, days: int) -> None:
    """The link has a certificate that ends after so many days, and no proxy is asked for it."""
    bought = buy(folder / f"days{days}", LINK, days=days)
    app = app_with(folder, 0)
    read = read_certificate(
        bought.chain.read_text(),
        Secret(bought.key.read_text()),
        link=LINK,
        issuer="letsencrypt",
        issued_at=datetime.now(UTC),
    )
    app.stores.lineages.adopt(read)
    app.stores.close()


def test_a_certd_that_does_not_run_is_said(short_path: Path) -> None:
    """In one line and by the exit code; what is due is not promised for now, and is critical."""
    adopted(short_path, 60)
    line = "! no certd runs here: nothing is renewed, deployed or looked at; start it: systemctl start certd"
    stopped = certd(short_path, "status")
    assert stopped.returncode == 3
    assert stopped.stdout.splitlines()[0] == line
    assert json.loads(certd(short_path, "status", "--json").stdout)["status"]["running"] is False
    monitored = certd(short_path, "status", "--nagios")
    assert monitored.returncode == 1
    assert monitored.stdout.startswith("CERTD WARNING - no certd runs here; ")
    with running(short_path):
        assert "no certd runs here" not in certd(short_path, "status").stdout
        assert json.loads(certd(short_path, "status", "--json").stdout)["status"]["running"] is True
        assert "no certd runs here" not in certd(short_path, "status", "--nagios").stdout
    short_path = short_path / "due"
    short_path.mkdir()
    adopted(short_path, 1)
    app = app_with(short_path, 0)
    with app.stores.lineages.database.writing() as transaction:
        transaction.execute("UPDATE certificate SET not_before = not_before - 86400 * 10")
    app.stores.close()
    due = certd(short_path, "status")
    assert "next     begin, as soon as certd runs: less than " in due.stdout
    assert f"{LINK}: begin, as soon as certd runs: less than " in certd(short_path, "plan").stdout
    critical = certd(short_path, "status", "--nagios")
    assert critical.returncode == 2
    assert critical.stdout.startswith(f"CERTD CRITICAL - no certd runs here, and this is due: {LINK}; ")


def with_labels(folder: Path) -> None:
    """Two links, one of brand x."""
    path = folder / "certd.toml"
    path.write_text(
        path.read_text() + 'labels = { brand = "x" }\n\n[[link]]\ndomain = "click.example.com"\nproxy = "nginx"\n'
    )


def test_by_label(short_path: Path) -> None:
    """Only these; a label that nobody has, and what is no label, are errors."""
    app_with(short_path, 0).stores.close()
    with_labels(short_path)
    for command in ("status", "plan"):
        body = json.loads(certd(short_path, command, "--json", "--label", "brand=x").stdout)[command]
        rows = body["links"] if command == "status" else body
        subjects = {str(row.get("link", row.get("subject"))).partition(" on ")[0] for row in rows}
        assert subjects == {"link.example.com"}
        assert "no link has the label brand=y" in certd(short_path, command, "--label", "brand=y").stderr
        assert certd(short_path, command, "--label", "brand").returncode == 2


def test_for_monitoring_systems(short_path: Path) -> None:
    """One line without a bar, which would begin figures, and that protocol's exit codes."""
    app_with(short_path, 0).stores.close()
    with running(short_path):
        warning = certd(short_path, "status", "--nagios")
    assert warning.returncode == 1
    assert re.fullmatch(r"CERTD WARNING - link\.example\.com: [^|\n]+\n", warning.stdout)
    bought = buy(short_path / "expired", "link.example.com", days=0)
    app = app_with(short_path, 0)
    read = read_certificate(
        bought.chain.read_text(),
        Secret(bought.key.read_text()),
        link="link.example.com",
        issuer="letsencrypt",
        issued_at=datetime.now(UTC),
    )
    app.stores.lineages.adopt(read)
    app.stores.close()
    critical = certd(short_path, "status", "--nagios")
    assert (critical.returncode, critical.stdout[:16]) == (2, "CERTD CRITICAL -")
    (short_path / "certd.toml").write_text("nonsense = 1\n")
    unknown = certd(short_path, "status", "--nagios")
    assert unknown.returncode == 3
    assert unknown.stdout.startswith("CERTD UNKNOWN - the configuration has ")
    assert unknown.stdout.count("\n") == 1
    (short_path / "certd.toml").unlink()
    assert certd(short_path, "status", "--nagios").returncode == 3


def test_all_is_not_well_before_anything_is_served(short_path: Path) -> None:
    """While the first order is open clients get a placeholder: neither exit code 0 nor "served" is said of that."""
    app = app_with(short_path, 0)
    (lease,) = app.stores.lineages.claim(limit=1)
    opened = order(because="waits until every name server shows our value")
    app.stores.lineages.keep(lease, replace(app.stores.lineages.facts(LINK), order=opened))
    app.stores.close()
    with running(short_path):
        plain = certd(short_path, "status")
        for_monitoring = certd(short_path, "status", "--nagios")
    assert f"{LINK}  pending" in plain.stdout
    assert plain.returncode == 3
    assert for_monitoring.returncode == 1
    assert for_monitoring.stdout == (
        f"CERTD WARNING - {LINK}: nothing is served yet: waits until every name server shows our value\n"
    )


def test_what_is_no_links_own_is_told_to_monitoring_systems(short_path: Path) -> None:
    """A CA that is away, an orphan that ends and a value that cannot be removed are warnings; what is normal is none:
    a CA that is silent for a moment, an orphan with time left, a value that was due a second ago.
    """
    app = app_with(short_path, 1)
    path = short_path / "certd.toml"
    path.write_text(path.read_text().partition("[[link]]")[0])
    lineages, now = app.stores.lineages, datetime.now(UTC)
    app.stores.specs.set([])
    lineages.dependency_away("issuer:letsencrypt", "connection refused", now)
    owed = TxtCleanup(provider="corp", name=f"_acme-challenge.{LINK}", value="v", made_at=now, settle_at=now)
    (lease,) = lineages.claim(limit=1)
    lineages.keep(lease, replace(lineages.facts(LINK), cleanups=(owed,)))
    lock = StateLock(short_path / "state" / "private" / LOCK_FILE)
    lock.take()
    calm = certd(short_path, "status", "--nagios")
    assert (calm.returncode, calm.stdout) == (0, "CERTD OK - 0 links are served\n")

    def told() -> str:
        done = certd(short_path, "status", "--nagios")
        assert done.returncode == 1, done.stdout
        assert done.stdout.startswith("CERTD WARNING - ")
        return done.stdout.removeprefix("CERTD WARNING - ").strip()

    lineages.keep(lease, replace(lineages.facts(LINK), cleanups=(replace(owed, failures=9),)))
    assert told() == f"{LINK}: a TXT value of ours cannot be removed from _acme-challenge.{LINK} by dns.corp"
    lineages.keep(lease, replace(lineages.facts(LINK), cleanups=(replace(owed, settled_at=now),)))
    with lineages.database.writing() as transaction:
        transaction.execute("UPDATE lane SET away_since = away_since - 1200")
    assert told() == "issuer:letsencrypt: away: connection refused"
    lineages.dependency_back("issuer:letsencrypt")
    assert certd(short_path, "status", "--nagios").returncode == 0
    old = buy(short_path / "old", LINK, days=1)
    read = read_certificate(
        old.chain.read_text(), Secret(old.key.read_text()), link=LINK, issuer="letsencrypt", issued_at=now
    )
    late = replace(read, not_before=now - timedelta(days=30))
    lineages.keep(lease, replace(lineages.facts(LINK), current=late))
    assert told() == f"{LINK}: it is no longer in the configuration, and nobody renews it"
    app.stores.close()
