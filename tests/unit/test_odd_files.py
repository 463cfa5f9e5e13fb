"""What lies where certd expects a file may be a FIFO, a link, a directory: nobody waits for it or writes through it."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from certd.config.choices import known_choices
from certd.config.loader import load
from certd.config.types import secret
from certd.dns.resolv_conf import ResolvConf, read_resolv_conf
from certd.errors import CertdError, ConfigurationError
from certd.foreign.model import text_of
from certd.ports import Verdict
from certd.store.seal import load_or_make
from certd.system.lock import StateLock
from certd.system.regular_file import open_own, open_regular, read_regular
from certd.targets.reloads import Signal
from certd.targets.touch_protocol import Stamp

pytestmark = pytest.mark.timeout(20)

MOMENT = timedelta(milliseconds=50)


def fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def unix_socket(path: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    return path


ODD: dict[str, Callable[[Path], Path]] = {"a FIFO": fifo, "a directory": folder}


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_file_is_not_read(kind: str, tmp_path: Path) -> None:
    """At once, and said to be what it is."""
    path = ODD[kind](tmp_path / "odd")
    with pytest.raises(OSError, match=rf"is {kind}, not a regular file"), open_regular(path):
        pass


def test_devices_and_sockets_are_not_read(short_path: Path) -> None:
    """A device gives without end; a socket cannot be opened."""
    with pytest.raises(OSError, match="is a device, not a regular file"):
        read_regular("/dev/zero", 100)
    with pytest.raises(OSError):
        read_regular(unix_socket(short_path / "s"), 100)


def test_links_are_read_through_and_never_written_through(tmp_path: Path) -> None:
    """Kubernetes and certbot keep secrets behind symbolic links; who writes in place follows none."""
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "link").symlink_to("victim")
    (tmp_path / "second").hardlink_to(tmp_path / "victim")
    assert read_regular(tmp_path / "link", 100) == b"precious"
    with pytest.raises(OSError, match="is a symbolic link; remove it"):
        open_own(tmp_path / "link", mode=0o600)
    with pytest.raises(OSError, match=r"has 2 names \(hard links\); remove it"):
        open_own(tmp_path / "second", mode=0o600)
    with pytest.raises(OSError), open_regular(tmp_path / "link", follow=False):
        pass
    assert (tmp_path / "victim").read_text() == "precious"


def plant(kind: str, path: Path) -> None:
    """Something odd in the place of a file that is written in place."""
    victim = path.with_name("victim")
    victim.write_text("precious")
    match kind:
        case "FIFO":
            os.mkfifo(path)
        case "symbolic link":
            path.symlink_to(victim)
        case "hard link":
            path.hardlink_to(victim)


KINDS = ("FIFO", "symbolic link", "hard link")


@pytest.mark.parametrize("kind", KINDS)
def test_a_stamp_that_somebody_else_placed(kind: str, tmp_path: Path) -> None:
    """The reload fails in words; no worker waits, and no other file gets the question."""
    plant(kind, tmp_path / "nginx")
    outcome = Stamp(str(tmp_path / "nginx"), deadline=MOMENT, silence=MOMENT).ask()
    assert outcome.verdict is Verdict.NO
    assert str(tmp_path / "nginx") in outcome.words
    assert (tmp_path / "victim").read_text() == "precious"


@pytest.mark.parametrize("kind", KINDS)
def test_a_lock_that_somebody_else_placed(kind: str, tmp_path: Path) -> None:
    """certd does not start, and says what lies there."""
    plant(kind, tmp_path / "certd.lock")
    with pytest.raises(CertdError, match=r"certd\.lock: cannot be locked: "):
        StateLock(tmp_path / "certd.lock").take()
    assert (tmp_path / "victim").read_text() == "precious"


def test_a_fifo_with_a_reader_gets_no_question(tmp_path: Path) -> None:
    """It can be opened for writing then; it is no file all the same."""
    path = fifo(tmp_path / "nginx")
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert Stamp(str(path), deadline=MOMENT, silence=MOMENT).ask().verdict is Verdict.NO
        # Nothing was written, and nobody has it open.
        assert os.read(reader, 100) == b""
    finally:
        os.close(reader)


def test_a_pid_file_that_is_a_fifo(tmp_path: Path) -> None:
    """No signal is sent, and no worker waits."""
    reload = Signal(signal.SIGHUP, str(fifo(tmp_path / "nginx.pid")))
    assert not reload.may()
    outcome = reload.ask()
    assert outcome.verdict is Verdict.NO
    assert "is a FIFO" in outcome.words


def test_a_secret_that_is_a_fifo(tmp_path: Path) -> None:
    """Named with its path."""
    fifo(tmp_path / "tsig.key")
    with pytest.raises(CertdError, match=r"tsig\.key.*is a FIFO"):
        secret("file:tsig.key", folder=tmp_path, environment={})


def test_a_foreign_clients_file_that_is_a_fifo(tmp_path: Path) -> None:
    """One problem in the list; the others go on."""
    with pytest.raises(CertdError, match="is a FIFO"):
        text_of(fifo(tmp_path / "account.json"))


def test_a_configuration_that_is_a_fifo(tmp_path: Path) -> None:
    """A mistake like any other, also where it replaces the file of a running daemon."""
    path = tmp_path / "certd.toml"
    fifo(path)
    with pytest.raises(ConfigurationError) as caught:
        load(path, known_choices(), {})
    assert any("is a FIFO" in finding.message for finding in caught.value.findings)


def test_resolv_conf_and_the_seal(tmp_path: Path) -> None:
    """The resolver's file counts as missing; a seal key that is a FIFO ends the start in words."""
    assert read_resolv_conf(fifo(tmp_path / "resolv.conf")) == ResolvConf()
    with pytest.raises(OSError, match="is a FIFO"):
        load_or_make(fifo(tmp_path / "seal.key"))


def test_nothing_here_waits(tmp_path: Path) -> None:
    """The judge of this file: a plain open of a FIFO does wait."""
    path = fifo(tmp_path / "pipe")
    waiting = threading.Thread(target=lambda: path.open("rb").close(), daemon=True)
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
    waiting.join(5)
    assert not waiting.is_alive()
