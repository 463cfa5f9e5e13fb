"""Listens on ``host:port`` or ``unix:/path``.

One thread reads and writes all sockets without ever waiting for one, so that a client that sends or reads slowly holds
up nobody; a few threads make the answers. Health has a thread of its own: a page that waits for a frozen database must
not look like a dead certd to whoever restarts it. So have the figures: many who scrape them keep nobody from the pages.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import queue
import selectors
import socket
import stat
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from certd.errors import CertdError
from certd.ports import Journal
from certd.system.endpoint import split_endpoint
from certd.web.exchange import BadRequest, Request, Response, read_head, sentence

# A whole head must come within so many seconds, and an answer must be taken within so many.
READ_SECONDS = 5.0
WRITE_SECONDS = 30.0
LINGER_SECONDS = 1.0

MOST_HEAD = 16 * 1024
MOST_CONNECTIONS = 128
MOST_WAITING = 32
MOST_SCRAPES_WAITING = 4

# Pages are made by so many threads; what is quick by one of its own.
PAGE_THREADS = 2

Answerer = Callable[[Request], Response]


@dataclass(slots=True, eq=False)
class Connection:
    """One client."""

    socket: socket.socket
    is_local: bool
    is_socket: bool
    deadline: float
    stage: str = "reading"
    read: bytearray = field(default_factory=bytearray)
    write: memoryview = field(default_factory=lambda: memoryview(b""))


class WebServer:
    """See the module.

    Args:
        quick: Whether a path is answered by the thread that never waits for a store.
        is_figures: Whether a path is answered by the thread of the figures.
    """

    def __init__(
        self,
        listen: str,
        answer: Answerer,
        *,
        quick: Callable[[str], bool] = lambda path: False,
        is_figures: Callable[[str], bool] = lambda path: False,
        journal: Journal | None = None,
    ) -> None:
        self._listen = listen
        self._journal = journal
        self._answer = answer
        self._quick = quick
        self._is_figures = is_figures
        self._selector = selectors.DefaultSelector()
        self._listener: socket.socket | None = None
        self._connections: set[Connection] = set()
        self._slow: queue.Queue[tuple[Connection, Request]] = queue.Queue(MOST_WAITING)
        self._fast: queue.Queue[tuple[Connection, Request]] = queue.Queue(MOST_WAITING)
        self._figures: queue.Queue[tuple[Connection, Request]] = queue.Queue(MOST_SCRAPES_WAITING)
        self._done: deque[tuple[Connection, bytes]] = deque()
        self._wake, self._woken = socket.socketpair()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.port = 0

    def start(self) -> None:
        """Listen and answer. Raises CertdError where the address cannot be had."""
        try:
            self._listener = _listening(self._listen)
        except (OSError, ValueError) as error:
            raise CertdError(
                f"certd.listen: cannot listen on {self._listen}: {error}", hint='listen = "" switches it off'
            ) from error
        if self._listener.family != socket.AF_UNIX:
            self.port = int(self._listener.getsockname()[1])
        self._woken.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        threads = [("web", self._serve), ("web-health", lambda: self._work(self._fast))]
        threads.append(("web-figures", lambda: self._work(self._figures)))
        threads += [(f"web-page-{number}", lambda: self._work(self._slow)) for number in range(PAGE_THREADS)]
        for name, run in threads:
            thread = threading.Thread(target=run, name=name, daemon=True)
            thread.start()
            self._thread = self._thread or thread

    def stop(self) -> None:
        """Stop listening. The threads that make answers are daemon threads and hold nothing."""
        self._stopped.set()
        self._poke()
        if self._thread is not None:
            self._thread.join(2.0)

    # ------------------------------------------------------------------------------------ making answers

    def _work(self, tasks: queue.Queue[tuple[Connection, Request]]) -> None:
        while True:
            connection, request = tasks.get()
            try:
                response = self._answer(request)
            except Exception as error:  # a worker begins here: nothing may end it
                if self._journal is not None:
                    self._journal.crash("internal error", error, path=request.path[:200])
                response = sentence(500, "an internal error; the log has it")
            self._done.append((connection, response.encoded(with_body=request.method != "HEAD")))
            self._poke()

    def _poke(self) -> None:
        with contextlib.suppress(OSError):
            self._wake.send(b".")

    # ------------------------------------------------------------------------------------ sockets

    def _serve(self) -> None:
        while not self._stopped.is_set():
            for key, _ in self._selector.select(self._patience()):
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj is self._woken:
                    with contextlib.suppress(OSError):
                        self._woken.recv(4096)
                else:
                    self._step(key.data)
            while self._done:
                connection, answer = self._done.popleft()
                self._begin_writing(connection, answer)
            now = time.monotonic()
            for connection in [one for one in self._connections if one.deadline < now]:
                self._drop(connection)
        for connection in list(self._connections):
            self._drop(connection)
        if self._listener is not None:
            self._listener.close()
        self._selector.close()

    def _patience(self) -> float | None:
        """Seconds until a client has been too slow; None: nothing is to be done unasked."""
        ends = min((one.deadline for one in self._connections), default=float("inf"))
        return None if ends == float("inf") else max(0.0, ends - time.monotonic())

    def _accept(self) -> None:
        if self._listener is None:
            return
        try:
            accepted, peer = self._listener.accept()
        except OSError:
            return
        accepted.setblocking(False)
        is_socket = accepted.family == socket.AF_UNIX
        connection = Connection(accepted, is_socket or _is_loopback(peer), is_socket, time.monotonic() + READ_SECONDS)
        if len(self._connections) >= MOST_CONNECTIONS:
            # Whoever has been slow the longest makes room; what is being answered does not.
            slow = [one for one in self._connections if one.stage != "answering"]
            if not slow:
                accepted.close()
                return
            self._drop(min(slow, key=lambda one: one.deadline))
        self._connections.add(connection)
        self._selector.register(accepted, selectors.EVENT_READ, connection)

    def _step(self, connection: Connection) -> None:
        try:
            if connection.stage == "writing":
                sent = connection.socket.send(connection.write)
                connection.write = connection.write[sent:]
                if not connection.write:
                    self._begin_lingering(connection)
                return
            some = connection.socket.recv(8192)
        except BlockingIOError:
            return
        except OSError:
            some = b""
        if not some:
            self._drop(connection)
        elif connection.stage == "reading":
            connection.read += some
            self._look_at_head(connection)

    def _look_at_head(self, connection: Connection) -> None:
        ends = [at for mark in (b"\r\n\r\n", b"\n\n") if (at := connection.read.find(mark)) >= 0]
        if not ends:
            if len(connection.read) > MOST_HEAD:
                self._begin_writing(connection, sentence(431, "the head of the request is too long").encoded())
            return
        try:
            request = read_head(
                bytes(connection.read[: min(ends)]), is_local=connection.is_local, is_socket=connection.is_socket
            )
            tasks = self._fast if self._quick(request.path) else self._slow
            if self._is_figures(request.path):
                tasks = self._figures
            tasks.put_nowait((connection, request))
        except BadRequest as error:
            allow = {"Allow": "GET, HEAD"} if error.status == 405 else {}
            self._begin_writing(connection, sentence(error.status, str(error), **allow).encoded())
        except queue.Full:
            self._begin_writing(connection, sentence(503, "too much is asked at once", Retry_After="2").encoded())
        else:
            connection.stage, connection.deadline = "answering", float("inf")
            self._selector.unregister(connection.socket)

    def _begin_writing(self, connection: Connection, answer: bytes) -> None:
        if connection not in self._connections:
            return
        connection.write = memoryview(answer)
        connection.stage, connection.deadline = "writing", time.monotonic() + WRITE_SECONDS
        self._watch(connection, selectors.EVENT_WRITE)

    def _begin_lingering(self, connection: Connection) -> None:
        """A socket that is closed with something unread in it resets the connection, and the answer is lost."""
        with contextlib.suppress(OSError):
            connection.socket.shutdown(socket.SHUT_WR)
        connection.stage, connection.deadline = "lingering", time.monotonic() + LINGER_SECONDS
        self._watch(connection, selectors.EVENT_READ)

    def _watch(self, connection: Connection, events: int) -> None:
        try:
            self._selector.modify(connection.socket, events, connection)
        except KeyError:
            self._selector.register(connection.socket, events, connection)

    def _drop(self, connection: Connection) -> None:
        self._connections.discard(connection)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(connection.socket)
        connection.socket.close()


def _listening(listen: str) -> socket.socket:
    if listen.startswith("unix:"):
        return _unix_socket(listen.removeprefix("unix:"))
    host, port = split_endpoint(listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.create_server((host, port), family=family, backlog=64)
    made.setblocking(False)
    return made


def _unix_socket(path: str) -> socket.socket:
    """Group-readable: who may look is decided by the folder and the group. Only a socket is ever replaced."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise OSError(f"{path} is there and is no socket")
        os.unlink(path)
    made = socket.socket(socket.AF_UNIX)
    try:
        before = os.umask(0o117)
        try:
            made.bind(path)
        finally:
            os.umask(before)
        made.listen(64)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made


def _is_loopback(peer: object) -> bool:
    host = peer[0] if isinstance(peer, tuple) and peer else ""
    try:
        address = ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
