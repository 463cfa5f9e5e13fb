"""What a TLS server shows to one handshake, unjudged: its chain, its version, its protocol."""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import ssl
import warnings
from dataclasses import dataclass

from cryptography import x509

from certd.probes.handshake import proxy_line, sent_chain
from certd.system.guard import GUARD

SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """One handshake.

    Attributes:
        chain: As sent, leaf first.
        trouble: Why there is none.
        refused: Nothing listens there.
    """

    chain: tuple[x509.Certificate, ...] = ()
    version: str = ""
    protocol: str = ""
    trouble: str = ""
    refused: bool = False


def inspect(
    address: tuple[str, int],
    name: str,
    *,
    most: ssl.TLSVersion | None = None,
    least: ssl.TLSVersion | None = None,
    proxy_protocol: bool = False,
) -> Inspection:
    """Connect and greet; no session is resumed, nothing is verified. Never raises for what a network does.

    Args:
        name: For SNI; empty: none is sent.
        most: The newest version that is offered.
        least: The oldest.
    """
    context = _context(most, least)
    with GUARD.watch(SECONDS) as watched:
        try:
            with (
                socket.create_connection(address, timeout=SECONDS) as connection,
                socket.socket(fileno=os.dup(connection.fileno())) as twin,
            ):
                watched.sockets.append(twin)
                if proxy_protocol:
                    connection.sendall(proxy_line(connection))
                with context.wrap_socket(connection, server_hostname=name or None) as tls:
                    return Inspection(
                        chain=sent_chain(tls), version=tls.version() or "", protocol=tls.selected_alpn_protocol() or ""
                    )
        except ConnectionRefusedError:
            return Inspection(trouble="nothing listens there", refused=True)
        except ssl.SSLError as error:
            return Inspection(trouble=f"TLS fails: {error.reason or error}")
        except (TimeoutError, OSError) as error:
            words = "it does not answer in time" if watched.is_over or isinstance(error, TimeoutError) else ""
            return Inspection(trouble=words or f"cannot be connected to ({error.strerror or type(error).__name__})")
        except ValueError:
            return Inspection(trouble="it shows a certificate that cannot be read")


@functools.cache
def _context(most: ssl.TLSVersion | None, least: ssl.TLSVersion | None) -> ssl.SSLContext:
    """Made once: a context shares no session among its connections unless it is told to (Python's ``session=``)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    with warnings.catch_warnings():
        # Old versions are asked for on purpose, to see them refused.
        warnings.simplefilter("ignore", DeprecationWarning)
        if most is not None:
            with contextlib.suppress(ssl.SSLError):
                context.set_ciphers("DEFAULT:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.maximum_version = most
        if least is not None:
            context.minimum_version = least
    return context
