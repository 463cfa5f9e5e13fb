"""Files are as they were or as they should be, never anything between."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from certd.errors import TargetError
from certd.system.files import link_atomic, make_folder, read_bounded, safe_name, write_atomic, write_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_write_replaces_whole(tmp_path: Path) -> None:
    """New content, mode and nothing left beside it, whatever the umask is."""
    path = tmp_path / "a.pem"
    path.write_text("old")
    before = os.umask(0)
    write_atomic(path, b"new" * 100_000, mode=0o640)
    os.umask(before)
    assert path.read_bytes() == b"new" * 100_000
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert names(tmp_path) == ["a.pem"]


def test_a_reader_who_has_it_open_keeps_the_old_one(tmp_path: Path) -> None:
    """It is another file, not another content."""
    path = tmp_path / "a.pem"
    path.write_text("old")
    with path.open() as reader:
        write_atomic(path, b"new")
        assert reader.read() == "old"


def test_a_write_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    """The folder is gone, or a name is too long: a clear error, nothing changed."""
    with pytest.raises(TargetError, match="cannot be written"):
        write_atomic(tmp_path / "nowhere" / "a.pem", b"new")
    with pytest.raises(TargetError, match="cannot be written"):
        write_atomic(tmp_path / ("x" * 300), b"new")
    assert names(tmp_path) == []


def test_a_folder_never_changes_once_it_is_there(tmp_path: Path) -> None:
    """What is written as a folder is immutable."""
    path = tmp_path / "g"
    write_folder(path, {"a": b"1", "b": b"2"}, mode=0o750, file_mode=0o640, group=None)
    write_folder(path, {"a": b"3"}, mode=0o750, file_mode=0o640, group=None)
    assert (path / "a").read_bytes() == b"1"
    assert names(tmp_path) == ["g"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o750
    assert stat.S_IMODE((path / "b").stat().st_mode) == 0o640


def test_a_folder_gets_its_mode_also_when_it_was_there(tmp_path: Path) -> None:
    """0700 is 0700 however it was made."""
    path = tmp_path / "private"
    path.mkdir(mode=0o755)
    make_folder(path, mode=0o700)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_links_are_replaced_by_rename(tmp_path: Path) -> None:
    """The symlink for people moves without a moment in which there is none."""
    link_atomic(tmp_path / "live", "a")
    link_atomic(tmp_path / "live", "b")
    assert os.readlink(tmp_path / "live") == "b"
    assert names(tmp_path) == ["live"]


def test_symlinks_are_not_followed(tmp_path: Path) -> None:
    """A stranger's link does not make us read what is elsewhere."""
    (tmp_path / "secret").write_text("s")
    (tmp_path / "link").symlink_to("secret")
    with pytest.raises(TargetError, match="cannot be read"):
        read_bounded(tmp_path / "link")


def test_reading_is_bounded(tmp_path: Path) -> None:
    """A file that grew is an error, not an outage."""
    (tmp_path / "big").write_bytes(b"x" * 101)
    with pytest.raises(TargetError, match="larger than 100 bytes"):
        read_bounded(tmp_path / "big", 100)


@pytest.mark.parametrize("name", ["../x", "..", "a/b", ".hidden", "", "a\0b", "a b", "-rf", "ä", "x" * 300, "a..b"])
def test_hostile_names(name: str) -> None:
    """Nothing from outside leaves its folder, hides, or looks like an option."""
    with pytest.raises(TargetError):
        safe_name(name)


def test_wildcards_have_a_name() -> None:
    """``*`` is no character for a proxy's configuration."""
    assert safe_name("*.Example.com") == "_wildcard.example.com"
