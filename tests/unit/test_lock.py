"""One certd per state folder: the kernel holds the lock, so a dead process leaves none."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from certd.errors import CertdError
from certd.system.lock import StateLock

HOLDER = """
import sys, time
from pathlib import Path
from certd.system.lock import StateLock
StateLock(Path(sys.argv[1])).take()
print("taken", flush=True)
time.sleep(60)
"""


def test_the_second_is_told_who_has_it(tmp_path: Path) -> None:
    """The process, the folder, and what to do instead."""
    first, second = StateLock(tmp_path / "lock"), StateLock(tmp_path / "lock")
    first.take()
    with pytest.raises(CertdError, match=f"process {os.getpid()}\\) works on {tmp_path}") as refused:
        second.take()
    assert "certd renew" in refused.value.hint
    first.release()
    second.take()
    second.release()


def test_giving_back_twice_does_no_harm(tmp_path: Path) -> None:
    """Neither does giving back what one never had: somebody else keeps it."""
    holder, other = StateLock(tmp_path / "lock"), StateLock(tmp_path / "lock")
    holder.take()
    other.release()
    assert other.is_taken()
    holder.release()
    holder.release()
    assert not other.is_taken()


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    """The file stays, the lock does not; the next holder's number stands in it, whole."""
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"taken\n"
        lock = StateLock(path)
        assert lock.is_taken()
        with pytest.raises(CertdError, match=f"process {process.pid}\\)"):
            lock.take()
        process.kill()
    assert not lock.is_taken()
    path.write_text("123456789012345678\n")
    lock.take()
    assert path.read_text() == f"{os.getpid()}\n"
    lock.release()


def test_a_look_keeps_nobody_from_taking_it(tmp_path: Path) -> None:
    """Who asks whether it is taken holds it for an instant; a daemon that starts just then is not refused."""
    path = tmp_path / "lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        threading.Timer(0.05, fcntl.flock, (file, fcntl.LOCK_UN)).start()
        lock = StateLock(path)
        lock.take()
        lock.release()


def test_who_has_it_is_said_at_once(tmp_path: Path) -> None:
    """Nobody waits for a daemon to end."""
    holder = StateLock(tmp_path / "lock")
    holder.take()
    started = time.monotonic()
    with pytest.raises(CertdError):
        StateLock(tmp_path / "lock").take()
    assert time.monotonic() - started < 20
    holder.release()


def test_a_folder_that_cannot_be_locked_is_said_in_words(tmp_path: Path) -> None:
    """It is not there, or something else is where the file should be."""
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "nowhere" / "lock", tmp_path / "folder"):
        with pytest.raises(CertdError, match="cannot be locked"):
            StateLock(path).take()
    assert not StateLock(tmp_path / "nowhere" / "lock").is_taken()


def test_only_we_may_read_it(tmp_path: Path) -> None:
    """As everything in the private folder."""
    lock = StateLock(tmp_path / "lock")
    lock.take()
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600
    lock.release()
