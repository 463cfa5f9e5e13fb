"""The responder's one thread: every socket in one selector, bounded in connections, bytes and time."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from certd.dns.responder.rate_limit import RateLimiter
from certd.dns.responder.snapshot import Snapshot
from certd.dns.responder.sockets import Listeners
from certd.dns.responder.wire import answer

IDLE_SECONDS = 5.0  # from the last complete question: a client that drips bytes does not outlive it
CONNECTIONS = 128
_LARGEST_QUERY = 8192
_MOST_OUTBOUND = 65_536
_UDP_AT_ONCE = 64  # packets of one socket before the others have their turn


@dataclass(slots=True)
class _Connection:
    """One TCP client."""

    sock: socket.socket
    expires: float
    inbound: bytearray = field(default_factory=bytearray)
    outbound: bytearray = field(default_factory=bytearray)


class Server:
    """Answers on the given sockets until it is closed.

    Args:
        current: The snapshot to answer from; called for each packet, so it must only read a reference.
        idle: Seconds after which a TCP connection without a complete question is closed.
        connections: At most so many TCP connections; the one longest without a question makes room.
    """

    def __init__(
        self,
        listeners: Listeners,
        current: Callable[[], Snapshot],
        *,
        buckets: RateLimiter | None = None,
        idle: float = IDLE_SECONDS,
        connections: int = CONNECTIONS,
    ) -> None:
        self._listeners = listeners
        self._current = current
        self._buckets = buckets or RateLimiter(own=[host for host, _ in listeners.addresses])
        self._idle = idle
        self._most = connections
        self._connections: dict[int, _Connection] = {}
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="dns responder", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        for each in self._listeners.udp:
            self._selector.register(each, selectors.EVENT_READ, "udp")
        for each in self._listeners.tcp:
            self._selector.register(each, selectors.EVENT_READ, "accept")
        self._selector.register(self._woken, selectors.EVENT_READ, "wake")
        self._thread.start()

    def is_alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Stop answering and close every socket."""
        self._stopping = True
        if self._thread.is_alive():
            self._wake.send(b"x")
            self._thread.join(timeout=5)
        self._listeners.close()
        self._wake.close()
        self._woken.close()

    # ------------------------------------------------------------------------------------ the loop

    def _run(self) -> None:
        while not self._stopping:
            for key, events in self._selector.select(self._patience()):
                sock = key.fileobj
                if not isinstance(sock, socket.socket):
                    continue
                role: Literal["udp", "accept", "wake", "tcp"] = key.data
                match role:
                    case "udp":
                        self._datagrams(sock)
                    case "accept":
                        self._accept(sock)
                    case "tcp":
                        self._stream(sock, events)
                    case "wake":
                        pass
            self._close_idle()
        for connection in list(self._connections.values()):
            self._hang_up(connection)
        self._selector.close()

    def _patience(self) -> float | None:
        """Seconds until a connection has been idle for too long; None: nothing is to be done unasked."""
        ends = min((each.expires for each in self._connections.values()), default=None)
        return None if ends is None else max(0.0, ends - time.monotonic())

    def _datagrams(self, sock: socket.socket) -> None:
        for _ in range(_UDP_AT_ONCE):
            try:
                packet, peer = sock.recvfrom(_LARGEST_QUERY)
                reply = self._answered(packet, slip=not self._buckets.take(peer[0]), tcp=False)
                # Port 0 is nobody's; a reply to port 53 of another server could make two servers talk for ever,
                # but a reply is never answered, so it ends with one.
                if reply is not None and peer[1] != 0:
                    sock.sendto(reply, peer)
            except OSError:  # nothing more to read, or the client is unreachable: a lost datagram either way
                return

    def _answered(self, packet: bytes, *, tcp: bool, slip: bool = False) -> bytes | None:
        try:
            return answer(packet, self._current(), tcp=tcp, slip=slip)
        except (struct.error, IndexError, ValueError):
            # The parser checks every index, and a fuzz test says so; one packet must not end the thread even so.
            return None

    # ------------------------------------------------------------------------------------ TCP

    def _accept(self, listener: socket.socket) -> None:
        try:
            sock, _ = listener.accept()
        except BlockingIOError:
            return
        except OSError:  # out of file descriptors: make room, and do not spin on a listener that stays readable
            self._make_room()
            time.sleep(0.02)
            return
        sock.setblocking(False)
        if len(self._connections) >= self._most:
            self._make_room()
        self._connections[sock.fileno()] = _Connection(sock=sock, expires=time.monotonic() + self._idle)
        self._selector.register(sock, selectors.EVENT_READ, "tcp")

    def _make_room(self) -> None:
        oldest = min(self._connections.values(), key=lambda each: each.expires, default=None)
        if oldest is not None:
            self._hang_up(oldest)

    def _stream(self, sock: socket.socket, events: int) -> None:
        connection = self._connections.get(sock.fileno())
        if connection is None:
            return  # hung up earlier in this round, to make room
        try:
            if events & selectors.EVENT_READ:
                chunk = sock.recv(_LARGEST_QUERY)
                if not chunk:
                    self._hang_up(connection)
                    return
                connection.inbound += chunk
            else:
                del connection.outbound[: sock.send(connection.outbound)]
            if not self._questions(connection):
                self._hang_up(connection)
                return
        except BlockingIOError:
            return
        except OSError:
            self._hang_up(connection)
            return
        # While a slow reader has replies to take, nothing more is read from it.
        self._selector.modify(sock, selectors.EVENT_WRITE if connection.outbound else selectors.EVENT_READ, "tcp")

    def _questions(self, connection: _Connection) -> bool:
        """Answer complete questions in the buffer (RFC 7766: they may come back to back); False: hang up."""
        inbound = connection.inbound
        while len(inbound) >= 2 and len(connection.outbound) < _MOST_OUTBOUND:
            length = int.from_bytes(inbound[:2], "big")
            if length > _LARGEST_QUERY:
                return False
            if len(inbound) < 2 + length:
                break
            reply = self._answered(bytes(inbound[2 : 2 + length]), tcp=True)
            del inbound[: 2 + length]
            if reply is None:
                return False
            connection.outbound += len(reply).to_bytes(2, "big") + reply
            connection.expires = time.monotonic() + self._idle
        return True

    def _close_idle(self) -> None:
        now = time.monotonic()
        for connection in [each for each in self._connections.values() if each.expires <= now]:
            self._hang_up(connection)

    def _hang_up(self, connection: _Connection) -> None:
        self._connections.pop(connection.sock.fileno(), None)
        self._selector.unregister(connection.sock)
        connection.sock.close()
