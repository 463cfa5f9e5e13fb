"""Our own authoritative server as a provider: for a proxy whose DNS has no API, one record set once suffices.

Two forms. A CNAME into a zone that is delegated to certd (``init`` proposes this one)::

    _acme-challenge.link.example.com.  CNAME  link.example.com.acme.example.com.
    acme.example.com.                  NS     ns1.example.com.

or the validation name itself delegated::

    _acme-challenge.link.example.com.  NS     ns1.example.com.

What it answers comes from the shared store's debts (read once a second by a thread, never per packet), joined by
what this process has just added or removed, so that every node's responder shows every node's values.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from certd.dns.addresses import host_and_port
from certd.dns.names import is_below, is_plain, plain, pointer
from certd.dns.options import Settings
from certd.dns.provider import ProviderContext
from certd.dns.responder.server import Server
from certd.dns.responder.snapshot import ServedZone, Snapshot
from certd.dns.responder.sockets import listeners
from certd.errors import CertdError, DnsRefused, DnsUnreachable, NoZone
from certd.model import TxtRecord, ZoneRecord

Records = Callable[[], Mapping[str, frozenset[str]]]
"""The values that the shared store owes at present, by name; raises CertdError while the store is away."""

Delegation = Callable[[str], Sequence[str]]
"""The servers that the parent delegates a zone to; empty where it does not."""

# A change made here is believed for so long against a source that does not have it yet (a slow store).
_BRIDGE_SECONDS = 60.0
_REFRESH_SECONDS = 1.0
_DELEGATION_SECONDS = 60.0

# RFC 1918, 6598, 4193, loopback and link-local: nobody outside reaches them.
_INSIDE = tuple(
    ipaddress.ip_network(each)
    for each in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "fc00::/7",
        "fe80::/10",
        "::1/128",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """A value added or removed by this process, until the source has caught up."""

    at: float
    added: bool


class Responder:
    """A ``DnsProvider`` that is itself the authoritative server. Safe to use from several threads.

    Adding and removing take effect with the next packet; ``start`` makes it listen.

    Args:
        name: Its name in the configuration.
        zones: Those served.
        listen: Concrete addresses with ports.
        records: The shared store's debts; None: what is added and removed here is all there is.
        delegation: Asked in the background for the NS set of zones that have none configured.
        public: Our own addresses as the world sees them, for ``Dns01``'s ``own_addresses``.
        environment: For sockets that systemd passed.
        now: Epoch seconds, for the SOA's serial.
    """

    def __init__(
        self,
        name: str,
        *,
        zones: Sequence[ServedZone],
        listen: Sequence[str],
        records: Records | None = None,
        delegation: Delegation | None = None,
        public: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._zones = tuple(zones)
        self._apexes = frozenset(zone.apex for zone in self._zones)
        self._listen = tuple(listen)
        self._records = records
        self._delegation = delegation
        self._environment = os.environ if environment is None else environment
        self._now = now
        self._monotonic = monotonic
        self.public = tuple(public)
        self._lock = threading.Lock()
        self._source: Mapping[str, frozenset[str]] = {}
        self._changes: dict[tuple[str, str], _Change] = {}
        self._shown: tuple[tuple[ServedZone, ...], Mapping[str, frozenset[str]]] = ((), {})
        self._snapshot = Snapshot(self._zones, {}, serial=int(now()))
        self._server: Server | None = None
        self._addresses: tuple[tuple[str, int], ...] = ()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._name

    @property
    def snapshot(self) -> Snapshot:
        """What it answers from at this moment."""
        return self._snapshot

    def zone_of(self, name: str) -> str:
        """The innermost served zone that holds a name."""
        labels = name.split(".")
        for start in range(len(labels)):
            if (apex := ".".join(labels[start:])) in self._apexes:
                return apex
        zone = self._zones[0].apex
        hint = f"point {name} by CNAME at {name.removeprefix('_acme-challenge.')}.{zone}"
        if zone.startswith("_acme-challenge."):
            hint = f"delegate {name} to this responder and list it in dns.{self._name}.options.zones"
        served = ", ".join(each.apex for each in self._zones)
        raise NoZone(f"{name}: dns.{self._name} does not serve it; it serves {served}", hint=hint)

    def wanted(self, name: str) -> Sequence[ZoneRecord]:
        """The zone's delegation with its glue, and a CNAME into it unless the name itself is delegated."""
        inside = [zone for zone in self._zones if is_below(name, zone.apex)]
        zone = max(inside or self._zones[:1], key=lambda each: len(each.apex))
        records = [] if inside else [pointer(name, zone.apex)]
        servers = zone.nameservers or tuple(sorted(zone.addresses))
        records += [ZoneRecord(name=zone.apex, kind="NS", value=server) for server in servers]
        records += [
            ZoneRecord(name=server, kind="AAAA" if ":" in address else "A", value=address)
            for server, found in sorted(zone.addresses.items())
            for address in found
        ]
        return records

    def add(self, *records: TxtRecord) -> None:
        """Show values at once."""
        for record in records:
            self._change(record, added=True)

    def remove(self, record: TxtRecord) -> None:
        """Stop showing exactly this value."""
        self._change(record, added=False)

    # ------------------------------------------------------------------------------------ life

    def start(self) -> tuple[tuple[str, int], ...]:
        """Listen and answer; returns the addresses and ports. Starting again changes nothing.

        Raises:
            DnsUnreachable: an address cannot be had.
        """
        if self._server is not None:
            return self._addresses
        self._refresh()
        found = listeners(self._listen, self._environment, os.getpid())
        self._addresses = found.addresses
        self._server = Server(found, lambda: self._snapshot)
        self._server.start()
        self._stop.clear()
        if self._records is not None:
            self._threads.append(threading.Thread(target=self._refreshing, name="dns records", daemon=True))
        if self._delegation is not None and any(not zone.nameservers for zone in self._zones):
            self._threads.append(threading.Thread(target=self._finding, name="dns delegation", daemon=True))
        for thread in self._threads:
            thread.start()
        return self._addresses

    def is_alive(self) -> bool:
        """Whether it listens and every thread of it runs."""
        return (
            self._server is not None and self._server.is_alive() and all(map(threading.Thread.is_alive, self._threads))
        )

    def close(self) -> None:
        """Stop listening."""
        self._stop.set()
        if self._server is not None:
            self._server.close()
            self._server = None
        for thread in self._threads:
            thread.join(timeout=2)
        self._threads.clear()

    # ------------------------------------------------------------------------------------ what is shown

    def _change(self, record: TxtRecord, *, added: bool) -> None:
        name = plain(record.name)
        self.zone_of(name)
        with self._lock:
            if self._records is None:
                held = self._source.get(name, frozenset())
                values = held | {record.value} if added else held - {record.value}
                self._source = {key: each for key, each in {**self._source, name: values}.items() if each}
            else:
                self._changes[name, record.value] = _Change(at=self._monotonic(), added=added)
            self._rebuild()

    def _refreshing(self) -> None:
        while not self._stop.wait(_REFRESH_SECONDS):
            self._refresh()

    def _refresh(self) -> None:
        if self._records is None:
            return
        asked_at = self._monotonic()
        try:
            source = self._records()
        except CertdError:
            return  # the store is away: what was last known goes on being answered
        with self._lock:
            self._source = {plain(name): values for name, values in source.items()}
            oldest = asked_at - _BRIDGE_SECONDS
            self._changes = {key: change for key, change in self._changes.items() if change.at > oldest}
            self._rebuild()

    def _finding(self) -> None:
        """Find the NS sets that are not configured, then keep them equal to the delegation."""
        missing = {zone.apex for zone in self._zones if not zone.nameservers}
        while True:
            self.find_nameservers(missing)
            if self._stop.wait(_DELEGATION_SECONDS):
                return

    def find_nameservers(self, apexes: Iterable[str] | None = None) -> None:
        """Take over what the parent delegates these zones to; None: those that have no NS set. Where it cannot be asked
        they stay as they are.
        """
        for apex in apexes if apexes is not None else [zone.apex for zone in self._zones if not zone.nameservers]:
            names: tuple[str, ...] = ()
            with contextlib.suppress(DnsUnreachable, DnsRefused):
                names = tuple(self._delegation(apex)) if self._delegation is not None else ()
            if names:
                self._take_nameservers(apex, names)

    def _take_nameservers(self, apex: str, names: tuple[str, ...]) -> None:
        with self._lock:
            self._zones = tuple(replace(zone, nameservers=names) if zone.apex == apex else zone for zone in self._zones)
            self._rebuild()

    def _rebuild(self) -> None:
        """Swap the snapshot when something differs. Called with the lock held."""
        values = {name: set(held) for name, held in self._source.items() if self._serves(name)}
        for (name, value), change in self._changes.items():
            held = values.setdefault(name, set())
            if change.added:
                held.add(value)
            else:
                held.discard(value)
        shown = {name: frozenset(held) for name, held in values.items() if held}
        if (self._zones, shown) != self._shown:
            self._shown = (self._zones, shown)
            self._snapshot = Snapshot(self._zones, shown, serial=int(self._now()), before=self._snapshot)

    def _serves(self, name: str) -> bool:
        if not is_plain(name):
            return False
        labels = name.split(".")
        return any(".".join(labels[start:]) in self._apexes for start in range(len(labels)))


