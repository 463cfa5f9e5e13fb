"""Looks and examinations where there are thousands of links: so many and no more, everybody's turn, trouble first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from certd.app import App
from certd.clicks.judge import check_alarms, with_findings
from certd.clicks.model import CheckFinding, ClickFacts, ClickLook, Direction, Pointing
from certd.config.choices import known_choices
from certd.config.loader import load
from certd.config.settings import LinkSettings
from certd.daemon.alarm_job import AlarmJob
from certd.daemon.click_job import ClickJob
from certd.daemon.doctor_job import DoctorRounds
from certd.state import prepare_state, stores_of
from tests.simulation.clock import VirtualClock
from tests.unit.test_daemon_parts import Notes

HOSTS = 600
RUN_EVERY = timedelta(seconds=5)

CONFIG = """
links_from = ["domains.txt"]
[certd]
state = "{folder}/state"
listen = ""
[issuer.letsencrypt]
terms_agreed = true
[dns.corp]
provider = "exec"
command = ["/bin/true"]
[defaults]
proxy = "nginx"
"""


class World:
    """A daemon's clicks under a clock of their own; nothing is really looked at."""

    def __init__(self, folder: Path, hosts: int) -> None:
        (folder / "domains.txt").write_text("\n".join(f"l{number}.example.com" for number in range(hosts)))
        path = folder / "certd.toml"
        path.write_text(CONFIG.format(folder=folder))
        settings = load(path, known_choices())
        prepare_state(settings)
        self.clock = VirtualClock()
        self.app = App(settings, stores_of(settings), self.clock, Notes())
        self.looks: list[tuple[datetime, str]] = []
        self.examinations: Counter[str] = Counter()
        self.broken: set[str] = set()
        way = SimpleNamespace(look=self._look)
        self.app.__dict__["clicks"] = SimpleNamespace(way=way, settings_of=self._click_settings)
        rounds = DoctorRounds(self.clock.monotonic, self._examine)
        self.links_wait = False
        self.watch = ClickJob(
            lambda: self.app,
            self.app.journal,
            others_wait=lambda: self.links_wait,
            monotonic=self.clock.monotonic,
            rounds=rounds,
        )

    def _click_settings(self, link: LinkSettings, proxies: object) -> tuple[SimpleNamespace, ...]:
        return (SimpleNamespace(host=link.name),)

    def _look(self, desired: SimpleNamespace) -> ClickLook:
        self.looks.append((self.clock.now(), desired.host))
        upstream = "it is away" if desired.host in self.broken else ""
        return ClickLook(
            at=self.clock.now(), pointing=Pointing(speaker="s"), direction=Direction.HERE, words="w", upstream=upstream
        )

    def _examine(self, app: App, link: LinkSettings, facts: ClickFacts, now: datetime) -> ClickFacts:
        self.examinations[facts.host] += 1
        return with_findings(facts, (), now)

    def live(self, duration: timedelta) -> None:
        """As the clockwork does."""
        end = self.clock.now() + duration
        while self.clock.now() < end:
            self.watch.look()
            self.clock.sleep(RUN_EVERY)

    def when(self, host: str) -> list[datetime]:
        """A host was looked at."""
        return [at for at, each in self.looks if each == host]


@pytest.fixture
def many(tmp_path: Path) -> Iterator[World]:
    """Six hundred hosts, all of them overdue: certd was away for a day."""
    world = World(tmp_path, HOSTS)
    world.watch.look()
    world.clock.sleep(timedelta(days=1))
    world.looks.clear()
    world.examinations.clear()
    yield world
    world.app.stores.close()


def test_so_many_looks_an_hour_and_no_more(many: World) -> None:
    """Everybody has its turn before anybody has two; so many a minute, whatever is overdue."""
    many.live(timedelta(minutes=7))
    counts = Counter(host for _, host in many.looks)
    assert len(counts) == len(many.looks), "somebody was looked at twice while others waited"
    assert 420 * 1.2 <= len(many.looks) <= 420 * 1.25 + 64
    many.live(timedelta(minutes=20))
    counts = Counter(host for _, host in many.looks)
    assert len(counts) == HOSTS
    assert max(counts.values()) <= 4
    assert len(many.looks) <= 1620 * 1.25 + 64


