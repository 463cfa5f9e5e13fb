"""Files are as they were or as they should be, never anything between."""

from __future__ import annotations

import os
import stat
import threading
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


def test_readers_see_one_or_the_other(tmp_path: Path) -> None:
    """While somebody writes again and again, whoever reads gets a whole file."""
    path = tmp_path / "a.pem"
    contents = [letter * 200_000 for letter in (b"a", b"b")]
    write_atomic(path, contents[0])
    done = threading.Event()

    def write() -> None:
        for number in range(30):
            write_atomic(path, contents[number % 2])
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while not done.is_set():
        seen.add(read_bounded(path))
    writer.join()
    assert seen <= set(contents)


def test_a_link_where_a_file_goes_is_replaced_itself(tmp_path: Path) -> None:
    """What it led to stays as it was."""
    (tmp_path / "elsewhere").write_text("theirs")
    (tmp_path / "a.pem").symlink_to("elsewhere")
    write_atomic(tmp_path / "a.pem", b"ours")
    assert (tmp_path / "elsewhere").read_text() == "theirs"
    assert not (tmp_path / "a.pem").is_symlink()


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    """A domain may have 253 letters; the name beside it must not be longer."""
    path = tmp_path / ("x" * 255)
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    write_folder(tmp_path / ("y" * 255), {"a": b"1"}, mode=0o750, file_mode=0o640, group=None)
    link_atomic(tmp_path / ("z" * 255), "x")
    assert [name[0] for name in names(tmp_path)] == ["x", "y", "z"]


def test_the_group_is_set_before_it_may_read(tmp_path: Path) -> None:
    """A file, a folder and what is in it belong to the group that was asked for."""
    group = os.getgroups()[-1] if os.getuid() else 12345
    write_atomic(tmp_path / "a", b"1", mode=0o640, group=group)
    write_folder(tmp_path / "b", {"c": b"1"}, mode=0o750, file_mode=0o640, group=group)
    make_folder(tmp_path / "d", mode=0o2750, group=group)
    made = [tmp_path / "a", tmp_path / "b", tmp_path / "b" / "c", tmp_path / "d"]
    assert {path.stat().st_gid for path in made} == {group}
    assert [oct(stat.S_IMODE(path.stat().st_mode)) for path in made] == ["0o640", "0o750", "0o640", "0o2750"]


def test_a_folder_that_is_not_ours(short_path: Path) -> None:
    """An error in words, whole, with nothing left in it; root, who may write everywhere, sends somebody else."""
    folder = short_path / "theirs"
    folder.mkdir()
    folder.chmod(0o555)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if os.getuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            write_atomic(folder / "a", b"1")
        except TargetError as error:
            code = 0 if "Permission denied" in str(error) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert names(folder) == []


@pytest.mark.parametrize("what", ["file", "link"])
def test_what_is_no_folder_is_not_made_one(tmp_path: Path, what: str) -> None:
    """Neither a file nor a link to somebody's folder gets our mode."""
    (tmp_path / "theirs").mkdir(mode=0o755)
    path = tmp_path / "private"
    if what == "file":
        path.write_text("x")
    else:
        path.symlink_to("theirs")
    before = stat.S_IMODE(path.stat().st_mode)
    with pytest.raises(TargetError, match="something else is there"):
        make_folder(path, mode=0o700)
    assert stat.S_IMODE(path.stat().st_mode) == before


def test_a_folder_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """One of its files cannot be written, or a file is where it goes."""
    (tmp_path / "taken").write_text("x")
    with pytest.raises(TargetError, match="cannot be written"):
        write_folder(tmp_path / "g", {"a": b"1", "no/where": b"2"}, mode=0o750, file_mode=0o640, group=None)
    with pytest.raises(TargetError, match="cannot be written"):
        write_folder(tmp_path / "taken", {"a": b"1"}, mode=0o750, file_mode=0o640, group=None)
    with pytest.raises(TargetError, match="cannot be linked"):
        link_atomic(tmp_path / "taken" / "x", "a")
    assert names(tmp_path) == ["taken"]


def test_a_zero_byte_in_a_path_is_an_error_in_words(tmp_path: Path) -> None:
    """It comes from a configuration; the system never sees it."""
    path = tmp_path / "a\0b"
    with pytest.raises(TargetError):
        write_atomic(path, b"1")
    with pytest.raises(TargetError):
        make_folder(path, mode=0o700)
    with pytest.raises(TargetError):
        link_atomic(path, "a")
    with pytest.raises(TargetError):
        read_bounded(path)


@pytest.mark.timeout(10)
def test_nobody_waits_for_a_pipe(tmp_path: Path) -> None:
    """What is no file is refused at once, and nothing stays open."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(TargetError, match="cannot be read"):
            read_bounded(tmp_path / name)
    descriptors = Path("/proc/self/fd")
    assert not [1 for one in descriptors.iterdir() if one.is_symlink() and str(tmp_path) in os.readlink(one)]


def test_two_letters_are_not_one() -> None:
    """The Kelvin sign is a small k once it is made small; it is not the k of another link's folder."""
    with pytest.raises(TargetError):
        safe_name("lin\u212a.example.com")