def build(name: str, settings: Settings, around: ProviderContext) -> Responder:
    """From a checked table of the configuration."""
    addresses = {plain(host): found for host, found in settings.table("addresses").items()}
    nameservers = tuple(sorted(map(plain, settings.texts("ns"))))
    own = _reachable(settings) if not nameservers else ()
    zones = []
    for zone in map(plain, settings.texts("zones")):
        inside = {host: found for host, found in addresses.items() if is_below(host, zone)}
        if own and not inside:
            # What `certd dns request` proposes as long as the parent delegates to nobody.
            inside = {f"ns1.{zone}": own}
        zones.append(ServedZone(apex=zone, nameservers=nameservers, contact=settings.text("contact"), addresses=inside))
    return Responder(
        name,
        zones=zones,
        listen=settings.texts("listen"),
        records=around.records,
        delegation=around.delegation,
        public=settings.texts("public"),
    )


def _reachable(settings: Settings) -> tuple[str, ...]:
    """Our addresses as the world sees them: those that are said, else those listened on that are nobody's inside."""
    if said := settings.texts("public"):
        return said
    hosts = [host_and_port(text, 53)[0] for text in settings.texts("listen") if not text.endswith(":0")]
    return tuple(host for host in hosts if not any(ipaddress.ip_address(host) in network for network in _INSIDE))
