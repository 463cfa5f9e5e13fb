"""The daemon's Unix socket: how ``certd renew`` and ``certd reload`` ask a running daemon.

Verbs are an enum; nothing from a client becomes a path or a command. Who may connect is decided by the socket's mode
and group, which the kernel checks outside of any user namespace; the peer's uid is only noted.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from certd.errors import CertdError

MOST_BYTES = 64 * 1024
DEADLINE = 5.0
BACKLOG = 16


class Verb(StrEnum):
    """Everything that a client may ask."""

    PING = "ping"
    RENEW = "renew"
    RELOAD = "reload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One request, its strings judged by whoever answers it."""

    verb: Verb
    links: tuple[str, ...] = ()
    force: bool = False
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer: fine or not, in words, with data."""

    fine: bool
    words: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


Answerer = Callable[[Question], Reply]


class ControlServer:
    """Listens on one path; one request a connection, one line of JSON each way."""

    def __init__(self, path: Path, answer: Answerer, *, mode: int = 0o660) -> None:
        self._path = path
        self._answer = answer
        self._mode = mode
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Bind, replacing a socket that a dead daemon left. The state lock makes sure that there is no other."""
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o777 & ~self._mode)
        try:
            listener.bind(str(self._path))
        finally:
            os.umask(before)
        listener.listen(BACKLOG)
        self._socket = listener
        self._thread = threading.Thread(target=self._serve, args=(listener,), name="control", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and remove the socket."""
        if self._socket is not None:
            self._path.unlink(missing_ok=True)
            self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._socket = None

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    self._converse(connection)
                except OSError:
                    # The client went away or was too slow; it concerns nobody else.
                    continue

    def _converse(self, connection: socket.socket) -> None:
        connection.settimeout(DEADLINE)
        try:
            question = _question(_line(connection), _peer(connection))
            reply = self._answer(question)
        except CertdError as error:
            reply = Reply(fine=False, words=str(error))
        text = json.dumps({"fine": reply.fine, "words": reply.words, "data": dict(reply.data)})
        connection.sendall(text.encode() + b"\n")


def ask(path: Path, question: Question, *, deadline: float = DEADLINE) -> Reply | None:
    """Ask the daemon that listens at ``path``; None when there is none.

    Raises:
        CertdError: it is there and may not be asked, or does not answer by the deadline (seconds).
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(deadline)
        try:
            connection.connect(str(path))
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            return None
        except PermissionError as error:
            raise CertdError(
                f"{path}: this user may not ask the running daemon", hint="use sudo, or join the group of the socket"
            ) from error
        try:
            body = {"verb": question.verb, "links": question.links, "force": question.force}
            connection.sendall(json.dumps(body).encode() + b"\n")
            answer = json.loads(_line(connection))
            return Reply(fine=bool(answer["fine"]), words=str(answer["words"]), data=answer["data"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CertdError(f"{path}: the daemon does not answer: {error}") from error


def _line(connection: socket.socket) -> bytes:
    data = bytearray()
    while not data.endswith(b"\n"):
        if len(data) > MOST_BYTES:
            raise CertdError("the request is too long")
        chunk = connection.recv(4096)
        if not chunk:
            break
        data += chunk
    return bytes(data)


def _question(line: bytes, by: str) -> Question:
    try:
        body = json.loads(line)
        verb = Verb(body["verb"])
        links = body.get("links", [])
        if not isinstance(links, list) or not all(isinstance(link, str) for link in links):
            raise ValueError("links must be a list of names")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CertdError(f"not a request: {error}") from error
    return Question(verb=verb, links=tuple(links), force=body.get("force") is True, by=by)


def _peer(connection: socket.socket) -> str:
    """Who asks, for the history: in a user namespace a foreign uid reads 65534, so this decides nothing."""
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return f"uid {uid}"
