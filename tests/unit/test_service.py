"""What the service manager hears, over a real datagram socket (sd_notify(3))."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from certd.daemon.startup_timeout import extend_startup
from certd.system.systemd import boot_id, notify, notify_reloading, watchdog_interval


@pytest.fixture
def manager(short_path: Path) -> Iterator[socket.socket]:
    """A service manager's end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(short_path / "notify"))
        listener.settimeout(2)
        yield listener


def environment(manager: socket.socket) -> dict[str, str]:
    name = manager.getsockname()
    return {"NOTIFY_SOCKET": "@" + name[1:].decode() if isinstance(name, bytes) else name}


def test_assignments_go_out_in_one_message(manager: socket.socket) -> None:
    """One a line."""
    assert notify(environment(manager), READY="1", STATUS="3 links on 2 proxies")
    assert manager.recv(1000) == b"READY=1\nSTATUS=3 links on 2 proxies"


def test_abstract_addresses_are_understood() -> None:
    """``@`` stands for the zero byte that they begin with."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(b"\0certd-test-" + os.urandom(8).hex().encode())
        listener.settimeout(2)
        assert notify(environment(listener), WATCHDOG="1")
        assert listener.recv(1000) == b"WATCHDOG=1"


def test_a_status_cannot_say_more_than_a_status(manager: socket.socket) -> None:
    """A line break in a value is no second assignment; what cannot be encoded is replaced."""
    assert notify(environment(manager), STATUS="fine\nSTOPPING=1\r\n\udc80")
    assert manager.recv(1000).splitlines() == [b"STATUS=fine STOPPING=1 ?"]


def test_reloading_says_since_when(manager: socket.socket) -> None:
    """``Type=notify-reload`` compares it with its own monotonic clock."""
    before = time.monotonic_ns() // 1000
    assert notify_reloading(environment(manager))
    reloading, since = manager.recv(1000).decode().splitlines()
    assert reloading == "RELOADING=1"
    assert before <= int(since.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000


def test_nobody_listens(tmp_path: Path) -> None:
    """By hand, in a container, or a manager that is gone: no error, just nothing said."""
    assert not notify({}, READY="1")
    assert not notify({"NOTIFY_SOCKET": ""}, READY="1")
    assert not notify({"NOTIFY_SOCKET": str(tmp_path / "nowhere")}, READY="1")
    assert not notify({"NOTIFY_SOCKET": "/" + "x" * 200}, READY="1")
    assert not notify_reloading({})


def test_a_manager_that_does_not_read_is_not_waited_for(manager: socket.socket) -> None:
    """Its queue is full: the main thread goes on after half a second."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                sender.sendto(b"x" * 1000, manager.getsockname())
    started = time.monotonic()
    assert not notify(environment(manager), WATCHDOG="1")
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, timedelta(seconds=15)),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, timedelta(seconds=15)),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "²"}, None),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_it_must_be(
    variables: dict[str, str], expected: timedelta | None
) -> None:
    """And not at all where it is somebody else's, or switched off."""
    assert watchdog_interval(variables) == expected


def test_a_boot_has_one_name() -> None:
    """The same for as long as the machine runs."""
    assert boot_id() == boot_id()
    assert "\n" not in boot_id()


def test_a_long_start_asks_for_patience(manager: socket.socket) -> None:
    """Again and again while thousands of links are published, and not any more afterwards."""
    with extend_startup(environment(manager), every=timedelta(milliseconds=10)):
        first, second = manager.recv(1000), manager.recv(1000)
    assert first == second == b"EXTEND_TIMEOUT_USEC=120000000\nSTATUS=publishing"
    manager.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            manager.recv(1000)
    time.sleep(0.05)
    with pytest.raises(BlockingIOError):
        manager.recv(1000)


def test_patience_has_an_end(manager: socket.socket) -> None:
    """What hangs for ever is ended by the service manager."""
    with extend_startup(environment(manager), every=timedelta(milliseconds=10), most=timedelta(milliseconds=20)):
        assert manager.recv(1000)
        assert manager.recv(1000)
        manager.settimeout(0.2)
        with pytest.raises(TimeoutError):
            manager.recv(1000)
