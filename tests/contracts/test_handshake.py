"""A peer that hangs up in the middle of the handshake, in each of its ways: seen as nothing about what clients get."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from certd.model import Health
from certd.planning.observations import EXPECTS_NO_PROXY, EXPECTS_PROXY, hint_of
from certd.probes.handshake import Handshaker
from certd.probes.tls_context import Anchors
from tests.lab.bought import buy
from tests.unit.cases import observation

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
            # Looked at once as a client does, once without judging, and once by the PROXY protocol.
            for _ in range(3):
                connection, _ = listener.accept()
                with connection:
                    ends(connection)

        threading.Thread(target=serve, daemon=True).start()
        shown = Handshaker().shake(listener.getsockname(), "link.example.test", Anchors(), datetime.now(UTC))
    assert shown.wrong.startswith("the connection is closed in the handshake")
    assert (shown.connected, shown.spoke_tls, shown.fingerprint) == (True, False, "")


@pytest.mark.parametrize("speaks", [False, True], ids=["plainly", "by the PROXY protocol"])
@pytest.mark.parametrize("expects", [False, True], ids=["expects none", "expects it"])
def test_an_endpoint_that_expects_the_proxy_protocol(tmp_path: Path, expects: bool, speaks: bool) -> None:
    """Found out by asking once more in the other way, and named with the setting; nothing is learned of clients."""
    pair = buy(tmp_path / "bought", "link.example.test", days=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.chain, pair.key)

    def serve(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    is_line = connection.recv(6, socket.MSG_PEEK) == b"PROXY "
                    if is_line is not expects:
                        continue
                    while is_line and connection.recv(1) != b"\n":
                        pass
                    with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as tls:
                        tls.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        shaker = Handshaker(proxy_protocol=speaks)
        shown = shaker.shake(listener.getsockname(), "link.example.test", Anchors(), datetime.now(UTC))
    if speaks is expects:
        assert shown.fingerprint
        return
    assert shown.wrong == (EXPECTS_PROXY if expects else EXPECTS_NO_PROXY)
    assert (shown.spoke_tls, shown.fingerprint) == (False, "")
    seen = observation(Health.BLIND, because=shown.wrong)
    assert "proxy_protocol" in hint_of([seen], "see that certd can reach the endpoint")
    assert hint_of([observation(Health.BLIND, because="x")], "see that") == "see that"


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
