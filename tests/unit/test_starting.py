"""``certd run`` while a command works on the state."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import cast

import pytest

from certd.cli.run import _started
from certd.daemon import Daemon
from certd.errors import StateTaken


class Busy:
    """A daemon whose state somebody has for a while."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.tries = 0

    def start(self) -> None:
        """As the daemon's."""
        self.tries += 1
        if self.tries <= self.times:
            raise StateTaken("another certd (process 7) works on /state")


def test_without_a_service_manager_it_is_said_at_once() -> None:
    """Whoever typed it sees who has the state."""
    busy = Busy(1)
    with pytest.raises(StateTaken, match="process 7"):
        _started(cast(Daemon, busy), {})
    assert busy.tries == 1


def test_under_a_service_manager_it_waits_and_says_for_whom(short_path: Path) -> None:
    """A restart does not fail because `certd renew` is finishing what the daemon began."""
    busy = Busy(1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(short_path / "notify"))
        manager.settimeout(5)
        _started(cast(Daemon, busy), {"NOTIFY_SOCKET": str(short_path / "notify")})
        assert manager.recv(4096) == b"STATUS=waiting: another certd (process 7) works on /state"
    assert busy.tries == 2
