"""A click: one request over a connection of its own, path and Host as they are said. Implements ``ports.Clicks``.

The guard shuts the socket at the deadline: a server that drips one octet a second holds nobody up.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from certd.clicks.model import Response
from certd.probes.handshake import proxy_line
from certd.probes.tls_context import UNCHECKED, Anchors, context_of
from certd.system.guard import GUARD

DEADLINE_SECONDS = 8.0
CONNECT_SECONDS = 4.0
MOST_BODY = 8192
AGENT = "certd (click probe)"


class Clicker:
    """Sends requests.

    Args:
        anchors: What an issuer's certificates must chain to; the empty name stands for the e-mail services.
        via: An HTTP proxy, ``http://host:port``, for an address that is not ours to ask directly; empty: none.
        deadline: Seconds for everything.
    """

    def __init__(
        self,
        anchors: Callable[[str], Anchors],
        *,
        via: Callable[[str], str] = lambda host: "",
        agent: str = AGENT,
        deadline: float = DEADLINE_SECONDS,
    ) -> None:
        self._anchors = anchors
        self._via = via
        self._agent = agent
        self._deadline = deadline

    def ask(
        self,
        address: tuple[str, int],
        *,
        host: str,
        path: str,
        method: str = "GET",
        tls: bool = True,
        name: str = "",
        issuer: str | None = None,
        proxy_protocol: bool = False,
        agent: str = "",
    ) -> Response:
        """See ``ports.Clicks``."""
        started = time.monotonic()
        trouble = ""
        with GUARD.watch(self._deadline) as watched:
            try:
                with self._connected(address) as connection, _twin(connection) as twin:
                    watched.sockets.append(twin)
                    if proxy_protocol:
                        connection.sendall(proxy_line(connection))
                    way = self._wrapped(connection, name or host, issuer) if tls else connection
                    with way:
                        return self._exchange(way, host, path, method, agent or self._agent, started)
            except ssl.SSLCertVerificationError as error:
                trouble = f"its certificate is not trusted: {error.verify_message}"
            except ssl.SSLError as error:
                trouble = f"TLS fails: {error.reason or error}"
            except ConnectionRefusedError:
                trouble = "it refuses connections"
            except TimeoutError:
                trouble = "it does not accept connections in time"
            except (OSError, http.client.HTTPException, ValueError) as error:
                trouble = f"no complete answer ({getattr(error, 'strerror', None) or type(error).__name__})"
            if watched.is_over:
                trouble = f"no complete answer within {self._deadline:g} s"
        return Response(trouble=trouble, milliseconds=_since(started))

    def _connected(self, address: tuple[str, int]) -> socket.socket:
        via = urlsplit(self._via(address[0]))
        if not via.hostname:
            return socket.create_connection(address, timeout=CONNECT_SECONDS)
        connection = socket.create_connection((via.hostname, via.port or 3128), timeout=CONNECT_SECONDS)
        place = f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"
        connection.sendall(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
        head = bytearray()
        while not head.endswith(b"\r\n\r\n") and len(head) < MOST_BODY:
            octet = connection.recv(1)
            if not octet:
                break
            head += octet
        if b" 200" not in head.partition(b"\r\n")[0]:
            connection.close()
            raise OSError(0, "the HTTP proxy does not let it through")
        return connection

    def _wrapped(self, connection: socket.socket, name: str, issuer: str | None) -> ssl.SSLSocket:
        anchors = self._anchors(issuer) if issuer is not None else UNCHECKED
        return context_of(anchors).wrap_socket(connection, server_hostname=name)

    def _exchange(self, way: socket.socket, host: str, path: str, method: str, agent: str, started: float) -> Response:
        way.settimeout(self._deadline)
        head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\nAccept: */*\r\n"
        length = "Content-Length: 0\r\n" if method == "POST" else ""
        way.sendall(f"{head}{length}Connection: close\r\n\r\n".encode("latin-1"))
        answer = http.client.HTTPResponse(way, method=method)
        answer.begin()
        headers: dict[str, str] = {}
        for key, value in answer.getheaders():
            headers.setdefault(key.lower(), value)
        body = answer.read(MOST_BODY).decode("utf-8", errors="replace")
        return Response(status=answer.status, headers=headers, body=body, milliseconds=_since(started))


def _twin(connection: socket.socket) -> socket.socket:
    """A duplicate that stays valid when TLS takes the first over."""
    return socket.socket(fileno=os.dup(connection.fileno()))


def _since(started: float) -> float:
    return round((time.monotonic() - started) * 1000, 1)
