"""A peer that hangs up in the middle of the handshake, in each of its ways: seen as nothing about what clients get."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from certd.probes.handshake import Handshaker
from certd.probes.tls_context import Anchors

CLOSE_NOTIFY = bytes.fromhex("15030300020100")


def closes(connection: socket.socket) -> None:
    connection.recv(4096)


def says_goodbye(connection: socket.socket) -> None:
    """As Apache may do that misses a PROXY line."""
    connection.recv(4096)
    connection.sendall(CLOSE_NOTIFY)


def resets(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("ends", [closes, says_goodbye, resets], ids=lambda way: way.__name__)
def test_it_hangs_up(ends: Callable[[socket.socket], None]) -> None:
    """One sentence for all, and no word that an endpoint spoke TLS: clients may be let in by another way than ours."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            # Looked at once as a client does, and once without judging.
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    ends(connection)

        threading.Thread(target=serve, daemon=True).start()
        shown = Handshaker().shake(listener.getsockname(), "link.example.test", Anchors(), datetime.now(UTC))
    assert shown.wrong.startswith("the connection is closed in the handshake")
    assert (shown.connected, shown.spoke_tls, shown.fingerprint) == (True, False, "")


def test_silence_is_waited_for_once() -> None:
    """A proxy that is frozen: the kernel connects and nobody answers. A second look would tell no more, and later."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        shown = Handshaker().shake(listener.getsockname(), "link.example.test", Anchors(), datetime.now(UTC))
        listener.accept()[0].close()
        listener.settimeout(0.2)
        with pytest.raises(TimeoutError):
            listener.accept()
    assert shown.wrong == "no TLS answer within 5 s"
    assert (shown.connected, shown.spoke_tls) == (True, False)
