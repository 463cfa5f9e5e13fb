"""kill -9 at every system call that changes something, and a disk of every size from nothing to enough."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from certd.errors import StoreError, TargetError
from certd.pki.gate import judge
from certd.pki.trust import Trust
from certd.store.sqlite import SqliteDatabase
from certd.store.stores import open_stores
from tests.interruption.publish import LINK, certificate, keep, publish, target
from tests.lab.certificates import DAY, NOW, make_ca, make_leaf
from tests.unit.test_turns import commits, on_disk

ROOT = Path(__file__).resolve().parents[2]
# strace counts each of them by itself.
PUBLISH_CALLS = ("rename", "write", "fsync", "mkdir", "fchmod", "chmod", "symlink")
STORE_CALLS = ("pwrite64", "write", "fsync", "fdatasync", "ftruncate")

authority = make_ca("Crash Root")
TRUST = Trust.of(authority.pem)


def pairs(folder: Path) -> None:
    """An old pair and a new one."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, age in (("old", 30 * DAY), ("new", timedelta(hours=1))):
        leaf = make_leaf(authority, LINK, start=NOW - age)
        (folder / f"{name}.pem").write_text(leaf.pem)
        (folder / f"{name}.key").write_text(leaf.key.reveal())


def killed_at(number: int, call: str, action: str, folder: Path) -> bool:
    """Run the action and kill it at the N-th system call of a kind; False when there were not so many."""
    argv = [
        "strace",
        "-f",
        "-o",
        "/dev/null",
        "-e",
        f"trace={call}",
        "-e",
        f"inject={call}:signal=SIGKILL:when={number}",
        sys.executable,
        "-m",
        "tests.interruption.publish",
        action,
        str(folder),
    ]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT)})
    if done.returncode == 0:
        return False
    assert done.returncode in {-9, 137}, done.stderr.decode()[-2000:]
    return True


def judge_pointed(folder: Path) -> str:
    """The generation that the pointer names; it must be whole and pass the gate, the combined file, too."""
    proxy = target(folder)
    pointed = proxy.pointed(LINK)
    assert pointed is not None
    pair = proxy.layout.read(LINK, pointed.name, NOW)
    judge(pair, domains=[LINK], now=NOW, trust=TRUST)
    combined = (folder / "combined.pem").read_text()
    assert combined in {whole(folder, "old"), whole(folder, "new")}
    return pointed.name


def whole(folder: Path, name: str) -> str:
    """The combined file of a pair."""
    generation = certificate(folder, name).generation
    return (
        (folder / "public/certs" / LINK / generation / "combined.pem").read_text()
        if name == "old"
        else ((folder / f"{name}.pem").read_text() + (folder / f"{name}.key").read_text())
    )


@pytest.mark.lab("strace")
@pytest.mark.timeout(300)
def test_killed_at_every_system_call_of_a_publish(tmp_path: Path) -> None:
    """The proxy is always pointed at a whole pair, the old one or the new one; the next run finishes the job."""
    pairs(tmp_path / "pairs")
    points = 0
    for call in PUBLISH_CALLS:
        for number in range(1, 100):
            folder = tmp_path / "f"
            shutil.copytree(tmp_path / "pairs", folder)
            publish(folder, "old")
            new = certificate(folder, "new").generation
            was_killed = killed_at(number, call, "publish", folder)
            judge_pointed(folder)
            publish(folder, "new")
            assert judge_pointed(folder) == new
            shutil.rmtree(folder)
            if not was_killed:
                break
            points += 1
    assert points > 40


@pytest.mark.lab("strace")
@pytest.mark.timeout(300)
def test_killed_at_system_calls_of_the_stores_writes(tmp_path: Path) -> None:
    """Facts are as they were or as they should be, keys open, and the next run goes on."""
    pairs(tmp_path / "pairs")
    points = 0
    for call in STORE_CALLS:
        for number in (*range(1, 10), *range(10, 1000, 9)):
            folder = tmp_path / "f"
            shutil.copytree(tmp_path / "pairs", folder)
            known = [certificate(folder, name) for name in ("old", "new")]
            was_killed = killed_at(number, call, "keep", folder)
            if (folder / "certd.db").exists():
                stores = open_stores(folder, "node")
                current = stores.lineages.facts(LINK).current
                assert current is None or current.fingerprint in {one.fingerprint for one in known}
                assert current is None or current.key in {one.key for one in known}
                stores.close()
            keep(folder)
            stores = open_stores(folder, "node")
            kept = stores.lineages.facts(LINK).current
            assert kept is not None
            assert kept.fingerprint == known[1].fingerprint
            stores.close()
            shutil.rmtree(folder)
            if not was_killed:
                break
            points += 1
    assert points > 20


