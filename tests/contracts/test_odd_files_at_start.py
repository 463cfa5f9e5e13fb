"""What lies where certd wants to write, when it starts: it concerns one link, and all others start."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from certd.app import App
from certd.cli.publish import publish_all
from certd.config.choices import known_choices
from certd.config.loader import load
from certd.daemon.active_alarms import ActiveAlarms
from certd.daemon.apply_config import apply_configuration, retry_unpublished
from certd.daemon.unpublished import MOST_ALARMS, Unpublished
from certd.pki.placeholder import is_placeholder
from certd.state import prepare_state, stores_of
from certd.store.stores import RESTORED
from certd.system.clock import SystemClock
from tests.lab.certificates import make_ca, make_leaf
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
[proxy.app]
kind = "files"
reload = "none"
endpoints = ["127.0.0.1:9"]
paths = {{ fullchain = "{folder}/own/{{link}}.pem", key = "{folder}/own/{{link}}.key" }}
"""
BAD, GOOD = "a.example.com", "b.example.com"


def app_of(folder: Path, links: tuple[str, ...] = (BAD, GOOD)) -> App:
    """An application with paths of its own."""
    path = folder / "certd.toml"
    path.write_text(CONFIG.format(folder=folder) + "".join(f'[[link]]\ndomain = "{link}"\n' for link in links))
    (folder / "own").mkdir(exist_ok=True)
    settings = load(path, known_choices())
    prepare_state(settings)
    return App(settings, stores_of(settings), SystemClock(), Notes())


def loop(path: Path) -> None:
    """Two symbolic links that name each other."""
    other = path.with_name(f"{path.name}.other")
    path.symlink_to(other)
    other.symlink_to(path)


def folder_with_a_file(path: Path) -> None:
    """A folder that is no empty one."""
    path.mkdir()
    (path / "x").write_text("x")


CHAIN, KEY = f"own/{BAD}.pem", f"own/{BAD}.key"
POINTER, GENERATIONS = f"state/public/proxies/app/{BAD}.path", f"state/public/certs/{BAD}"
ODD: dict[str, tuple[str, Callable[[Path], object]]] = {
    "an empty file": (CHAIN, lambda path: path.touch()),
    "garbage": (CHAIN, lambda path: path.write_bytes(os.urandom(300))),
    "half a certificate": (CHAIN, lambda path: path.write_text("-----BEGIN CERTIFICATE-----\nMIIB\n")),
    "a folder": (CHAIN, Path.mkdir),
    "a folder in the place of the key": (KEY, folder_with_a_file),
    "a pipe": (CHAIN, os.mkfifo),
    "a symbolic link to a folder": (CHAIN, lambda path: path.symlink_to("/")),
    "a file of eight MiB": (CHAIN, lambda path: path.write_bytes(bytes(8 << 20))),
    "a file in the place of the generations": (GENERATIONS, lambda path: path.write_text("x")),
    "a loop in the place of the generations": (GENERATIONS, loop),
    "a folder in the place of the pointer": (POINTER, folder_with_a_file),
}


@pytest.mark.parametrize("case", ODD)
def test_one_odd_file(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The other link starts; the alarm, the fact and the command name the file and the link, until it is gone."""
    app = app_of(tmp_path)
    where, put = ODD[case]
    path = tmp_path / where
    path.parent.mkdir(parents=True, exist_ok=True)
    put(path)
    active_alarms = ActiveAlarms()
    unpublished = Unpublished(active_alarms, app.journal)
    for _ in range(2):
        apply_configuration(app, app.journal, unpublished)
    assert is_placeholder((tmp_path / f"own/{GOOD}.pem").read_text())
    (alarm,) = active_alarms.all()
    assert (BAD in alarm.subject, where in alarm.words, bool(alarm.hint)) == (True, True, True), alarm
    facts = {one.link: one for one in app.stores.node.proxy_facts("app", [*app.links_on("app").items()]).deployments}
    assert (where in facts[BAD].error, facts[GOOD].error) == (True, "")
    assert publish_all(app) == 1
    said = capsys.readouterr()
    assert f"{BAD} on app: " in said.err
    assert where in said.err
    assert f"{BAD}  app  not published" in said.out
    assert f"{GOOD}  app  as it was" in said.out
    retry_unpublished(app, app.journal, unpublished)
    assert len(active_alarms.all()) == 1
    path.rename(tmp_path / "moved away")
    retry_unpublished(app, app.journal, unpublished)
    assert active_alarms.all() == []
    assert is_placeholder((tmp_path / CHAIN).read_text())
    facts = {one.link: one for one in app.stores.node.proxy_facts("app", [*app.links_on("app").items()]).deployments}
    assert facts[BAD].error == ""
    assert publish_all(app) == 0


@pytest.mark.parametrize("case", ["a loop", "a link to nothing", "a link to their certificate"])
def test_a_symbolic_link_of_theirs(case: str, tmp_path: Path) -> None:
    """One that leads to a certificate stays, as certbot's do; one that leads nowhere serves nobody."""
    app = app_of(tmp_path)
    path = tmp_path / CHAIN
    if case == "a loop":
        loop(path)
    else:
        path.symlink_to(tmp_path / "theirs.pem")
    is_theirs = case == "a link to their certificate"
    if is_theirs:
        (tmp_path / "theirs.pem").write_text(make_leaf(make_ca("root"), BAD).pem)
    active_alarms = ActiveAlarms()
    apply_configuration(app, app.journal, Unpublished(active_alarms, app.journal))
    assert active_alarms.all() == []
    assert is_placeholder(path.read_text()) != is_theirs
    assert path.is_symlink() == is_theirs


def test_a_full_disk_is_one_alarm(tmp_path: Path) -> None:
    """What fails for many links has one cause: nobody is called a thousand times."""
    links = tuple(f"l{number}.example.com" for number in range(MOST_ALARMS + 1))
    app = app_of(tmp_path, links)
    (tmp_path / "own").rmdir()
    active_alarms = ActiveAlarms()
    unpublished = Unpublished(active_alarms, app.journal)
    apply_configuration(app, app.journal, unpublished)
    (alarm,) = active_alarms.all()
    assert alarm.subject == "app"
    assert f"{len(links)} links" in alarm.words
    assert str(tmp_path / "own") in alarm.words
    (tmp_path / "own").mkdir()
    retry_unpublished(app, app.journal, unpublished)
    assert active_alarms.all() == []
    assert len([*(tmp_path / "own").glob("*.pem")]) == len(links)


def test_generations_that_nobody_may_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be adopted of one link is said, and the others are adopted."""
    app = app_of(tmp_path)
    (tmp_path / GENERATIONS).mkdir(parents=True)
    (app.settings.private / RESTORED).touch()
    scandir, listdir = os.scandir, os.listdir

    def refused(path: object = ".") -> None:
        if BAD in str(path):
            raise PermissionError(13, "Permission denied", str(path))

    def scan(path: object = ".") -> object:
        refused(path)
        return scandir(path)  # type: ignore[call-overload]

    def names(path: object = ".") -> object:
        refused(path)
        return listdir(path)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "scandir", scan)
    monkeypatch.setattr(os, "listdir", names)
    apply_configuration(app, app.journal, Unpublished(ActiveAlarms(), app.journal))
    assert isinstance(app.journal, Notes)
    assert any("not adopted" in line and GENERATIONS in line for line in app.journal.lines)
    assert is_placeholder((tmp_path / f"own/{GOOD}.pem").read_text())
