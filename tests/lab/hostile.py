"""A name server that answers as badly as one can: by UDP and by TCP, chosen by the first label of the question."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
import time
from collections.abc import Callable
from types import TracebackType

from tests.lab.ports import free_port

HEADER = struct.Struct("!6H")
AA = 0x8400


def _name(text: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"


def _record(owner: bytes, kind: int, data: bytes, *, klass: int = 1, length: int | None = None) -> bytes:
    return owner + struct.pack("!HHIH", kind, klass, 60, len(data) if length is None else length) + data


POINTER = b"\xc0\x0c"
TXT, CNAME, NS, CAA, A, OPT, SOA = 16, 5, 2, 257, 1, 41, 6


def _reply(query: bytes, *records: bytes, flags: int = AA, ident: bytes = b"", count: int = -1) -> bytes:
    end = 12
    while query[end]:
        end += query[end] + 1
    question = query[12 : end + 5]
    head = struct.pack("!5H", flags, 1, len(records) if count < 0 else count, 0, 0)
    return (ident or query[:2]) + head + question + b"".join(records)


def _strings(data: bytes) -> bytes:
    return b"".join(bytes([len(data[i : i + 255])]) + data[i : i + 255] for i in range(0, len(data), 255))


# What comes back, by a name for it.
WAYS: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda q: b"",
    "one byte": lambda q: b"\0",
    "noise": lambda q: q[:2] + os.urandom(400),
    "its own question": lambda q: q,
    "another id": lambda q: _reply(q, _record(POINTER, TXT, b"\1x"), ident=b"\0\0"),
    "a loop of pointers": lambda q: _reply(q, _record(b"\xc0" + bytes([len(q)]), TXT, b"\1x")),
    "a pointer to itself": lambda q: _reply(q)[:12] + b"\xc0\x0c\0\1\0\1",
    "a pointer forward": lambda q: _reply(q, _record(b"\xc3\xff", TXT, b"\1x")),
    "a length beyond the end": lambda q: _reply(q, _record(POINTER, TXT, b"\1x", length=60000)),
    "a string beyond its record": lambda q: _reply(q, _record(POINTER, TXT, b"\xffx")),
    "an empty txt": lambda q: _reply(q, _record(POINTER, TXT, b"")),
    "more records than it counts": lambda q: _reply(q, *[_record(POINTER, TXT, b"\1x")] * 50, count=1),
    "fewer records than it counts": lambda q: _reply(q, _record(POINTER, TXT, b"\1x"), count=65535),
    "a thousand records": lambda q: _reply(q, *[_record(POINTER, TXT, b"\2" + n.to_bytes(2)) for n in range(999)]),
    "sixty-four kilobytes": lambda q: _reply(q, _record(POINTER, TXT, _strings(b"x" * 65000))),
    "wrong types": lambda q: _reply(q, _record(POINTER, A, b"\1\2\3\4"), _record(POINTER, CAA, b"\0\5issue;")),
    "an address of three bytes": lambda q: _reply(q, _record(POINTER, A, b"\1\2\3")),
    "a caa without a tag": lambda q: _reply(q, _record(POINTER, CAA, b"\0\0")),
    "a caa tag beyond its end": lambda q: _reply(q, _record(POINTER, CAA, b"\0\xffx")),
    "a soa cut short": lambda q: _reply(q, _record(POINTER, SOA, b"\0\0\0")),
    "an alias to itself": lambda q: _reply(q, _record(POINTER, CNAME, POINTER)),
    "two aliases at once": lambda q: _reply(q, *[_record(POINTER, CNAME, _name(f"{x}.evil.test")) for x in "ab"]),
    "an alias to a strange name": lambda q: _reply(q, _record(POINTER, CNAME, b"\4\n;$`\4evil\4test\0")),
    "an alias to the root": lambda q: _reply(q, _record(POINTER, CNAME, b"\0")),
    "a deep alias": lambda q: _reply(q, _record(POINTER, CNAME, b"\1x" + _question_name(q))),
    "an opt in the answers": lambda q: _reply(q, _record(b"\0", OPT, b"\xff" * 20, klass=65535)),
    "another class": lambda q: _reply(q, _record(POINTER, TXT, b"\1x", klass=3)),
    "not authoritative": lambda q: _reply(q, _record(POINTER, TXT, b"\1x"), flags=0x8000),
    "truncated for ever": lambda q: _reply(q, flags=0x8600),
    "a delegation of everything": lambda q: _referral(q),
}


def _question_name(query: bytes) -> bytes:
    end = 12
    while query[end]:
        end += query[end] + 1
    name = query[12 : end + 1]
    return name if len(name) < 240 else b"\4evil\4test\0"


def _referral(query: bytes) -> bytes:
    name = _question_name(query)
    reply = _reply(query, *[_record(name, NS, _name(f"ns{n}.evil.test")) for n in range(200)], flags=0x8000)
    return reply[:6] + struct.pack("!HHH", 0, 200, 0) + reply[12:]


class Hostile:
    """One such server; ``way`` says how it answers, ``drip`` that by TCP it sends one byte at a time."""

    def __init__(self) -> None:
        self.port = free_port()
        self.way = "noise"
        self.drip = False
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", self.port))
        self._tcp = socket.create_server(("127.0.0.1", self.port))

    def __enter__(self) -> Hostile:
        for serve in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=serve, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._udp.close()
        self._tcp.close()

    def _serve_udp(self) -> None:
        while True:
            try:
                query, who = self._udp.recvfrom(4096)
            except OSError:
                return
            with contextlib.suppress(OSError, IndexError):
                self._udp.sendto(WAYS[self.way](query)[:60000], who)

    def _serve_tcp(self) -> None:
        while True:
            try:
                client, _ = self._tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(client,), daemon=True).start()

    def _one(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError, IndexError, struct.error):
            query = client.recv(4096)[2:]
            answer = WAYS[self.way](query)[:65535]
            data = struct.pack("!H", len(answer)) + answer
            for index in range(0, len(data), 1 if self.drip else len(data) or 1):
                client.sendall(data[index : index + (1 if self.drip else len(data))])
                if self.drip:
                    time.sleep(0.2)
