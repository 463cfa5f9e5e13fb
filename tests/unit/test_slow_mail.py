"""A mail server that drips holds up no other alarm."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest

from certd.alarms.mail import Mail
from certd.errors import AlarmFailed
from certd.model import Alarm, Level, Notice
from tests.unit.cases import NOW


def drip(listener: socket.socket) -> None:
    """A greeting that never ends, one octet at a time: each read has its answer in time."""
    connection, _ = listener.accept()
    with connection, contextlib.suppress(OSError):
        connection.sendall(b"220 ")
        while True:
            connection.sendall(b"x")
            time.sleep(0.05)


def test_a_server_that_drips() -> None:
    """The whole of it has a deadline."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=drip, args=(listener,), daemon=True).start()
        port = listener.getsockname()[1]
        mail = Mail(f"smtp://127.0.0.1:{port}", "a@example.com", ("b@example.com",), "node", deadline=0.5)
        alarm = Alarm(cause="c", level=Level.NOTE, subject="s", words="w")
        started = time.monotonic()
        with pytest.raises(AlarmFailed, match=r"was not told within 0\.5 s"):
            mail.tell(Notice(alarm=alarm, since=NOW))
        assert time.monotonic() - started < 10