def test_so_many_examinations_an_hour_and_no_more(many: World) -> None:
    """Thirty at once, then two or three a minute; nobody a second time within its hours."""
    many.live(timedelta(minutes=20))
    assert 70 <= many.examinations.total() <= 30 + 20 * 2.5
    assert set(many.examinations.values()) == {1}


def test_what_is_in_trouble_does_not_wait_behind_the_others(many: World) -> None:
    """While hundreds are overdue one breaks: seen at its turn, again within two minutes, then every five."""
    many.live(timedelta(minutes=1))
    host = many.app.stores.clicks.due(many.clock.now(), 20)[-1].host
    many.broken.add(host)
    many.live(timedelta(minutes=11))
    first, *rest = many.when(host)
    assert rest[0] - first < timedelta(minutes=2)
    assert rest[1] - rest[0] < timedelta(minutes=6)
    assert many.app.stores.clicks.of(host)[0].failures >= 3


def test_what_is_in_trouble_takes_not_everything(many: World) -> None:
    """Half of all hosts break at once: the others go on being looked at."""
    many.broken = {link.name for link in many.app.settings.links[: HOSTS // 2]}
    many.live(timedelta(minutes=20))
    well = {link.name for link in many.app.settings.links} - many.broken
    assert well <= {host for _, host in many.looks}
    late = Counter(host in many.broken for at, host in many.looks if many.clock.now() - at < timedelta(minutes=5))
    assert late[False] > late.total() / 5


def test_few_links_keep_their_intervals(tmp_path: Path) -> None:
    """Twenty hosts: each every five minutes, give or take a tenth, and examined at its first look."""
    world = World(tmp_path, 20)
    world.live(timedelta(hours=2))
    counts = Counter(host for _, host in world.looks)
    assert set(world.examinations) == {link.name for link in world.app.settings.links}
    assert all(21 <= count <= 27 for count in counts.values())
    link = world.app.settings.links[0]
    gaps = [(b - a).total_seconds() for a, b in zip(world.when(link.name), world.when(link.name)[1:], strict=False)]
    assert all(265 <= gap <= 340 for gap in gaps)
    world.app.stores.close()


def test_nothing_is_examined_while_links_wait_for_a_worker(tmp_path: Path) -> None:
    """They are looked at as ever, and examined at their next look after that."""
    world = World(tmp_path, 20)
    world.links_wait = True
    world.live(timedelta(minutes=7))
    assert len({host for _, host in world.looks}) == 20
    assert not world.examinations
    world.links_wait = False
    world.live(timedelta(minutes=6))
    assert len(world.examinations) == 20
    world.app.stores.close()


def test_the_hosts_in_trouble_are_found_by_an_index(many: World) -> None:
    """A run with nothing due touches a handful of rows, as does one in which nobody is in trouble."""
    table = many.app.stores.clicks
    (connection,) = table._database._idle  # type: ignore[attr-defined]
    steps = [0]

    def count() -> int:
        steps[0] += 1
        return 0

    connection.set_progress_handler(count, 100)
    assert len(table.due(many.clock.now(), 8)) == 8
    assert table.troubled() == ()
    assert steps[0] < 10
    facts = table.due(many.clock.now(), 1)[0]
    table.keep(replace(facts, failures=1), many.clock.now())
    assert [each.host for each in table.troubled()] == [facts.host]
    assert (table.with_findings(), table.amiss()) == ((), 1)


def test_what_all_hosts_have_is_told_once(tmp_path: Path) -> None:
    """A check that finds the same at twenty hosts twice is one alarm; none of them fails to be clicked."""
    world = World(tmp_path, 20)
    world.live(timedelta(seconds=5))
    table, now = world.app.stores.clicks, world.clock.now()
    finding = CheckFinding(name="file.mode", words="w", hint="m", is_failure=True, since=now - timedelta(hours=6))
    for link in world.app.settings.links:
        (facts,) = table.of(link.name)
        table.keep(replace(facts, findings=(finding,), examined_at=now), now)
    assert (table.troubled(), len(table.with_findings()), table.amiss()) == ((), 20, 20)
    for facts in table.with_findings():
        (whole,) = table.of(facts.link)
        assert check_alarms(facts, {}) == check_alarms(whole, {}) != []
    AlarmJob(lambda: world.app, world.app.journal).look()
    told = [cause for cause in world.app.stores.alarms.told() if cause.startswith("check:")]
    assert told == ["check:file.mode"]
    world.app.stores.close()
