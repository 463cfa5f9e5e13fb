"""One DNS message in, one out. Pure: bytes and a snapshot, no sockets, no clock.

Written by hand because the question must be copied byte for byte (0x20 case randomisation) and because this is
what strangers send packets to: every index is checked before it is used. The rules (docs/design.md, The responder) were
tried against Unbound with strict query-name minimisation and against BIND.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from certd.dns.responder.snapshot import NS, SOA, Rdata, Snapshot

UDP_LIMIT = 1232
TCP_LIMIT = 65535
_MOST_GAIN = 4  # an answer by UDP to its question: who spoofs a source gains no more (RFC 5358 names the attack)
_PLAIN_UDP = 512  # RFC 1035 section 4.2.1, for those who announce nothing

_QR, _AA, _TC, _RD, _CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0010
_NOERROR, _FORMERR, _SERVFAIL, _NXDOMAIN, _NOTIMP, _REFUSED, _BADVERS = 0, 1, 2, 3, 4, 5, 16
_IN = 1
_OPT, _ANY = 41, 255
_FIRST_META_TYPE = 128  # up to 255: questions and meta-types, AXFR and IXFR among them (RFC 6895 section 3.1)

_HEADER = struct.Struct("!HHHHHH")
_QUESTION_TAIL = struct.Struct("!HH")
_RECORD = struct.Struct("!HHIH")


class _Malformed(Exception):
    """The message does not parse; FORMERR."""


class _Query(NamedTuple):
    """A question and what came with it. ``raw`` is the question section as it was sent."""

    raw: bytes
    name: bytes
    type: int
    klass: int
    edns: bool
    edns_version: int
    edns_payload: int
    dnssec_ok: bool


def answer(packet: bytes, snapshot: Snapshot, *, tcp: bool = False, slip: bool = False) -> bytes | None:
    """The reply to a packet; None where silence is right (shorter than a header, or itself a reply).

    Args:
        slip: This network asks too often: answer nothing but TC, so that a real client comes by TCP and a
            spoofed one gains no bytes.
    """
    if len(packet) < _HEADER.size:
        return None
    ident, flags, questions, answers, authorities, additionals = _HEADER.unpack_from(packet)
    if flags & _QR:
        return None
    kept = flags & (0x7800 | _RD | _CD)  # the opcode and what is copied
    opcode = flags >> 11 & 0xF
    if opcode != 0:
        return _HEADER.pack(ident, _QR | kept | _NOTIMP, 0, 0, 0, 0)
    try:
        if questions != 1:
            raise _Malformed
        query = _parsed(packet, answers + authorities, additionals)
    except _Malformed:
        return _HEADER.pack(ident, _QR | kept | _FORMERR, 0, 0, 0, 0)
    limit = TCP_LIMIT if tcp else min(_udp_limit(query), _MOST_GAIN * len(packet))
    if query.edns and query.edns_version != 0:
        return _reply(ident, kept, query, _BADVERS, limit=limit)
    if slip:
        return _reply(ident, kept | _AA | _TC, query, _NOERROR, limit=limit)
    return _answered(ident, kept, query, snapshot, limit)


def _answered(ident: int, kept: int, query: _Query, snapshot: Snapshot, limit: int) -> bytes:
    found = snapshot.zone_of(query.name) if query.klass == _IN else None
    if found is None or _FIRST_META_TYPE <= query.type < _ANY:
        return _reply(ident, kept, query, _REFUSED, limit=limit)
    apex, zone = found
    records = zone.names.get(query.name)
    if records is None:
        return _reply(ident, kept | _AA, query, _NXDOMAIN, authority=(apex, zone.negative_soa), limit=limit)
    if query.type == NS and query.name == apex and not zone.has_nameservers:
        # The delegation is not found yet: denying the apex its NS would be a lie that resolvers may keep.
        return _reply(ident, kept, query, _SERVFAIL, limit=limit)
    if query.type == _ANY:
        records = _one_set(records)  # RFC 8482 section 4.1: one RRset is enough
    else:
        records = tuple(record for record in records if record[0] == query.type)
    if not records:
        return _reply(ident, kept | _AA, query, _NOERROR, authority=(apex, zone.negative_soa), limit=limit)
    return _reply(ident, kept | _AA, query, _NOERROR, records=records, limit=limit)


def _one_set(records: tuple[Rdata, ...]) -> tuple[Rdata, ...]:
    if not records:
        return ()
    # Values before the SOA: who asks ANY at an apex that is itself a validation name wants these.
    wanted = next((record[0] for record in records if record[0] not in (SOA, NS)), records[0][0])
    return tuple(record for record in records if record[0] == wanted)


def _reply(
    ident: int,
    flags: int,
    query: _Query,
    code: int,
    *,
    records: tuple[Rdata, ...] = (),
    authority: tuple[bytes, Rdata] | None = None,
    limit: int,
) -> bytes:
    """Header, the question as it came, then an answer or a SOA, then OPT where one was sent."""
    opt = b""
    if query.edns:
        extended = (code >> 4) << 24 | (0x8000 if query.dnssec_ok else 0)
        opt = b"\x00" + _RECORD.pack(_OPT, UDP_LIMIT, extended, 0)
    body = b"".join(_record(b"\xc0\x0c", record) for record in records)
    if authority is not None:
        apex, soa = authority
        pointer = 0xC000 | (_HEADER.size + len(query.name) - len(apex))
        body = _record(pointer.to_bytes(2, "big"), soa)
    counts = (len(records), 1 if authority is not None else 0)
    if _HEADER.size + len(query.raw) + len(body) + len(opt) > limit:
        body, counts, flags = b"", (0, 0), flags | _TC
    header = _HEADER.pack(ident, _QR | flags | code & 0xF, 1, *counts, 1 if opt else 0)
    return header + query.raw + body + opt


def _record(owner: bytes, record: Rdata) -> bytes:
    kind, ttl, wire = record
    return owner + _RECORD.pack(kind, _IN, ttl, len(wire)) + wire


def _udp_limit(query: _Query) -> int:
    return min(UDP_LIMIT, max(_PLAIN_UDP, query.edns_payload)) if query.edns else _PLAIN_UDP


def _parsed(packet: bytes, skipped: int, additionals: int) -> _Query:
    end = _plain_name_end(packet, _HEADER.size)
    if end + _QUESTION_TAIL.size > len(packet):
        raise _Malformed
    kind, klass = _QUESTION_TAIL.unpack_from(packet, end)
    name = packet[_HEADER.size : end].lower()  # lengths are below 64 and so below every letter
    raw = packet[_HEADER.size : end + _QUESTION_TAIL.size]
    position = end + _QUESTION_TAIL.size
    options: list[tuple[int, int]] = []
    for index in range(skipped + additionals):
        owner_is_root = position < len(packet) and packet[position] == 0
        position = _name_end(packet, position)
        if position + _RECORD.size > len(packet):
            raise _Malformed
        record, payload, ttl, length = _RECORD.unpack_from(packet, position)
        position += _RECORD.size + length
        if position > len(packet):
            raise _Malformed
        if record == _OPT:
            if options or not owner_is_root or index < skipped:
                raise _Malformed  # RFC 6891 section 6.1.1: one, at the root, in the additional section
            options.append((payload, ttl))
    payload, ttl = options[0] if options else (0, 0)
    return _Query(raw, name, kind, klass, bool(options), ttl >> 16 & 0xFF, payload, bool(ttl & 0x8000))


def _plain_name_end(packet: bytes, position: int) -> int:
    """Behind a name without compression: the only one in a question has nothing to point at."""
    start = position
    while position < len(packet):
        length = packet[position]
        position += 1
        if length == 0:
            return position
        position += length
        if length > 63 or position - start > 254:
            raise _Malformed
    raise _Malformed


def _name_end(packet: bytes, position: int) -> int:
    """Behind any name; a compression pointer ends it and is not followed."""
    start = position
    while position < len(packet):
        length = packet[position]
        position += 1
        if length == 0:
            return position
        if length >= 0xC0:
            return position + 1
        position += length
        if length > 63 or position - start > 254:
            raise _Malformed
    raise _Malformed
