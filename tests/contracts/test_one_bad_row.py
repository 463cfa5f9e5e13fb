"""One row that rotted concerns one link: alarms about the others are told, and what can be had elsewhere is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from certd.app import App
from certd.cli.forget import refuse_served
from certd.cli.publish import publish_all
from certd.config.choices import known_choices
from certd.config.loader import load
from certd.config.settings import LinkSettings
from certd.daemon.active_alarms import ActiveAlarms
from certd.daemon.alarm_job import AlarmJob, alarms_of
from certd.daemon.apply_config import apply_configuration
from certd.daemon.click_job import ClickJob
from certd.daemon.copy_sync import sync
from certd.daemon.housekeeping import housekeep
from certd.daemon.issuer_failover import reroute
from certd.errors import GateRefused, StoreAway, UsageError
from certd.model import Attempt, Certificate, Deployment, Health, Level, Observation, Rank, Secret
from certd.pki.chain import read_certificate
from certd.state import prepare_state, stores_of
from certd.store.node import ALL
from certd.system.clock import SystemClock
from tests.lab.bought import buy
from tests.unit.test_daemon_parts import Notes

CONFIG = """
[certd]
state = "{folder}/state"
listen = ""
[issuer.letsencrypt]
terms_agreed = true
[dns.corp]
provider = "exec"
command = ["/bin/true"]
[defaults]
issuer = ["letsencrypt", "letsencrypt-staging"]
proxy = "nginx"
[issuer.letsencrypt-staging]
terms_agreed = true
[[link]]
domain = "a.example.com"
[[link]]
domain = "b.example.com"
"""
LINKS = ("a.example.com", "b.example.com")


@pytest.fixture
def app(tmp_path: Path) -> App:
    """Two links, the first of which has a certificate."""
    path = tmp_path / "certd.toml"
    path.write_text(CONFIG.format(folder=tmp_path))
    settings = load(path, known_choices())
    prepare_state(settings)
    made = App(settings, stores_of(settings), SystemClock(), Notes())
    made.stores.specs.set([link.spec for link in settings.links])
    made.stores.lineages.adopt(bought(tmp_path))
    made.sync()
    return made


def bought(folder: Path, *, days: int = 60) -> Certificate:
    found = buy(folder / "bought", LINKS[0], days=days)
    now = datetime.now(UTC)
    key = Secret(found.key.read_text())
    read = read_certificate(found.chain.read_text(), key, link=LINKS[0], issuer="letsencrypt", issued_at=now)
    return replace(read, ari_id="")


def rot(app: App, statement: str) -> None:
    with app.stores.lineages.database.writing() as transaction:
        assert transaction.execute(statement)


def test_alarms_of_the_others_are_told(app: App) -> None:
    """The damaged lineage is woken, so that it is repaired now and not when it is due."""
    store = app.stores.lineages
    for lease in store.claim(limit=9):
        link = lease.subject.removeprefix("issue:")
        failed = Attempt(failures=9, kind="rejectedIdentifier", message="no", failed_at=app.clock.now())
        store.leave(
            lease,
            replace(store.facts(link), attempt=failed),
            until=app.clock.now().replace(year=2999),
            rank=Rank.RENEWAL,
            because="",
        )
    rot(app, "UPDATE lineage SET attempt = '{' WHERE link = 'a.example.com'")
    AlarmJob(lambda: app, app.journal).look()
    assert any(cause.endswith("b.example.com") for cause in app.stores.alarms.told())
    due = store.because("issue:a.example.com")
    assert due is not None
    assert due[0] <= app.clock.now()


def test_the_others_go_to_another_issuer(app: App) -> None:
    """While the first one is away."""
    store = app.stores.lineages
    rot(app, "UPDATE lineage SET attempt = '{' WHERE link = 'a.example.com'")
    store.dependency_away("issuer:letsencrypt", "away", app.clock.now())
    rot(app, "UPDATE lane SET away_since = away_since - 864000")
    reroute(app, app.journal)
    with store.database.reading() as transaction:
        rows = transaction.all("SELECT subject, lane FROM work")
    assert ("issue:b.example.com", "issuer:letsencrypt-staging") in rows


def test_a_copy_that_rotted_is_made_anew(app: App) -> None:
    """From the shared store, which has it."""
    (generation,) = app.stores.node.copies(LINKS[0])
    rot(app, "UPDATE copy SET sealed_key = 'c1.rotten'")
    found = app.rollout("nginx").certificate(LINKS[0], generation.name)
    assert found is not None
    assert app.stores.node.certificate(LINKS[0], generation.name) == found


def test_publishing_moves_nothing_on_a_proxy_that_is_held(app: App) -> None:
    """An init container runs at each start of a pod, and a hold is on what happens meanwhile."""
    app.__dict__["gate"] = lambda certificate, domains, now: None
    target, until = app.targets["nginx"], app.clock.now() + timedelta(hours=1)
    target.point(LINKS[0], target.install_placeholder(LINKS[0], LINKS[:1], app.clock.now()))
    app.stores.node.hold("nginx", ALL, until)
    publish_all(app)
    pointed = target.pointed(LINKS[0])
    assert pointed is not None
    assert pointed.placeholder
    app.stores.node.hold("nginx", ALL, app.clock.now())
    publish_all(app)
    pointed = target.pointed(LINKS[0])
    assert pointed is not None
    assert not pointed.placeholder


def test_the_files_of_a_forgotten_link_go(app: App) -> None:
    """Its keys, too, once they are a week old, as `certd forget` says; those of a link that is wanted stay."""
    publish_all(app)
    layout, current = app.layout, app.stores.lineages.facts(LINKS[0]).current
    assert current is not None
    layout.show_live(layout.write(current))
    folders = [layout.folder_of(link) for link in LINKS]
    long_ago = (app.clock.now() - timedelta(days=8)).timestamp()
    for generation in [each for folder in folders for each in folder.iterdir()]:
        os.utime(generation, (long_ago, long_ago))
    settings = app.settings
    app.settings = replace(settings, links=settings.links[1:])
    app.stores.specs.set([link.spec for link in app.settings.links])
    housekeep(app, app.journal)
    assert folders[0].is_dir()
    app.stores.node.forget(LINKS[0])
    app.stores.lineages.forget(LINKS[0])
    housekeep(app, app.journal)
    assert not folders[0].exists()
    assert not (layout.public / "live" / LINKS[0]).is_symlink()
    assert any(folders[1].iterdir())


def test_a_look_that_stumbles_goes_to_the_end_of_the_row(app: App) -> None:
    """Whatever a stranger's answer brings about: it is said, and the host is not the first one due for ever."""

    def look(desired: object) -> None:
        raise ZeroDivisionError

    def settings_of(link: LinkSettings, proxies: object) -> tuple[SimpleNamespace, ...]:
        return (SimpleNamespace(host=link.name),)

    app.__dict__["clicks"] = SimpleNamespace(way=SimpleNamespace(look=look), settings_of=settings_of)
    ClickJob(lambda: app, app.journal).look()
    assert isinstance(app.journal, Notes)
    assert any("ZeroDivisionError" in line for line in app.journal.lines)
    assert app.stores.clicks.due(app.clock.now(), 9) == ()


