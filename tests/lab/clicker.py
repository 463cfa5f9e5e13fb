"""A client that clicks: a new verified TLS connection each time, followed through the proxy."""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from tests.lab.esp import LANDING

INTERVAL = 0.05
TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Click:
    """How one click went: the leaf's fingerprint, or what was wrong."""

    fingerprint: str = ""
    trouble: str = ""


def click(port: int, domain: str, cadata: str, *, number: int = 0, host: str = "127.0.0.1") -> Click:
    """One click with a verified handshake; the redirect must be the e-mail service's."""
    context = ssl.create_default_context(cadata=cadata)
    try:
        with (
            socket.create_connection((host, port), timeout=TIMEOUT) as connection,
            context.wrap_socket(connection, server_hostname=domain) as tls,
        ):
            fingerprint = hashlib.sha256(tls.getpeercert(binary_form=True) or b"").hexdigest()
            answer = request(tls, domain, number)
    except OSError as error:
        return Click(trouble=str(error))
    return Click(fingerprint=fingerprint, trouble=judged(answer))


def plain_click(port: int, domain: str) -> Click:
    """The same over plain HTTP, as from a mail that was sent long ago."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as connection:
            return Click(trouble=judged(request(connection, domain, 0)))
    except OSError as error:
        return Click(trouble=str(error))


def request(connection: socket.socket, domain: str, number: int) -> bytes:
    """Ask, and read to the end."""
    text = f"GET /ls/click?upn={number} HTTP/1.1\r\nHost: {domain}\r\nConnection: close\r\n\r\n"
    connection.sendall(text.encode())
    answer = bytearray()
    while chunk := connection.recv(4096):
        answer += chunk
    return bytes(answer)


def judged(answer: bytes) -> str:
    """What is wrong with the answer; empty when it is the e-mail service's redirect."""
    head = answer.decode("latin-1")
    if head.startswith("HTTP/1.1 302") and f"\nlocation: {LANDING}".lower() in head.lower():
        return ""
    return f"answered {head.partition(chr(13))[0]!r}: {head[-80:]!r}"


@dataclass
class Clicker:
    """Clicks every 50 ms in a thread.

    Attributes:
        served: Clicks by the fingerprint that was shown, in the order of first sight.
    """

    port: int
    domain: str
    cadata: str
    interval: float = INTERVAL
    good: int = 0
    troubles: list[tuple[float, str]] = field(default_factory=list)
    served: Counter[str] = field(default_factory=Counter)
    on_new: Callable[[str], None] = lambda fingerprint: None
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> Clicker:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name="clicker", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """End, after the click that is on its way."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(TIMEOUT * 2)

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(self.interval):
            number += 1
            result = click(self.port, self.domain, self.cadata, number=number)
            if result.trouble:
                self.troubles.append((time.time(), result.trouble))
                continue
            self.good += 1
            is_new = result.fingerprint not in self.served
            self.served[result.fingerprint] += 1
            if is_new:
                self.on_new(result.fingerprint)

    def __enter__(self) -> Clicker:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
