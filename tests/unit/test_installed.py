"""A crash after an upgrade beneath the daemon is not one of many: only another start ends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from certd.daemon.active_alarms import ActiveAlarms
from certd.daemon.upgrade_detect import UpgradeDetector
from certd.system.installed import Installed
from tests.unit.test_daemon_parts import Notes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "site-packages"
    (made / "certd-1.dist-info").mkdir(parents=True)
    return made


def test_an_upgrade_is_noticed(folder: Path, tmp_path: Path) -> None:
    """Whatever is put beside the packages; what changes in another folder of the path is no package."""
    (tmp_path / "work").mkdir()
    installed = Installed([str(folder), str(tmp_path / "work")])
    (tmp_path / "work" / "notes").write_text("")
    (folder / "certd-1.dist-info" / "RECORD").write_text("")
    assert not installed.has_changed()
    (folder / "certd-1.dist-info").rename(folder / "certd-2.dist-info")
    assert installed.has_changed()


def test_a_folder_that_is_gone(folder: Path) -> None:
    """As after a venv was made anew."""
    installed = Installed([str(folder)])
    folder.rename(folder.with_name("old"))
    assert installed.has_changed()


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": "/run/notify"}])
@pytest.mark.parametrize("upgraded", [False, True])
def test_what_a_crash_means(folder: Path, environment: dict[str, str], upgraded: bool) -> None:
    """A bug of ours changes nothing; after an upgrade the process ends where another is started, else it is told."""
    active_alarms, notes, ended = ActiveAlarms(), Notes(), []
    replaced = UpgradeDetector(
        Installed([str(folder)]), notes, active_alarms, environment, lambda: "n", lambda: ended.append(1)
    )
    if upgraded:
        (folder / "certd-2.dist-info").mkdir()
    replaced.crashed(ImportError("cannot import name"))
    assert ended == ([1] if upgraded and environment else [])
    assert [alarm.cause for alarm in active_alarms.all()] == (["installed"] if upgraded and not environment else [])