def test_another_nodes_seal_key(app: App) -> None:
    """It came into use without this node: an alarm here, and what is here goes on being looked at; healed by itself."""
    active_alarms = ActiveAlarms()
    rot(app, "UPDATE certificate SET sealed_key = replace(sealed_key, 'c1.', 'c1.x')")
    rot(app, "UPDATE node_counter SET value = 0")
    sync(app, active_alarms)
    (alarm,) = active_alarms.all()
    assert "was sealed with key" in alarm.words
    assert "give this node the store's seal key" in alarm.hint
    rot(app, "UPDATE certificate SET sealed_key = replace(sealed_key, 'c1.x', 'c1.')")
    sync(app, active_alarms)
    assert active_alarms.all() == []
    assert app.stores.node.sequence() == 1


def test_a_store_put_back_by_hand_takes_in_what_a_pointer_names(app: App, tmp_path: Path) -> None:
    """Its file was copied from an old backup, without `certd restore`: the older certificate that it knows takes the
    place of none, however blind certd is, and none is ordered.
    """
    app.__dict__["gate"] = lambda certificate, domains, now: None
    later = bought(tmp_path / "later", days=90)
    target = app.targets["nginx"]
    target.point(LINKS[0], target.install(later))
    apply_configuration(app, app.journal)
    current = app.stores.lineages.facts(LINKS[0]).current
    assert current is not None
    assert current.fingerprint == later.fingerprint
    (deployment,) = app.stores.node.proxy_facts("nginx", [(LINKS[0], LINKS[:1])]).deployments
    assert deployment.wanted is not None
    assert deployment.wanted.fingerprint == later.fingerprint