# ------------------------------------------------------------------------------------ a disk that is full


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def shrink(folder: Path, free: int) -> None:
    """Leave so many bytes free."""
    used = sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())
    size = max(used + free, 4096)
    subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)


def tried(action: Callable[[], None]) -> str:
    """What it failed with, in words; empty when it did not."""
    try:
        action()
    except (TargetError, StoreError) as error:
        return str(error)
    return ""


@pytest.mark.lab("tmpfs")
def test_a_disk_of_every_size(small: Path) -> None:
    """From nothing to enough in steps of a page: published whole or not at all, said in words, and done when there is
    space again.
    """
    outcomes = []
    for free in range(0, 18 * 4096, 4096):
        subprocess.run(["mount", "-o", "remount,size=4m", str(small)], check=True)
        for path in small.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        pairs(small)
        publish(small, "old")
        before = judge_pointed(small)
        shrink(small, free)
        words = tried(lambda: publish(small, "new"))
        outcomes.append(not words)
        assert words in {"", words if "No space left" in words else ""}
        now = judge_pointed(small)
        assert outcomes[-1] == (now != before)
        leftovers = [path for path in (small / "public/certs" / LINK).iterdir() if path.name.startswith(".")]
        assert leftovers == []
        subprocess.run(["mount", "-o", "remount,size=4m", str(small)], check=True)
        publish(small, "new")
        assert judge_pointed(small) == certificate(small, "new").generation
    assert set(outcomes) == {True, False}


@pytest.mark.lab("tmpfs")
def test_a_store_on_a_full_disk(small: Path) -> None:
    """A write fails in words and nothing of it lands; with space it goes on."""
    pairs(small)
    keep(small)
    known = certificate(small, "new")
    for free in (0, 4096, 8192, 16384):
        subprocess.run(["mount", "-o", "remount,size=4m", str(small)], check=True)
        shrink(small, free)
        words = tried(lambda: keep(small))
        assert not words or str(small) in words
        subprocess.run(["mount", "-o", "remount,size=4m", str(small)], check=True)
        stores = open_stores(small, "node")
        current = stores.lineages.facts(LINK).current
        assert current is not None
        assert current.key in {known.key, certificate(small, "old").key}
        stores.close()
        keep(small)


@pytest.mark.lab("tmpfs")
def test_a_disk_that_fills_up_while_threads_share_a_flush(small: Path) -> None:
    """Whoever was told that it is written finds it, whoever was told otherwise does not; with space all go on."""
    database = SqliteDatabase(small / "a.db")
    with database.writing() as transaction:
        transaction.execute("CREATE TABLE t (x BIGINT, y TEXT)")
    told: dict[int, str] = {}
    saved = 0

    def write(first: int) -> None:
        for number in range(first, first + 40):
            told[number] = tried(lambda number=number: put(number))  # type: ignore[misc]

    def put(number: int) -> None:
        with database.writing() as transaction:
            transaction.execute("INSERT INTO t VALUES (?, ?)", number, "x" * 3000)

    for turn, free in enumerate((0, 4096, 40_960, 163_840, 2_000_000)):
        shrink(small, free)
        before = commits(database.path)
        threads = [threading.Thread(target=write, args=(1000 * turn + 100 * number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        written = {number for number, words in told.items() if not words}
        assert len(told) == 240 * (turn + 1) + turn
        assert on_disk(database.path) == written
        assert {words for words in told.values() if words} <= {f"{database.path}: database or disk is full"}
        saved += sum(1 for number in written if number >= 1000 * turn) - (commits(database.path) - before)
        subprocess.run(["mount", "-o", "remount,size=4m", str(small)], check=True)
        put(1000 * turn + 999)
        told[1000 * turn + 999] = ""
    assert any(told.values())
    assert saved > 0
    database.judge()
    database.close()
