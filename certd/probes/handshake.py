"""One fresh TLS handshake, with a deadline for all of it, judged as a client would judge it."""

from __future__ import annotations

import hashlib
import select
import socket
import ssl
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certd.errors import CertdError
from certd.pki.chain import chain_mark, covered_by, names_of
from certd.pki.placeholder import is_marked
from certd.planning.observations import EXPECTS_NO_PROXY, EXPECTS_PROXY, WANTS_CLIENT_CERTIFICATE
from certd.probes.tls_context import UNCHECKED, Anchors, context_of

Sent = tuple[x509.Certificate, ...]

CONNECT_SECONDS = 3.0
HANDSHAKE_SECONDS = 5.0
CLOSED = "the connection is closed in the handshake"
SILENCE = f"no TLS answer within {HANDSHAKE_SECONDS:g} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a handshake showed.

    Attributes:
        connected: A TCP connection was made.
        spoke_tls: The other side answered with TLS, be it an alert.
        refused: Nothing listens there.
        chain: The mark of the issuers that were sent.
        wrong: Why a client would stumble; empty when it would not.
    """

    connected: bool = True
    spoke_tls: bool = True
    refused: bool = False
    fingerprint: str = ""
    chain: str = ""
    not_after: datetime | None = None
    not_before: datetime | None = None
    wrong: str = ""


@dataclass(slots=True)
class Handshaker:
    """Shakes hands with whatever listens; sessions are never resumed."""

    proxy_protocol: bool = False

    def shake(self, address: tuple[str, int], domain: str, anchors: Anchors, now: datetime) -> Shown:
        """Connect, greet with SNI ``domain``, judge what is shown. Never raises for what a network can do."""
        try:
            with socket.create_connection(address, timeout=CONNECT_SECONDS) as connection:
                if anchors.checked:
                    sent, trouble = self._greet(connection, domain, context_of(anchors))
                    if sent:
                        return _good(sent)
                    if trouble == SILENCE:
                        # Who is frozen would be waited for twice as long, and say no more.
                        return Shown(wrong=trouble, spoke_tls=False)
                else:
                    trouble = ""
        except OSError as error:
            return _unconnected(error)
        try:
            # Not trusted, or not to be judged by its chain: look again without judging, to say what is there.
            with socket.create_connection(address, timeout=CONNECT_SECONDS) as connection:
                sent, second = self._greet(connection, domain, context_of(UNCHECKED))
        except OSError as error:
            return _unconnected(error)
        if not sent and self._is_otherwise(address, domain, trouble or second):
            return Shown(wrong=EXPECTS_NO_PROXY if self.proxy_protocol else EXPECTS_PROXY, spoke_tls=False)
        if not sent:
            return Shown(wrong=trouble or second, spoke_tls=_is_tls_trouble(trouble or second))
        return _judged(sent, domain, now, trouble)

    def _is_otherwise(self, address: tuple[str, int], domain: str, trouble: str) -> bool:
        """Whether it speaks TLS where the PROXY protocol is used, and was not, or the other way round."""
        if not trouble.startswith(CLOSED) and "WRONG_VERSION_NUMBER" not in trouble:
            return False
        other = Handshaker(proxy_protocol=not self.proxy_protocol)
        try:
            with socket.create_connection(address, timeout=CONNECT_SECONDS) as connection:
                sent, _ = other._greet(connection, domain, context_of(UNCHECKED))
        except OSError:
            return False
        return bool(sent)

    def _greet(self, connection: socket.socket, domain: str, context: ssl.SSLContext) -> tuple[Sent, str]:
        """The chain as it is sent, or why there is none."""
        deadline = time.monotonic() + HANDSHAKE_SECONDS
        if self.proxy_protocol:
            connection.sendall(proxy_line(connection))
        connection.setblocking(False)
        try:
            with context.wrap_socket(connection, server_hostname=domain, do_handshake_on_connect=False) as tls:
                _finish(tls, deadline)
                sent = sent_chain(tls)
                return sent, "" if sent else "it shows no certificate"
        except ssl.SSLCertVerificationError as error:
            return (), f"clients do not trust it: {error.verify_message}"
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            # With a goodbye or without: which of both Apache does that misses a PROXY line is a matter of moments.
            return (), CLOSED
        except ssl.SSLError as error:
            if "CERTIFICATE_REQUIRED" in str(error.reason):
                return (), f"TLS fails: {WANTS_CLIENT_CERTIFICATE}"
            return (), f"TLS fails: {error.reason or error}"
        except TimeoutError:
            return (), SILENCE
        except OSError as error:
            return (), f"{CLOSED} ({error.strerror or type(error).__name__})"
        except ValueError:
            return (), "it shows a certificate that cannot be read"


def proxy_line(connection: socket.socket) -> bytes:
    """PROXY protocol version 1 (haproxy.org/download/2.9/doc/proxy-protocol.txt, 2.1) with our own addresses: Apache
    ends a connection that begins with ``PROXY UNKNOWN``.
    """
    family = "TCP6" if connection.family == socket.AF_INET6 else "TCP4"
    (ours, our_port, *_), (theirs, their_port, *_) = connection.getsockname(), connection.getpeername()
    return f"PROXY {family} {ours} {theirs} {our_port} {their_port}\r\n".encode()


def _finish(tls: ssl.SSLSocket, deadline: float) -> None:
    """The handshake on a socket that does not block: a peer that drips bytes does not outlive the deadline."""
    while True:
        try:
            tls.do_handshake()
            return
        except ssl.SSLWantReadError:
            wanted: tuple[list[ssl.SSLSocket], list[ssl.SSLSocket]] = ([tls], [])
        except ssl.SSLWantWriteError:
            wanted = ([], [tls])
        left = deadline - time.monotonic()
        if left <= 0 or not any(select.select(*wanted, [], left)[:2]):
            raise TimeoutError


def sent_chain(tls: ssl.SSLSocket) -> Sent:
    """The chain as the server sent it; the leaf alone where this Python does not tell. Raises ValueError."""
    told: Any = getattr(tls, "get_unverified_chain", None) or getattr(
        getattr(tls, "_sslobj", None), "get_unverified_chain", None
    )
    found = (told() or []) if told is not None else [tls.getpeercert(binary_form=True)]
    ders = [
        each if isinstance(each, bytes) else ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in found if each
    ]
    return tuple(x509.load_der_x509_certificate(der) for der in ders)


def _good(sent: Sent) -> Shown:
    leaf = sent[0]
    if is_marked(leaf):
        return Shown(
            fingerprint=_fingerprint(leaf),
            not_before=leaf.not_valid_before_utc,
            not_after=leaf.not_valid_after_utc,
            wrong="it serves certd's placeholder",
        )
    return Shown(
        fingerprint=_fingerprint(leaf),
        chain=chain_mark(sent[1:]),
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
    )


def _judged(sent: Sent, domain: str, now: datetime, trouble: str) -> Shown:
    """What is wrong with a leaf that was not trusted, most telling first."""
    leaf = sent[0]
    try:
        names = names_of(leaf)
    except CertdError:
        names = ()
    wrong = ""
    if is_marked(leaf):
        wrong = "it serves certd's placeholder"
    elif now >= leaf.not_valid_after_utc:
        wrong = f"it serves a certificate that expired at {leaf.not_valid_after_utc:%Y-%m-%d %H:%M:%SZ}"
    elif now < leaf.not_valid_before_utc:
        wrong = f"it serves a certificate that is valid only from {leaf.not_valid_before_utc:%Y-%m-%d %H:%M:%SZ}"
    elif not covered_by(names, domain):
        wrong = f"it serves a certificate for {', '.join(names[:3]) or 'no name'}"
    elif trouble:
        wrong = trouble
    return Shown(
        fingerprint=_fingerprint(leaf),
        chain=chain_mark(sent[1:]),
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
        wrong=wrong,
    )


def _is_tls_trouble(words: str) -> bool:
    """An alert is what clients stumble over; plain HTTP, silence or a PROXY line missing tells nothing of them."""
    return words.startswith("TLS fails") and "WRONG_VERSION_NUMBER" not in words


def _unconnected(error: OSError) -> Shown:
    refused = isinstance(error, ConnectionRefusedError)
    words = "nothing listens there" if refused else f"cannot be connected to ({error.strerror or 'timed out'})"
    return Shown(connected=False, spoke_tls=False, refused=refused, wrong=words)


def _fingerprint(leaf: x509.Certificate) -> str:
    return hashlib.sha256(leaf.public_bytes(Encoding.DER)).hexdigest()
