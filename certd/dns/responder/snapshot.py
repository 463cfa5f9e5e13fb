"""What the zones hold at one moment: immutable, swapped by reference, indexed by the wire form of names."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Container, Iterable, Mapping, Sequence
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
    """One zone ready to be served: every name that exists, empty non-terminals included.

    Attributes:
        negative_soa: The SOA as a negative answer carries it: its TTL is the lesser of the SOA's TTL and its minimum
            (RFC 2308 section 3), because some caches read the TTL alone.
    """

    negative_soa: Rdata
    names: Mapping[bytes, tuple[Rdata, ...]]
    has_nameservers: bool


class Snapshot:
    """All zones at one moment.

    Args:
        values: TXT values by name; names outside the zones are passed over.
        serial: For the SOA of a zone that is made.
        before: What this one follows, so that of hundreds of zones those alone are made whose values changed.
    """

    __slots__ = ("_fixed", "_values", "_zones", "zones")

    def __init__(
        self,
        zones: Sequence[ServedZone],
        values: Mapping[str, Iterable[str]],
        *,
        serial: int,
        before: Snapshot | None = None,
    ) -> None:
        self.zones = tuple(zones)
        is_first = before is None or before.zones != self.zones
        self._fixed: Fixed = _fixed(self.zones) if before is None or is_first else before._fixed
        self._values: dict[bytes, dict[bytes, tuple[str, ...]]] = {}
        for name, texts in values.items():
            wire = wire_name(name)
            apex = _innermost(wire, self._fixed)
            if apex is not None:
                self._values.setdefault(apex, {})[wire] = tuple(sorted(set(texts)))
        self._zones: dict[bytes, ZoneRecords] = {}
        changed: Iterable[bytes] = self._fixed
        if before is not None and not is_first:
            self._zones.update(before._zones)
            holding = self._values.keys() | before._values.keys()
            changed = [apex for apex in holding if self._values.get(apex) != before._values.get(apex)]
        for apex in changed:
            zone, addresses = self._fixed[apex]
            self._zones[apex] = _made(zone, addresses, self._values.get(apex, {}), serial)

    def zone_of(self, name: bytes) -> tuple[bytes, ZoneRecords] | None:
        """The innermost zone that holds a name (wire form, lower case), with its apex."""
        apex = _innermost(name, self._zones)
        return None if apex is None else (apex, self._zones[apex])


Fixed = dict[bytes, tuple[ServedZone, list[tuple[bytes, Rdata]]]]
"""By apex: the zone, and the addresses of name servers that it holds."""


def _fixed(zones: Iterable[ServedZone]) -> Fixed:
    found: Fixed = {wire_name(zone.apex): (zone, []) for zone in zones}
    for zone, _ in list(found.values()):
        for host, addresses in zone.addresses.items():
            name = wire_name(host)
            apex = _innermost(name, found)
            if apex is not None:
                found[apex][1].extend((name, _address(address)) for address in addresses)
    return found


def _innermost(name: bytes, apexes: Container[bytes]) -> bytes | None:
    """The innermost of these that a name is below, or is."""
    while name not in apexes:
        if not name or name[0] == 0:
            return None
        name = name[name[0] + 1 :]
    return name


def _made(
    zone: ServedZone, addresses: Iterable[tuple[bytes, Rdata]], values: Mapping[bytes, Iterable[str]], serial: int
) -> ZoneRecords:
    apex = wire_name(zone.apex)
    soa = _soa(zone, serial)
    names = {apex: [soa, *((NS, NS_TTL, wire_name(server)) for server in zone.nameservers)]}
    for host, address in addresses:
        _put(names, apex, host, address)
    for name, texts in values.items():
        for text in texts:
            _put(names, apex, name, (TXT, VALUE_TTL, _strings(text)))
    return ZoneRecords(
        negative_soa=(SOA, min(SOA_TTL, SOA_MINIMUM), soa[2]),
        names={name: tuple(records) for name, records in names.items()},
        has_nameservers=bool(zone.nameservers),
    )


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


def _put(names: dict[bytes, list[Rdata]], apex: bytes, name: bytes, record: Rdata) -> None:
    """Add a record, and every name between it and the apex as an empty non-terminal."""
    above = [name]
    while above[-1] != apex:
        above.append(above[-1][above[-1][0] + 1 :])
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
