"""The daemon's Unix socket: how ``certd renew`` and ``certd reload`` ask a running daemon.

Verbs are an enum; nothing from a client becomes a path or a command. Who may connect is decided by the socket's mode
and group (0660; the service's own group, or ``certd.admin_group``), which the kernel checks outside of any user
namespace. The peer's uid decides nothing, because it cannot: tried with ``unshare --user`` (and so it is under
systemd's ``PrivateUsers=``), SO_PEERCRED shows every uid that the namespace does not map as 65534, a stranger's like an
administrator's. It is noted for the history, and where it is 65534 beside it what the client says of itself.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import selectors
import socket
import stat
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from certd.errors import CertdError

MOST_BYTES = 64 * 1024
DEADLINE = 5.0
BACKLOG = 16
STOP_SECONDS = 1.0
MOST_CLIENTS = 64

# The last second that ``datetime`` can hold.
LATEST = datetime.max.replace(tzinfo=UTC, microsecond=0).timestamp()

# What ``certd`` writes of who runs it; anything else is left out of the history.
_SAYS = re.compile(r"uid \d{1,10}( \(sudo of uid \d{1,10}\))?")

LOGGER = logging.getLogger("certd.control.protocol")


class Verb(StrEnum):
    """Everything that a client may ask."""

    PING = "ping"
    RENEW = "renew"
    STANDING = "standing"
    COSTS = "costs"
    RELOAD = "reload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One request, its strings judged by whoever answers it.

    Attributes:
        since: Epoch seconds: a failure from before is none while it is about to be tried again.
        reserve: The operator agreed to spend what is kept of the CA's allowance for an emergency.
        by: Who asks: set by the server from the peer; what a client writes here is only what it says of itself.
    """

    verb: Verb
    links: tuple[str, ...] = ()
    force: bool = False
    reserve: bool = False
    since: float = 0.0
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer: fine or not, in words, with data."""

    fine: bool
    words: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


Answerer = Callable[[Question], Reply]


@dataclass(slots=True)
class _Heard:
    """What a client has said so far, and until when it may go on."""

    until: float
    data: bytearray = field(default_factory=bytearray)


class ControlServer:
    """Listens on one path; one request a connection, one line of JSON each way. One thread listens to all clients, so
    that those who say nothing hold nobody up, and answers one after the other.

    Args:
        group: Who may ask besides the owner and root; None: the process's own group.
        deadline: Seconds that a client has for its whole request.
    """

    def __init__(
        self, path: Path, answer: Answerer, *, mode: int = 0o660, group: int | None = None, deadline: float = DEADLINE
    ) -> None:
        self._path = path
        self._answer = answer
        self._mode = mode
        self._group = group
        self._deadline = deadline
        self._stopped = threading.Event()
        self._socket: socket.socket | None = None
        self._thread: threading.Thread
        self._selector: selectors.DefaultSelector

    def start(self) -> None:
        """Bind, replacing a socket that a dead daemon left. The state lock makes sure that there is no other.

        Raises:
            CertdError: nobody can listen there.
        """
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._bind(listener)
        except OSError as error:
            listener.close()
            raise CertdError(
                f"{self._path}: cannot listen there: {error.strerror or error}",
                hint="certd.state must be a folder of its own with a path of less than 90 bytes",
            ) from error
        self._socket = listener
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve, args=(listener,), name="control", daemon=True)
        self._thread.start()

    def _bind(self, listener: socket.socket) -> None:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISSOCK(self._path.lstat().st_mode):
                self._path.unlink(missing_ok=True)
        # Closed until it has its group: it is never open to more than it will be.
        before = os.umask(0o177)
        try:
            listener.bind(str(self._path))
        finally:
            os.umask(before)
        if self._group is not None:
            os.chown(self._path, -1, self._group)
        self._path.chmod(self._mode)
        listener.listen(BACKLOG)
        listener.setblocking(False)

    def stop(self) -> None:
        """Stop listening and remove the socket; an answer that is being given has a moment to end."""
        self._stopped.set()
        if self._socket is not None:
            self._path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket = None
            self._thread.join(STOP_SECONDS)

    def _serve(self, listener: socket.socket) -> None:
        with self._selector:
            while not self._stopped.is_set():
                self._turn(listener)
            for key in list(self._selector.get_map().values()):
                self._drop(key.fileobj)

    def _turn(self, listener: socket.socket) -> None:
        """Wait for somebody to say something; who has not finished by now is sent away."""
        ends = [key.data.until for key in self._selector.get_map().values() if key.data]
        for key, _ in self._selector.select(max(0.0, min(ends) - time.monotonic()) if ends else None):
            if isinstance(key.data, _Heard) and isinstance(key.fileobj, socket.socket):
                self._hear(key.fileobj, key.data)
            elif not self._stopped.is_set():
                self._welcome(listener)
        clients = [(key.data.until, key.fileobj) for key in self._selector.get_map().values() if key.data]
        clients.sort(key=lambda client: client[0])
        now = time.monotonic()
        for index, (until, client) in enumerate(clients):
            if until <= now or index < len(clients) - MOST_CLIENTS:
                self._drop(client)

    def _welcome(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            # Too many open files, or the client is gone again. Whoever waits is there in a moment, too.
            self._stopped.wait(0.1)
            return
        connection.setblocking(False)
        self._selector.register(connection, selectors.EVENT_READ, _Heard(time.monotonic() + self._deadline))

    def _hear(self, connection: socket.socket, heard: _Heard) -> None:
        """The client went away or was too slow: it concerns nobody else."""
        try:
            chunk = connection.recv(65536)
            heard.data += chunk
            if not chunk or b"\n" in chunk or len(heard.data) > MOST_BYTES:
                connection.settimeout(self._deadline)
                connection.sendall(self._reply(bytes(heard.data), _peer(connection)))
                self._drop(connection)
        except BlockingIOError:
            return
        except OSError:
            self._drop(connection)

    def _reply(self, line: bytes, by: str) -> bytes:
        try:
            reply = self._answer(_question(line, by))
            return _encoded(reply)
        except CertdError as error:
            return _encoded(Reply(fine=False, words=str(error)))
        except Exception as error:
            # A thread begins here: a bug in one answer must not make certd deaf.
            LOGGER.error("internal error", exc_info=error)
            return _encoded(Reply(fine=False, words=f"internal error ({type(error).__name__}), see certd's log"))

    def _drop(self, connection: object) -> None:
        if isinstance(connection, socket.socket):
            self._selector.unregister(connection)
            connection.close()


def _encoded(reply: Reply) -> bytes:
    text = json.dumps({"fine": reply.fine, "words": reply.words, "data": dict(reply.data)})
    return text.encode() + b"\n"


def ask(path: Path, question: Question, *, deadline: float = DEADLINE) -> Reply | None:
    """Ask the daemon that listens at ``path``; None when there is none, or none any more: one that dies in the middle
    of its answer may have done what was asked.

    Raises:
        CertdError: it is there and may not be asked, or does not answer by the deadline (seconds).
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        end = time.monotonic() + deadline
        connection.settimeout(deadline)
        try:
            _connect(connection, path, end)
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            return None
        except PermissionError as error:
            raise CertdError(
                f"{path}: this user may not ask the running daemon", hint="use sudo, or join the group of the socket"
            ) from error
        except OSError as error:
            raise CertdError(f"{path}: the daemon does not answer: {error.strerror or error}") from error
        try:
            body = {"verb": question.verb, "links": question.links, "force": question.force}
            body |= {"reserve": question.reserve, "since": question.since, "by": question.by}
            line = _exchanged(connection, json.dumps(body).encode() + b"\n", end)
            if not line.endswith(b"\n"):
                return None
            answer = json.loads(line)
            return Reply(fine=bool(answer["fine"]), words=str(answer["words"]), data=answer["data"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CertdError(f"{path}: the daemon does not answer: {error}") from error


def _connect(connection: socket.socket, path: Path, end: float) -> None:
    """Where the daemon's queue is full, a Unix socket with a timeout fails at once instead of waiting."""
    while True:
        try:
            connection.connect(str(path))
        except BlockingIOError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
        else:
            return


def _exchanged(connection: socket.socket, line: bytes, end: float) -> bytes:
    """The answer; without its newline where whoever gave it went away before its end."""
    data = bytearray()
    try:
        connection.sendall(line)
        while not data.endswith(b"\n"):
            if len(data) > MOST_BYTES:
                raise CertdError("the answer is too long")
            connection.settimeout(max(0.001, end - time.monotonic()))
            chunk = connection.recv(65536)
            if not chunk:
                break
            data += chunk
    except (ConnectionResetError, BrokenPipeError):
        data.clear()
    return bytes(data)


def _question(line: bytes, by: str) -> Question:
    if len(line) > MOST_BYTES:
        raise CertdError("the request is too long")
    try:
        body = json.loads(line)
        verb = Verb(body["verb"])
        links = body.get("links", [])
        if not isinstance(links, list) or not all(isinstance(link, str) for link in links):
            raise ValueError("links must be a list of names")
        since = float(body.get("since", 0.0))
        if not 0.0 <= since <= LATEST:
            raise ValueError("since must be seconds from 1970 to 9999")
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise CertdError(f"not a request: {error}") from error
    return Question(
        verb=verb,
        links=tuple(links),
        force=body.get("force") is True,
        reserve=body.get("reserve") is True,
        since=since,
        by=_named(by, body.get("by")),
    )


def _named(peer: str, says: object) -> str:
    """The kernel's word; where it says less than the client does, with what the client says of itself."""
    if not isinstance(says, str) or says == peer or not _SAYS.fullmatch(says):
        return peer
    return f"{peer}, says {says}"


def _peer(connection: socket.socket) -> str:
    """Who asks, for the history; it decides nothing (see above)."""
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return f"uid {uid}"