def test_a_link_that_is_renamed_starts_with_what_it_had(app: App) -> None:
    """And not with a placeholder until a CA has signed: HAProxy loads whatever lies there, and one for the same name
    that sorts before the good one is what clients would get.
    """
    (first, second), new = app.settings.links, "brand"
    renamed = replace(first, spec=replace(first.spec, link=new))
    settings = replace(app.settings, links=(renamed, second))
    now = App(settings, app.stores, app.clock, app.journal, before=app)
    now.__dict__["gate"] = covers
    publish_all(now)
    pointed, (had,) = now.targets["nginx"].pointed(new), app.stores.node.copies(LINKS[0])
    assert pointed is not None
    assert (pointed.placeholder, pointed.fingerprint, pointed.link) == (False, had.fingerprint, new)
    other = now.targets["nginx"].pointed(LINKS[1])
    assert other is not None
    assert other.placeholder, "nothing covers it"


def covers(certificate: Certificate, domains: Sequence[str], now: datetime) -> None:
    if not certificate.covers(tuple(domains)):
        raise GateRefused("other names")


def deploying_only(app: App) -> App:
    return App(replace(app.settings, issue=False), app.stores, app.clock, app.journal, before=app)


def test_a_node_that_only_deploys_says_that_the_store_is_away(app: App) -> None:
    """It orders nothing, and so asks nothing else of the store; what it serves ends all the same."""
    app.stores.lineages.__dict__["troubled"] = away
    causes = [alarm.cause for alarm in alarms_of(deploying_only(app), {}, app.clock.now())]
    assert causes == ["store"]


def test_a_node_that_only_deploys_says_what_nobody_renews(app: App) -> None:
    """Whoever should have is gone, and its alarms with it. With half of the margin in hand that is its own business."""
    now, current = app.clock.now(), app.stores.lineages.facts(LINKS[0]).current
    assert current is not None
    node = deploying_only(app)
    assert alarms_of(node, {}, now) == []
    rot(app, "UPDATE certificate SET not_before = not_before - 30 * 86400, not_after = not_after - 30 * 86400")
    assert alarms_of(node, {}, now) == [], "it is young enough"
    rot(app, "UPDATE certificate SET not_before = not_before - 25 * 86400, not_after = not_after - 25 * 86400")
    (alarm,) = alarms_of(node, {}, now)
    assert (alarm.cause, alarm.level) == (f"issue:{LINKS[0]}", Level.PAGE)


def away() -> frozenset[str]:
    raise StoreAway("the shared store does not answer")


def test_what_a_renamed_proxy_still_serves_is_not_forgotten(app: App) -> None:
    """Its table has another name now, and its configuration still names the files that would go a week later: it would
    load nothing any more.
    """
    (had,) = app.stores.node.copies(LINKS[0])
    placed = Deployment(link=LINKS[0], domains=LINKS[:1], ours=frozenset({had.fingerprint}))
    at, where = app.clock.now(), "127.0.0.1:443"
    shown = [Observation(endpoint=where, address=where, health=Health.GOOD, at=at, fingerprint=had.fingerprint)]
    app.__dict__["rollout"] = lambda proxy: SimpleNamespace(
        prober=SimpleNamespace(look=lambda endpoints, domain: shown)
    )
    with pytest.raises(UsageError, match="still serves it"):
        refuse_served(app, {"edge": placed})
    shown[0] = replace(shown[0], fingerprint="f" * 64)
    refuse_served(app, {"edge": placed})
