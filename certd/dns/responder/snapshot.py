"""What the zones hold at one moment: immutable, swapped by reference, indexed by the wire form of names."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

A, NS, SOA, TXT, AAAA = 1, 2, 6, 16, 28

# A negative answer may be kept for min(SOA TTL, minimum) = 1 s (RFC 2308 section 5): a resolver that asked just
# before the value was added must not deny it for longer. A value may be kept as briefly, because a second one may
# join it at the same name (a name and its wildcard).
SOA_TTL = 5
NS_TTL = 5
SOA_MINIMUM = 1
VALUE_TTL = 1

Rdata = tuple[int, int, bytes]
"""Type, TTL in seconds, wire form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedZone:
    """One zone as it is configured.

    Attributes:
        apex: Without a final dot.
        nameservers: The NS set, equal to the delegation's; empty while it is not known yet.
        contact: For the SOA, as a mail address or a name; empty: ``hostmaster`` at the apex.
        addresses: Of name servers that lie inside the zone itself.
    """

    apex: str
    nameservers: tuple[str, ...] = ()
    contact: str = ""
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneRecords:
    """One zone ready to be served: the SOA, and every name that exists, empty non-terminals included."""

    soa: Rdata
    names: Mapping[bytes, tuple[Rdata, ...]]
    has_nameservers: bool


class Snapshot:
    """All zones at one moment.

    Args:
        values: TXT values by name; names outside the zones are passed over.
        serial: For the SOA.
    """

    __slots__ = ("_zones", "zones")

    def __init__(self, zones: Sequence[ServedZone], values: Mapping[str, Iterable[str]], *, serial: int) -> None:
        self.zones = tuple(zones)
        by_apex = {wire_name(zone.apex): zone for zone in zones}
        contents: dict[bytes, dict[bytes, list[Rdata]]] = {apex: {apex: []} for apex in by_apex}
        for apex, zone in by_apex.items():
            records = contents[apex][apex]
            records.append(_soa(zone, serial))
            records.extend((NS, NS_TTL, wire_name(server)) for server in zone.nameservers)
            for host, addresses in zone.addresses.items():
                for address in addresses:
                    _put(contents, wire_name(host), _address(address))
        for name, texts in values.items():
            for text in sorted(set(texts)):
                _put(contents, wire_name(name), (TXT, VALUE_TTL, _strings(text)))
        self._zones = {
            apex: ZoneRecords(
                soa=names[apex][0],
                names={name: tuple(records) for name, records in names.items()},
                has_nameservers=bool(by_apex[apex].nameservers),
            )
            for apex, names in contents.items()
        }

    def zone_of(self, name: bytes) -> tuple[bytes, ZoneRecords] | None:
        """The innermost zone that holds a name (wire form, lower case), with its apex."""
        position = 0
        while True:
            suffix = name[position:]
            zone = self._zones.get(suffix)
            if zone is not None:
                return suffix, zone
            if not suffix or suffix[0] == 0:
                return None
            position += suffix[0] + 1


def wire_name(text: str) -> bytes:
    """A name's wire form in lower case (RFC 1035 section 3.1).

    Raises:
        ValueError: it has none.
    """
    wire = bytearray()
    for label in text.lower().rstrip(".").split("."):
        encoded = label.encode("ascii")
        if not 0 < len(encoded) < 64:
            raise ValueError(f'"{text}" is not a domain name')
        wire += bytes([len(encoded)]) + encoded
    if len(wire) > 254:
        raise ValueError(f'"{text}" is too long for a domain name')
    return bytes(wire) + b"\x00"


def _put(contents: dict[bytes, dict[bytes, list[Rdata]]], name: bytes, record: Rdata) -> None:
    """Add a record to the innermost zone, and every name between it and the apex as an empty non-terminal."""
    above = [name]
    while above[-1] not in contents:
        if above[-1] == b"\x00":
            return
        above.append(above[-1][above[-1][0] + 1 :])
    names = contents[above[-1]]
    for each in above:
        names.setdefault(each, [])
    names[name].append(record)


def _soa(zone: ServedZone, serial: int) -> Rdata:
    primary = zone.nameservers[0] if zone.nameservers else zone.apex
    local, at, domain = (zone.contact or f"hostmaster@{zone.apex}").partition("@")
    # A dot in the local part of a mail address is escaped in a master file, and simply part of the label here.
    label = local.encode("ascii")
    contact = bytes([len(label)]) + label + wire_name(domain) if at and 0 < len(label) < 64 else wire_name(zone.contact)
    timers = struct.pack("!IIIII", serial & 0xFFFFFFFF, 3600, 600, 86400, SOA_MINIMUM)
    return (SOA, SOA_TTL, wire_name(primary) + contact + timers)


def _address(text: str) -> Rdata:
    address = ipaddress.ip_address(text)
    return (A if address.version == 4 else AAAA, SOA_TTL, address.packed)


def _strings(text: str) -> bytes:
    raw = text.encode("latin-1", "replace")
    chunks = [raw[start : start + 255] for start in range(0, len(raw), 255)] or [b""]
    return b"".join(bytes([len(chunk)]) + chunk for chunk in chunks)
