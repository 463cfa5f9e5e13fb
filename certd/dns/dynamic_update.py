"""Dynamic updates (RFC 2136) signed by TSIG (RFC 8945), sent to one server over TCP.

An update adds the values of one zone together, since a server tells its secondaries of a second one only after a
while (BIND: five seconds), or deletes exactly one. It has no prerequisites: adding what is there and deleting what is
absent are no-ops by section 3.4.2, so repeating is harmless and neighbours' values are never touched.
The server may be a hidden primary; who shows the value to the world is the authority's business.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TXT
import dns.tsig
import dns.update

from certd.dns.addresses import host_and_port, is_address
from certd.dns.bounded import addresses_of
from certd.dns.exchange import Deadline, PortsOf
from certd.dns.messages import parse_message, write_message
from certd.dns.names import display_name, is_below, pointer
from certd.dns.options import Settings
from certd.dns.provider import ProviderContext
from certd.dns.tsig import tsig_key
from certd.errors import DnsRefused, DnsUnreachable, NoZone
from certd.model import Secret, TxtRecord, ZoneRecord


class Rfc2136:
    """A ``DnsProvider`` over dynamic updates. Safe to use from several threads; keeps no connection.

    Args:
        name: Its name in the configuration.
        server: ``host``, ``host:port`` or ``[address]:port``; a name is resolved at each call.
        secret: The TSIG key; read at each call, so that a rotated key is followed without a restart.
        zone: The zone, where the server cannot be asked for it.
        ttl: Seconds.
        timeout: For one call in whole.
        ports_of: Where an address answers; tests inject it.
    """

    def __init__(
        self,
        name: str,
        *,
        server: str,
        secret: Callable[[], Secret],
        zone: str = "",
        ttl: int = 60,
        timeout: timedelta = timedelta(seconds=10),
        ports_of: PortsOf | None = None,
    ) -> None:
        self._name = name
        self._server = server
        self._host, self._port = host_and_port(server, 53)
        self._secret = secret
        self._zone = zone.lower().rstrip(".")
        self._ttl = ttl
        self._timeout = timeout.total_seconds()
        self._ports_of = ports_of

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._name

    def zone_of(self, name: str) -> str:
        """The zone of a name as that very server holds it.

        The question goes unsigned, since many servers leave the answer to a signed one unsigned (hickory-dns) or
        refuse a key that may only update (Knot). A server that refuses strangers is asked once more, signed.

        Raises:
            NoZone: The server is not authoritative for the name.
            DnsRefused: It refuses the question and the key.
            DnsUnreachable: No address of it answers.
        """
        if self._zone:
            if not is_below(name, self._zone):
                raise NoZone(f"{name}: is not in zone {self._zone} of dns.{self._name}")
            return self._zone
        deadline = Deadline(self._timeout)
        key = self._key()
        current = parse_message(name)
        while current != dns.name.root:
            query = dns.message.make_query(current, dns.rdatatype.SOA, flags=0)
            reply = self._answer_to(query, key, name, deadline)
            apex = _apex_in(reply, current)
            if apex is not None:
                return write_message(apex)
            if not reply.flags & dns.flags.AA:
                break
            current = current.parent()
        raise NoZone(
            f"{name}: {self._server} holds no zone for it",
            hint=f"make {self._server} primary for the zone, or set dns.{self._name}.server to the one that is",
        )

    def wanted(self, name: str) -> Sequence[ZoneRecord]:
        """A CNAME into the zone of the configuration, where that names one."""
        return (pointer(name, self._zone),) if self._zone and not is_below(name, self._zone) else ()

    def add(self, *records: TxtRecord) -> None:
        """Add values beside those that are there, with their TTL: one set has one TTL (RFC 2181 section 5.2)."""
        key = self._key()
        names = list(dict.fromkeys(record.name for record in records))
        ttls = {name: self._ttl_at(name, key) for name in names}
        update = self._update(records[0], key)
        zone = write_message(update.zone[0].name)
        for record in records:
            if not is_below(record.name, zone):
                raise DnsRefused(f"{record.name}: is not in zone {zone}")
            update.add(parse_message(record.name), ttls[record.name], _txt(record.value))
        self._send(update, key, ", ".join(names))

    def remove(self, record: TxtRecord) -> None:
        """Delete one value; absent is fine."""
        key = self._key()
        update = self._update(record, key)
        update.delete(parse_message(record.name), _txt(record.value))
        self._send(update, key, record.name)

    # ------------------------------------------------------------------------------------ one exchange

    def _key(self) -> dns.tsig.Key:
        return tsig_key(self._secret(), f"dns.{self._name}.tsig")

    def _update(self, record: TxtRecord, key: dns.tsig.Key) -> dns.update.UpdateMessage:
        zone = record.zone or self.zone_of(record.name)
        if not is_below(record.name, zone):
            raise DnsRefused(f"{record.name}: is not in zone {zone}")
        update = dns.update.UpdateMessage(parse_message(zone))
        update.use_tsig(key)
        return update

    def _ttl_at(self, name: str, key: dns.tsig.Key) -> int:
        """The TTL of the TXT values at a name; ours where there are none, or where the server does not tell.

        The question goes over TCP and without EDNS, so it is not the one that a cache in front would keep for the CA.
        """
        owner = parse_message(name)
        query = dns.message.make_query(owner, dns.rdatatype.TXT, flags=0)
        try:
            reply = self._answer_to(query, key, name, Deadline(self._timeout / 2))
        except (DnsRefused, DnsUnreachable):
            return self._ttl  # the update that follows says why
        there = (rrset.ttl for rrset in reply.answer if rrset.name == owner and rrset.rdtype == dns.rdatatype.TXT)
        return next(there, self._ttl) if reply.flags & dns.flags.AA else self._ttl

    def _answer_to(
        self, query: dns.message.QueryMessage, key: dns.tsig.Key, name: str, deadline: Deadline
    ) -> dns.message.Message:
        """Ask unsigned, and signed where the server refuses strangers."""
        reply = self._exchange(query, key, name, deadline)
        if reply.rcode() == dns.rcode.REFUSED:
            query.use_tsig(key)
            reply = self._exchange(query, key, name, deadline)
        return reply

    def _send(self, update: dns.update.UpdateMessage, key: dns.tsig.Key, names: str) -> None:
        reply = self._exchange(update, key, names, Deadline(self._timeout))
        code = reply.rcode()
        zone = write_message(update.zone[0].name)
        if code == dns.rcode.NOERROR and reply.had_tsig:
            return
        if code == dns.rcode.NOERROR:
            raise DnsRefused(
                f"{names}: {self._server} reports success for an update of zone {zone} without a signature",
                hint=f"does something between here and {self._server} answer in its place?",
            )
        unsigned = "" if reply.had_tsig else ", unsigned,"
        raise DnsRefused(
            f"{names}: {self._server} answers {dns.rcode.to_text(code)}{unsigned} to an update of zone {zone} "
            f"with key {write_message(key.name)}",
            hint=self._way_out(reply, key, names, zone),
        )

    def _way_out(self, reply: dns.message.Message, key: dns.tsig.Key, names: str, zone: str) -> str:
        """What to do about a refusal; an unsigned one may be about the key itself (PowerDNS, dnsmasq, NSD, Knot)."""
        who = write_message(key.name)
        unsigned = {
            dns.rcode.REFUSED: f"does {self._server} know key {who}, with this secret? "
            "or does it take no updates, or none from this address?",
            dns.rcode.NOTAUTH: f"is {self._server} primary for {zone}, and does it let key {who} update it?",
        }
        signed = {
            dns.rcode.REFUSED: f"let key {who} update TXT records of {names} (BIND: update-policy)",
            dns.rcode.NOTAUTH: f"{self._server} is not primary for {zone}: set dns.{self._name}.server to one that is",
            dns.rcode.NOTIMP: f"{self._server} takes no updates; is it a secondary?",
            dns.rcode.NOTZONE: f"{names} is outside {zone}",
            dns.rcode.SERVFAIL: f"see the log of {self._server}: often it cannot write the journal of {zone}",
        }
        return (signed if reply.had_tsig else signed | unsigned).get(reply.rcode(), "")

    def _exchange(
        self, message: dns.message.Message, key: dns.tsig.Key, name: str, deadline: Deadline
    ) -> dns.message.Message:
        troubles: list[str] = []
        addresses = self._addresses(deadline)
        for index, (address, port) in enumerate(addresses):
            share = deadline.left() / (len(addresses) - index)  # a silent address leaves time for the next one
            try:
                return _ask_tcp(message, address, port, share)
            except dns.tsig.PeerError as error:
                raise self._key_refused(error, key, name) from error
            except (dns.tsig.BadSignature, dns.tsig.BadTime, dns.tsig.BadKey, dns.tsig.BadAlgorithm) as error:
                raise DnsRefused(
                    f"{name}: the reply of {self._server} is not signed by key {write_message(key.name)}",
                    hint=f"is the secret in dns.{self._name}.tsig the server's? or does something in between answer?",
                ) from error
            except dns.exception.Timeout:
                troubles.append(f"{address} does not answer on TCP port {port} within {share:.1f} s")
            except EOFError:
                troubles.append(f"{address} hangs up without an answer")
            except OSError as error:
                troubles.append(f"{address} port {port}: {error.strerror or type(error).__name__}")
            except (dns.exception.DNSException, ValueError, struct.error) as error:
                troubles.append(f"{address} answers with something that is not DNS ({type(error).__name__})")
        raise DnsUnreachable(
            f"{name}: name server {self._server} of dns.{self._name} does not answer: {'; '.join(troubles)}",
            hint=f"is TCP to port {self._port} of {self._host} open from here?",
        )

    def _addresses(self, deadline: Deadline) -> list[tuple[str, int]]:
        found = (self._host,) if is_address(self._host) else addresses_of(self._host, deadline.left())
        return [self._ports_of(each) if self._ports_of is not None else (each, self._port) for each in found]

    def _key_refused(self, error: dns.tsig.PeerError, key: dns.tsig.Key, name: str) -> DnsRefused:
        shown_key = f"{write_message(key.name)} ({write_message(key.algorithm)})"
        match error:
            case dns.tsig.PeerBadKey():
                said = "does not know the key (BADKEY)"
                hint = f"is key {shown_key} in the server's configuration, and does its ACL let the key update? "
                hint += "Knot says BADKEY to both"
            case dns.tsig.PeerBadSignature():
                said, hint = (
                    "finds its signature wrong (BADSIG)",
                    "the secret, or the algorithm, differs from the server's",
                )
            case dns.tsig.PeerBadTime():
                said, hint = "finds its time wrong (BADTIME)", "the clocks of this host and of the server differ"
            case _:
                said, hint = f"refuses the signature ({type(error).__name__})", ""
        return DnsRefused(f"{name}: key {shown_key} of dns.{self._name}: {self._server} {said}", hint=hint)


def build(name: str, settings: Settings, around: ProviderContext) -> Rfc2136:
    """From a checked table of the configuration."""
    reference = settings.text("tsig")
    return Rfc2136(
        name,
        server=settings.text("server"),
        secret=lambda: around.secrets(reference),
        zone=settings.text("zone"),
        ttl=settings.number("ttl", 60),
    )


def _ask_tcp(message: dns.message.Message, address: str, port: int, seconds: float) -> dns.message.Message:
    """Ask one address, and read the reply though it is unsigned; a signature that is there is verified.

    Unlike ``dns.query.tcp``, which finds any unsigned reply to a signed message malformed and hides its code.

    Raises:
        EOFError, OSError, ValueError, dns.exception.DNSException: As ``dns.query.tcp`` does.
    """
    expires = time.time() + seconds  # the clock that dnspython reads
    try:
        connection = socket.create_connection((address, port), timeout=max(seconds, 0.001))
    except TimeoutError as error:
        raise dns.exception.Timeout from error
    with connection:
        connection.setblocking(False)
        dns.query.send_tcp(connection, message.to_wire(), expires)
        # False reads a signature without verifying it; dnspython's annotation forgets this value.
        reply, _ = dns.query.receive_tcp(connection, expires, keyring=False)  # type: ignore[arg-type]
    if reply.had_tsig:
        reply = dns.message.from_wire(reply.wire or b"", keyring=message.keyring, request_mac=message.mac)
    if not message.is_response(reply):
        raise dns.query.BadResponse
    return reply


def _txt(value: str) -> dns.rdata.Rdata:
    if not value.isascii() or len(value) > 255:
        raise DnsRefused(f'"{display_name(value)}" is not a validation value')
    return dns.rdtypes.ANY.TXT.TXT(dns.rdataclass.IN, dns.rdatatype.TXT, [value.encode("ascii")])


def _apex_in(reply: dns.message.Message, name: dns.name.Name) -> dns.name.Name | None:
    """The zone that an authoritative reply to a SOA query stands for."""
    if not reply.flags & dns.flags.AA:
        return None
    if any(rrset.rdtype == dns.rdatatype.CNAME for rrset in reply.answer):
        return None
    for rrset in (*reply.answer, *reply.authority):
        if rrset.rdtype == dns.rdatatype.SOA and name.is_subdomain(rrset.name):
            return rrset.name
    return None
