"""A changed configuration is noticed without a signal."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from certd.config.file_watch import ConfigWatch

OLD = 1_700_000_000


def written(path: Path, text: str, at: int = OLD) -> None:
    """A file that was written a while ago."""
    path.write_text(text)
    os.utime(path, (at, at))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A configuration with one file more."""
    (tmp_path / "links.d").mkdir()
    written(tmp_path / "certd.toml", "one")
    written(tmp_path / "links.d" / "a.toml", "a")
    return tmp_path / "certd.toml"


def watch(path: Path) -> ConfigWatch:
    """As the daemon makes it."""
    return ConfigWatch(path, ["links.d/*.toml"])


def test_nothing_is_nothing(path: Path) -> None:
    """Neither at first nor ever."""
    watched = watch(path)
    assert [watched.has_changed() for _ in range(3)] == [False] * 3


def test_a_change_is_told_once(path: Path) -> None:
    """Also where the new one is as long as the old one."""
    watched = watch(path)
    written(path, "two", OLD + 60)
    assert [watched.has_changed() for _ in range(3)] == [True, False, False]


@pytest.mark.parametrize("what", ["added", "removed", "edited"])
def test_files_that_are_included_count(path: Path, what: str) -> None:
    """One more, one less, another text."""
    watched, other = watch(path), path.parent / "links.d" / ("b.toml" if what == "added" else "a.toml")
    other.unlink() if what == "removed" else written(other, "b", OLD + 60)
    assert watched.has_changed()


def test_a_config_map_is_a_link_to_another_folder(tmp_path: Path) -> None:
    """What the kubelet does: a new folder, and ``..data`` renamed over the old one; the file's own name never moves."""
    for name, text in (("..1", "one"), ("..2", "two")):
        (tmp_path / name).mkdir()
        written(tmp_path / name / "certd.toml", text)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "certd.toml").symlink_to("..data/certd.toml")
    watched = watch(tmp_path / "certd.toml")
    assert not watched.has_changed()
    (tmp_path / "..new").symlink_to("..2")
    os.rename(tmp_path / "..new", tmp_path / "..data")
    assert [watched.has_changed(), watched.has_changed()] == [True, False]


def test_the_same_bytes_are_no_change(path: Path) -> None:
    """A touch, an editor's save, a redeployment."""
    watched = watch(path)
    written(path, "one", OLD + 60)
    assert not watched.has_changed()


def test_a_file_that_is_being_written_is_left_alone_for_a_moment(path: Path) -> None:
    """It is told at a later look."""
    watched = watch(path)
    path.write_text("half")
    assert not watched.has_changed()
    os.utime(path, (OLD + 60, OLD + 60))
    assert watched.has_changed()


def test_what_was_read_by_request_is_not_told_again(path: Path) -> None:
    """SIGHUP was faster."""
    watched = watch(path)
    written(path, "two", OLD + 60)
    watched.follow(["links.d/*.toml"])
    assert not watched.has_changed()


def test_a_file_that_is_gone_is_a_change(path: Path) -> None:
    """The reader complains; what is in force stays."""
    watched = watch(path)
    path.unlink()
    assert [watched.has_changed(), watched.has_changed()] == [True, False]
