"""A responder's zones at one moment: what is made anew is what would be made from nothing."""

from __future__ import annotations

import random

from certd.dns.responder.snapshot import SOA, Rdata, ServedZone, Snapshot, wire_name

ZONES = (
    ServedZone(
        apex="example.com",
        nameservers=("ns1.example.com",),
        addresses={
            "ns1.example.com": ("192.0.2.1",),
            "ns1.inner.example.com": ("192.0.2.2", "2001:db8::2"),
        },
    ),
    ServedZone(apex="inner.example.com", nameservers=("ns1.inner.example.com",)),
    ServedZone(apex="other.example"),
)
NAMES = (
    "_acme-challenge.example.com",
    "_acme-challenge.inner.example.com",
    "_acme-challenge.a.b.inner.example.com",
    "other.example",
    "deep.below.other.example",
    "strangers.example.net",
)


def held(snapshot: Snapshot) -> dict[str, dict[bytes, tuple[Rdata, ...]]]:
    """Everything but the serials."""
    found = {}
    for zone in snapshot.zones:
        got = snapshot.zone_of(wire_name(zone.apex))
        assert got is not None
        found[zone.apex] = {
            name: tuple(record for record in records if record[0] != SOA) for name, records in got[1].names.items()
        }
    return found


def test_one_after_the_other_is_as_from_nothing() -> None:
    """Values that come and go, in zones within zones, leave nothing behind; a zone with another NS set shows it."""
    chance = random.Random(5)
    zones, values = ZONES, dict[str, frozenset[str]]()
    snapshot = Snapshot(zones, values, serial=0)
    for serial in range(1, 300):
        name = chance.choice(NAMES)
        values = {**values, name: frozenset(chance.sample("abc", chance.randrange(4)))}
        values = {key: texts for key, texts in values.items() if texts}
        if serial == 150:
            zones = (*ZONES[:2], ServedZone(apex="other.example", nameservers=("ns.other.example",)))
        snapshot = Snapshot(zones, values, serial=serial, before=snapshot)
        assert held(snapshot) == held(Snapshot(zones, values, serial=serial)), serial


def test_only_what_changed_is_made() -> None:
    """One value among hundreds of zones: the others are the same, their serials too."""
    zones = [ServedZone(apex=f"l{number}.example.com") for number in range(300)]
    before = Snapshot(zones, {"l7.example.com": ["x"]}, serial=1)
    after = Snapshot(zones, {"l7.example.com": ["x"], "_acme-challenge.l8.example.com": ["y"]}, serial=2, before=before)
    made = [zone.apex for zone in zones if after.zone_of(wire_name(zone.apex)) != before.zone_of(wire_name(zone.apex))]
    assert made == ["l8.example.com"]
    gone = Snapshot(zones, {"l7.example.com": ["x"]}, serial=3, before=after)
    assert held(gone) == held(before)
    kept, own = gone.zone_of(wire_name("l7.example.com")), before.zone_of(wire_name("l7.example.com"))
    assert kept is not None
    assert own is not None
    assert kept[1] is own[1]
