"""journald's own protocol: each field of a line as a field of the entry, so that `journalctl CERTD_LINK=...` finds it.

One datagram an entry: ``NAME=value`` and a line feed, or for a value with line feeds in it ``NAME``, a line feed, its
length in 64 bits little-endian, the value and a line feed (systemd.io/JOURNAL_NATIVE_PROTOCOL).
"""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import struct
from collections.abc import Mapping

SOCKET = "/run/systemd/journal/socket"

# A datagram of the usual socket buffer (208 KiB) holds it; what is longer would need a sealed memory file.
MOST_VALUE = 32 * 1024

PREFIX = "CERTD_"

# sd-daemon(3)
PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class JournaldHandler(logging.Handler):
    """Sends entries; where the socket does not take one, another handler writes it as a line.

    Args:
        otherwise: For what cannot be sent.
    """

    def __init__(self, otherwise: logging.Handler, path: str = SOCKET) -> None:
        super().__init__()
        self._otherwise = otherwise
        self._path = path
        self._socket: socket.socket | None = None

    def connect(self) -> bool:
        """Whether journald listens, and may be spoken to from this sandbox."""
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            made.connect(self._path)
        except OSError:
            made.close()
            return False
        made.settimeout(1.0)
        self._socket = made
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """One entry. A journald that was restarted is connected to again; nothing is lost silently."""
        entry = encoded(self._fields(record))
        for _ in range(2):
            with contextlib.suppress(OSError):
                if self._socket is not None or self.connect():
                    assert self._socket is not None  # noqa: S101 (connected a line above)
                    self._socket.send(entry)
                    return
            self._forget()
        self._otherwise.handle(record)

    def close(self) -> None:
        """Close both."""
        self._forget()
        self._otherwise.close()
        super().close()

    def _forget(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _fields(self, record: logging.LogRecord) -> dict[str, str]:
        fields: Mapping[str, str] = getattr(record, "fields", {})
        named = {PREFIX + re.sub(r"[^A-Z0-9_]", "_", name.upper())[:50]: value for name, value in fields.items()}
        return {
            "MESSAGE": self.format(record),
            "PRIORITY": str(PRIORITIES.get(record.levelno, 6)),
            "SYSLOG_IDENTIFIER": "certd",
            PREFIX + "STEP": record.getMessage(),
            **named,
        }


def encoded(fields: Mapping[str, str]) -> bytes:
    """One entry's datagram."""
    parts = []
    for name, value in fields.items():
        octets = value.encode("utf-8", "replace")[:MOST_VALUE]
        if b"\n" in octets:
            parts.append(name.encode() + b"\n" + struct.pack("<Q", len(octets)) + octets + b"\n")
        else:
            parts.append(name.encode() + b"=" + octets + b"\n")
    return b"".join(parts)
