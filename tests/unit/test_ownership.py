"""What root made becomes the service user's, and nothing else does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from certd.system.ownership import give_to, hand_over

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")

USER, GROUP, OTHER = 54321, 54322, 54323


def owners(folder: Path) -> dict[str, tuple[int, int]]:
    """User and group by name."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_uid, path.lstat().st_gid)
        for path in (folder, *folder.rglob("*"))
    }


def test_what_root_made_is_the_users(tmp_path: Path) -> None:
    """Folders, files and links at any depth; what is somebody else's stays, and modes stay."""
    state = tmp_path / "state"
    (state / "private/more").mkdir(parents=True)
    (state / "private/certd.db").touch(mode=0o600)
    (state / "private/more/link").symlink_to("/etc/passwd")
    (state / "theirs").touch()
    os.chown(state / "theirs", OTHER, OTHER)
    before = Path("/etc/passwd").stat()
    assert hand_over(state, USER, GROUP) == 5
    assert owners(state) == {
        ".": (USER, GROUP),
        "private": (USER, GROUP),
        "private/certd.db": (USER, GROUP),
        "private/more": (USER, GROUP),
        "private/more/link": (USER, GROUP),
        "theirs": (OTHER, OTHER),
    }
    assert (state / "private/certd.db").stat().st_mode & 0o7777 == 0o600
    assert (Path("/etc/passwd").stat().st_uid, before.st_uid) == (0, 0)
    assert hand_over(state, USER, GROUP) == 0


def test_a_second_name_of_a_strange_file_is_left_alone(tmp_path: Path) -> None:
    """Whoever may write in the folder must not get root's files by a link."""
    (tmp_path / "precious").touch(mode=0o600)
    (tmp_path / "state").mkdir()
    os.link(tmp_path / "precious", tmp_path / "state" / "mine")
    os.mkfifo(tmp_path / "state" / "pipe")
    hand_over(tmp_path / "state", USER, GROUP)
    assert (tmp_path / "precious").stat().st_uid == 0
    assert (tmp_path / "state" / "pipe").stat().st_uid == USER


def test_published_folders_pass_their_group_on(tmp_path: Path) -> None:
    """Set-group-id at every depth, whoever of the two wrote it; files are the readers'."""
    public = tmp_path / "public"
    for folder in ("certs/a/g", "proxies/nginx"):
        (public / folder).mkdir(parents=True, mode=0o750)
    key = public / "certs/a/g/privkey.pem"
    key.touch(mode=0o640)
    mine = public / "proxies/nginx/a.conf"
    mine.touch(mode=0o640)
    os.chown(mine, USER, USER)
    os.chown(public / "proxies/nginx", USER, USER)
    assert hand_over(public, USER, GROUP, inherited=True)
    assert set(owners(public).values()) == {(USER, GROUP)}
    assert all(path.stat().st_mode & 0o2000 for path in (public, *public.rglob("*")) if path.is_dir())
    assert key.stat().st_mode & 0o7777 == 0o640
    assert hand_over(public, USER, GROUP, inherited=True) == 0


def test_a_secret_is_given_to_a_user_that_exists(tmp_path: Path) -> None:
    """Its mode stays; a link, a second name and another user's file are left."""
    secret = tmp_path / "tsig.key"
    secret.touch(mode=0o600)
    assert give_to(secret, "no-such-user") == ""
    assert give_to(secret, "nobody") == "nobody"
    assert (secret.stat().st_uid, secret.stat().st_mode & 0o7777) == (65534, 0o600)
    (tmp_path / "other").touch()
    (tmp_path / "link").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="symbolic links"):
        give_to(tmp_path / "link", "nobody")
    os.link(tmp_path / "other", tmp_path / "second")
    assert give_to(tmp_path / "other", "nobody") == ""
    assert (tmp_path / "other").stat().st_uid == 0
