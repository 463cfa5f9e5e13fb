"""The contract of ``ports.DnsProvider``: over a real BIND (rfc2136, and exec by programs written for lego and for
certbot), over the responder, over stand-ins of the vendors' APIs, and over the fake.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from certd.dns.dynamic_update import Rfc2136
from certd.dns.providers.acme_dns import AcmeDns
from certd.dns.providers.cloudflare import Cloudflare
from certd.dns.providers.lexicon import Lexicon
from certd.dns.providers.program import Exec
from certd.dns.providers.route53 import REGION, Route53
from certd.dns.responder.provider import Responder
from certd.dns.responder.snapshot import ServedZone
from certd.errors import DnsRefused, DnsUnreachable
from certd.model import Secret, TxtRecord, ZoneRecord
from certd.ports import DnsProvider
from certd.system.amazon import Signer
from certd.system.egress import Egress
from certd.system.network import Network
from tests.lab.bind import Bind
from tests.lab.hooks import certbot_hooks, lego_program
from tests.lab.ports import free_port
from tests.lab.vendors import FakeAcmeDns, FakeCloudflare, FakePowerDns, FakeRoute53, Vendor

ZONE = "example.test"
NAME = "_acme-challenge.link.example.test"


@dataclass
class FakeProvider:
    """The simplest thing that keeps the contract."""

    values: dict[str, set[str]] = field(default_factory=dict)
    name: str = "fake"

    def zone_of(self, name: str) -> str:
        return ZONE

    def wanted(self, name: str) -> tuple[ZoneRecord, ...]:
        return ()

    def add(self, *records: TxtRecord) -> None:
        for each in records:
            self.values.setdefault(each.name, set()).add(each.value)

    def remove(self, record: TxtRecord) -> None:
        self.values.get(record.name, set()).discard(record.value)


@dataclass
class Bench:
    provider: DnsProvider
    shown: Callable[[str], set[str]]
    name: str = NAME
    removes: bool = True


@pytest.fixture(scope="module")
def bind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bind]:
    """One BIND for the module."""
    folder = tmp_path_factory.mktemp("bind")
    with Bind(folder, {ZONE: '@ IN NS ns1\nns1 IN A 192.0.2.1\n_acme-challenge.link IN TXT "neighbour"'}) as made:
        yield made


def sender() -> Egress:
    return Egress(Network(), user_agent="certd tests")


def over_cloudflare(vendor: Vendor, token: str = "right") -> Cloudflare:
    return Cloudflare("cf", sender=sender, token=lambda: Secret(token), api=vendor.url)


def over_route53(vendor: Vendor, token: str = "right") -> Route53:
    os.environ.update(AWS_ACCESS_KEY_ID=token, AWS_SECRET_ACCESS_KEY="s3cret", AWS_EC2_METADATA_DISABLED="true")
    return Route53("aws", sender=sender, signer=Signer("route53", REGION), api=vendor.url)


def over_acme_dns(vendor: Vendor, password: str = "right") -> AcmeDns:
    assert isinstance(vendor, FakeAcmeDns)
    return AcmeDns("ad", server=vendor.url, sender=sender, accounts=lambda: Secret(vendor.accounts(password)))


def over_lexicon(vendor: Vendor, token: str = "right") -> Lexicon:
    options = {"auth_token": token, "pdns_server": vendor.url, "pdns_server_id": "localhost"}
    return Lexicon("lx", "powerdns", options=lambda: options)


VENDORS: dict[str, tuple[type[Vendor], Callable[..., DnsProvider]]] = {
    "cloudflare": (FakeCloudflare, over_cloudflare),
    "route53": (FakeRoute53, over_route53),
    "acme-dns": (FakeAcmeDns, over_acme_dns),
    "lexicon": (FakePowerDns, over_lexicon),
}

on_bind = pytest.mark.lab("bind")


@pytest.fixture(
    params=[
        "fake",
        pytest.param("bind", marks=on_bind),
        pytest.param("lego", marks=on_bind),
        pytest.param("certbot", marks=on_bind),
        "responder",
        *VENDORS,
    ]
)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    match request.param:
        case "fake":
            fake = FakeProvider()
            yield Bench(fake, lambda name: fake.values.get(name, set()))
        case "bind":
            made: Bind = request.getfixturevalue("bind")
            provider = Rfc2136("corp", server=f"127.0.0.1:{made.port}", secret=lambda: Secret(made.key()))
            yield Bench(provider, made.txt)
        case "lego":
            made = request.getfixturevalue("bind")
            program = str(lego_program(tmp_path, made))
            yield Bench(Exec("own", add=[program], remove=[program]), made.txt)
        case "certbot":
            made = request.getfixturevalue("bind")
            auth, cleanup = map(str, certbot_hooks(tmp_path, made))
            yield Bench(Exec("own", add=[auth], remove=[cleanup], style="certbot"), made.txt)
        case "responder":
            yield from over_responder()
        case _:
            kind, make = VENDORS[request.param]
            with kind() as vendor:
                if isinstance(vendor, FakeAcmeDns):
                    yield Bench(make(vendor), vendor.shown, name=vendor.full, removes=False)
                else:
                    yield Bench(make(vendor), vendor.shown)


def over_responder() -> Iterator[Bench]:
    port = free_port()
    zone = ServedZone(apex=ZONE, nameservers=("ns1.example.test",))
    responder = Responder("own", zones=[zone], listen=[f"127.0.0.1:{port}"])
    responder.start()

    def shown(name: str) -> set[str]:
        reply = dns.query.udp(dns.message.make_query(name, dns.rdatatype.TXT), "127.0.0.1", port=port, timeout=5)
        return {b"".join(rdata.strings).decode() for rrset in reply.answer for rdata in rrset}

    yield Bench(responder, shown)
    responder.close()


def record(value: str, name: str = NAME) -> TxtRecord:
    return TxtRecord(zone=ZONE, name=name, value=value)


def test_adding_a_second_value_keeps_the_first(bench: Bench) -> None:
    """A name and its wildcard are validated by two values at one name."""
    bench.provider.add(record("one", bench.name))
    bench.provider.add(record("two", bench.name))
    assert {"one", "two"} <= bench.shown(bench.name)


def test_two_values_at_once(bench: Bench) -> None:
    """They stand beside what was there, and repeating changes nothing."""
    before = bench.shown(bench.name)
    for _ in range(2):
        bench.provider.add(record("both-1", bench.name), record("both-2", bench.name))
    assert {"both-1", "both-2"} <= bench.shown(bench.name)
    assert bench.removes is False or bench.shown(bench.name) == before | {"both-1", "both-2"}


def test_presenting_again_after_a_crash_changes_nothing(bench: Bench) -> None:
    """Repeating is harmless, in the order of the first time."""
    for value in ("one", "two"):
        bench.provider.add(record(value, bench.name))
    before = bench.shown(bench.name)
    for value in ("one", "two"):
        bench.provider.add(record(value, bench.name))
    assert bench.shown(bench.name) == before


def test_removing_one_keeps_the_others(bench: Bench) -> None:
    """A neighbour's value is never touched."""
    bench.provider.add(record("ours", bench.name))
    bench.provider.add(record("a-neighbours", bench.name))
    before = bench.shown(bench.name)
    bench.provider.remove(record("ours", bench.name))
    assert bench.shown(bench.name) == before - ({"ours"} if bench.removes else set())


def test_removing_the_last_leaves_nothing_behind(bench: Bench) -> None:
    """And adding works again after it."""
    if not bench.removes:
        return
    name = "_acme-challenge.alone.example.test"
    for _ in range(2):
        bench.provider.add(record("only", name))
        assert bench.shown(name) == {"only"}
        bench.provider.remove(record("only", name))
        assert bench.shown(name) == set()


def test_removing_what_is_absent_succeeds(bench: Bench) -> None:
    """Whoever comes next settles what was settled already."""
    bench.provider.remove(record("never-added"))
    bench.provider.remove(record("never-added", "_acme-challenge.nowhere.example.test"))


def test_it_knows_its_zone(bench: Bench) -> None:
    """The zone of a name, or empty where it need not know."""
    assert bench.provider.zone_of(bench.name) in {ZONE, ""}


# ------------------------------------------------------------------------------------ vendors alone


@pytest.mark.parametrize("which", VENDORS)
def test_a_vendor_that_refuses_the_credential(which: str) -> None:
    """It is named by its setting, and never shown."""
    kind, make = VENDORS[which]
    words = {"cloudflare": "dns.cf.token", "route53": "AWS credentials", "acme-dns": "dns.ad", "lexicon": "dns.lx"}
    with kind() as vendor:
        name = vendor.full if isinstance(vendor, FakeAcmeDns) else NAME
        provider = make(vendor, "wr0ng-s3cret")
        with pytest.raises(DnsRefused) as refused:
            provider.add(record("x", name))
    said = str(refused.value) + refused.value.hint
    assert words[which] in said
    assert "wr0ng-s3cret" not in said


@pytest.mark.parametrize("which", ["cloudflare", "route53", "acme-dns"])
def test_a_vendor_that_is_out_of_order(which: str) -> None:
    """Unreachable, not refused: a fact about the lane."""
    kind, make = VENDORS[which]
    with kind() as vendor:
        name = vendor.full if isinstance(vendor, FakeAcmeDns) else NAME
        for status in (429, 502):
            vendor.down = status
            with pytest.raises(DnsUnreachable, match=str(status)):
                make(vendor).add(record("x", name))


@pytest.mark.parametrize("which", ["cloudflare", "route53"])
def test_a_vendor_without_the_zone(which: str) -> None:
    """The name is named."""
    kind, make = VENDORS[which]
    with kind() as vendor, pytest.raises(DnsRefused, match=r"_acme-challenge\.other\.org: dns\..* zone"):
        make(vendor).zone_of("_acme-challenge.other.org")


def test_route53_never_overwrites_a_change_in_between() -> None:
    """Somebody adds a value between our reading and our writing: both are there at the end."""
    with FakeRoute53() as vendor:
        added = iter(["theirs"])

        def meddle() -> None:
            for value in added:
                vendor.values[NAME].append(value)

        vendor.before_write = meddle
        over_route53(vendor).add(record("ours"))
        assert vendor.shown(NAME) == {"neighbour", "theirs", "ours"}


def test_acme_dns_without_a_registration() -> None:
    """The full domains that there are, are named; passwords are not."""
    with FakeAcmeDns() as vendor, pytest.raises(DnsRefused) as refused:
        over_acme_dns(vendor, "p4ss").add(record("x", "other.auth.example.test"))
    assert "d420.auth.example.test" in str(refused.value)
    assert "p4ss" not in str(refused.value)


def test_a_vendor_of_lexicon_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child is killed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        options = {"auth_token": "x", "pdns_server": f"http://127.0.0.1:{listener.getsockname()[1]}"}
        provider = Lexicon("lx", "powerdns", options=lambda: options, timeout=timedelta(seconds=2))
        with pytest.raises(DnsUnreachable, match="powerdns was silent for 2 s"):
            provider.add(record("x"))


# ------------------------------------------------------------------------------------ exec alone


def test_a_program_that_fails_or_hangs(tmp_path: Path) -> None:
    """Its own words reach the operator; the deadline ends it."""
    program = tmp_path / "dns"
    program.write_text("#!/bin/sh\necho the token has expired; exit 7\n")
    program.chmod(0o755)
    with pytest.raises(DnsRefused, match=r"ended with 7: the token has expired"):
        Exec("own", add=[str(program)], remove=[str(program)]).add(record("x"))
    program.write_text("#!/bin/sh\nsleep 60\n")
    with pytest.raises(DnsUnreachable, match="was ended after 1 s"):
        Exec("own", add=[str(program)], remove=[], timeout=timedelta(seconds=1)).add(record("x"))
    with pytest.raises(DnsRefused, match="cannot be run"):
        Exec("own", add=["/nowhere/dns"], remove=[]).add(record("x"))


def test_a_program_gets_its_secrets_and_nothing_strange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the configuration names is in its environment, what certd has besides is not, and a name is a name."""
    program = tmp_path / "dns"
    program.write_text(f'#!/bin/sh\necho "$1 $2 $3 $API_TOKEN $CERTD_SECRET" >> {tmp_path}/out\n')
    program.chmod(0o755)
    monkeypatch.setenv("CERTD_SECRET", "ours")
    provider = Exec("own", add=[str(program)], remove=[str(program)], environment=lambda: {"API_TOKEN": "t0"})
    provider.add(record("v-1"))
    provider.remove(record("v-1"))
    assert (tmp_path / "out").read_text().splitlines() == [f"present {NAME}. v-1 t0 ", f"cleanup {NAME}. v-1 t0 "]
    for name, value in ((NAME, "$(reboot)"), ("a;b.example.test", "x"), ("-rf.example.test", "x")):
        with pytest.raises(DnsRefused, match="nothing that a program may be given"):
            provider.add(record(value, name))


# ------------------------------------------------------------------------------------ rfc2136 alone


def at(bind: Bind, key: str) -> Rfc2136:
    """A provider with another key."""
    return Rfc2136("corp", server=f"127.0.0.1:{bind.port}", secret=lambda: Secret(key))


WRONG_KEYS: dict[str, tuple[Callable[[Bind], str], str]] = {
    "a wrong secret": (lambda bind: bind.key(secret="d3Jvbmc="), "finds its signature wrong (BADSIG)"),
    "an unknown key": (lambda bind: bind.key("nobody"), "does not know the key (BADKEY)"),
    "a key without the right": (lambda bind: bind.key("stranger"), "answers REFUSED to an update of zone example.test"),
    "no key at all": (lambda bind: "hello", "is no TSIG key"),
    "another algorithm": (
        lambda bind: bind.key().replace("hmac-sha256", "hmac-sha512"),
        "does not know the key (BADKEY)",
    ),
}


@pytest.mark.lab("bind")
@pytest.mark.parametrize("name", WRONG_KEYS)
def test_credentials_that_do_not_fit(bind: Bind, name: str) -> None:
    """Said in one sentence that names the key and the server, and never shows the secret."""
    key, words = WRONG_KEYS[name]
    with pytest.raises(DnsRefused) as refused:
        at(bind, key(bind)).add(record("x"))
    assert words in str(refused.value)
    assert bind.secret not in str(refused.value) + refused.value.hint


@pytest.mark.lab("bind")
def test_a_zone_that_the_server_does_not_have(bind: Bind) -> None:
    """The way out names the setting."""
    with pytest.raises(DnsRefused, match="NOTAUTH"):
        at(bind, bind.key()).add(TxtRecord(zone="other.test", name="_acme-challenge.other.test", value="x"))
    with pytest.raises(DnsRefused, match="holds no zone for it"):
        at(bind, bind.key()).zone_of("_acme-challenge.other.test")


@pytest.mark.lab("bind")
def test_values_of_one_zone_go_in_one_update(bind: Bind) -> None:
    """BIND tells its secondaries of a second change five seconds later. Two names of one zone share an update, too."""

    def serial() -> int:
        reply = dns.query.tcp(dns.message.make_query(ZONE, "SOA"), "127.0.0.1", port=bind.port, timeout=2)
        return int(reply.answer[0][0].serial)

    other = "_acme-challenge.other.example.test"
    before = serial()
    at(bind, bind.key()).add(record("both-1"), record("both-2"), record("both-3", other))
    assert {"both-1", "both-2", "neighbour"} <= bind.txt(NAME)
    assert bind.txt(other) == {"both-3"}
    assert serial() == before + 1
    for each in (record("both-1"), record("both-2"), record("both-3", other)):
        at(bind, bind.key()).remove(each)
    assert "neighbour" in bind.txt(NAME)


def test_route53_takes_two_values_in_one_change() -> None:
    """A second change would wait for the first to reach every server."""
    writes = []
    with FakeRoute53() as vendor:
        vendor.before_write = lambda: writes.append("write")
        over_route53(vendor).add(record("one"), record("two"))
        assert vendor.shown(NAME) == {"neighbour", "one", "two"}
    assert len(writes) == 1


@pytest.mark.lab("bind")
def test_a_neighbours_ttl_is_kept(bind: Bind) -> None:
    """An update with another TTL would change the TTL of all values at the name (RFC 2136 section 3.4.2.2)."""
    name = "_acme-challenge.shared.example.test"

    def ttls() -> set[int]:
        query = dns.message.make_query(name, "TXT")
        return {rrset.ttl for rrset in dns.query.tcp(query, "127.0.0.1", port=bind.port, timeout=2).answer}

    provider = at(bind, bind.key())
    provider.add(record("alone", name))
    assert ttls() == {60}
    provider.remove(record("alone", name))
    bind.add(name, "TXT", '"neighbour"', ttl=3600)
    provider.add(record("ours", name))
    assert bind.txt(name) == {"neighbour", "ours"}
    assert ttls() == {3600}
    provider.remove(record("ours", name))
    assert ttls() == {3600}
    bind.remove(name, "TXT", '"neighbour"')


def test_a_server_that_is_away() -> None:
    """Unreachable, not refused: a fact about the lane."""
    provider = Rfc2136("corp", server=f"127.0.0.1:{free_port()}", secret=lambda: Secret("k:hmac-sha256:c2VjcmV0"))
    with pytest.raises(DnsUnreachable, match="refused"):
        provider.add(record("x"))


# ------------------------------------------------------------------------------------ unsigned replies

SOA = "ns1.example.test. hostmaster.example.test. 1 60 60 60 60"


@contextmanager
def answering(update_code: dns.rcode.Rcode, *, bare: bool = False, refuses_strangers: bool = False) -> Iterator[int]:
    """A server that answers everything unsigned: SOA questions truly, updates by a code.

    Args:
        bare: The refusal is a header of 12 bytes and nothing else, as NSD sends it.
        refuses_strangers: An unsigned question is refused.
    """

    def reply_to(wire: bytes) -> bytes:
        asked = dns.message.from_wire(wire, keyring=False, ignore_trailing=True)
        reply = dns.message.Message(id=asked.id)
        reply.flags = dns.flags.QR
        if asked.opcode() == dns.opcode.UPDATE:
            reply.set_opcode(dns.opcode.UPDATE)
            reply.set_rcode(update_code)
        elif refuses_strangers and not asked.had_tsig:
            reply.set_rcode(dns.rcode.REFUSED)
        else:
            reply.flags |= dns.flags.AA
            apex = dns.name.from_text(ZONE)
            reply.authority.append(dns.rrset.from_text(apex, 60, "IN", "SOA", SOA))
        if not bare or asked.opcode() != dns.opcode.UPDATE:
            reply.question = asked.question
        return reply.to_wire()

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                length = int.from_bytes(connection.recv(2), "big")
                answer = reply_to(connection.recv(length))
                connection.sendall(len(answer).to_bytes(2, "big") + answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def keyed(port: int) -> Rfc2136:
    """A provider that signs with a key of no meaning."""
    return Rfc2136("corp", server=f"127.0.0.1:{port}", secret=lambda: Secret("k:hmac-sha256:c2VjcmV0"))


UNSIGNED: dict[str, tuple[dns.rcode.Rcode, bool, str]] = {
    "PowerDNS, wrong secret; dnsmasq": (dns.rcode.REFUSED, False, "with this secret? or does it take no updates"),
    "a bare REFUSED": (dns.rcode.REFUSED, True, "with this secret? or does it take no updates"),
    "Knot, no right": (dns.rcode.NOTAUTH, False, "does it let key k update it"),
    "NSD and CoreDNS": (dns.rcode.NOTIMP, True, "takes no updates"),
}


@pytest.mark.parametrize("name", UNSIGNED)
def test_an_unsigned_refusal_is_read(name: str) -> None:
    """The zone is found, and the code and its meaning are said, not "something that is not DNS"."""
    code, bare, hint = UNSIGNED[name]
    with answering(code, bare=bare) as port:
        provider = keyed(port)
        assert provider.zone_of("_acme-challenge.link.example.test") == ZONE
        with pytest.raises(DnsRefused) as refused:
            provider.add(record("x"))
    assert f"answers {dns.rcode.to_text(code)}, unsigned, to an update of zone {ZONE}" in str(refused.value)
    assert hint in refused.value.hint


def test_an_unsigned_success_is_no_success() -> None:
    """Anybody on the way could have said it."""
    with answering(dns.rcode.NOERROR) as port, pytest.raises(DnsRefused, match="without a signature"):
        keyed(port).add(record("x"))


def test_a_server_that_answers_no_strangers_is_asked_signed() -> None:
    """BIND's allow-query with a key."""
    with answering(dns.rcode.NOERROR, refuses_strangers=True) as port:
        assert keyed(port).zone_of("_acme-challenge.link.example.test") == ZONE


@pytest.mark.lab("bind")
def test_badkey_names_the_acl_too(bind: Bind) -> None:
    """Knot says BADKEY for what its ACL does not permit."""
    with pytest.raises(DnsRefused) as refused:
        at(bind, bind.key("nobody")).add(record("x"))
    assert "in the server's configuration, and does its ACL let the key update?" in refused.value.hint


def test_the_responder_refuses_foreign_names(tmp_path: Path) -> None:
    """What it does not serve is refused with the record that would help."""
    responder = Responder("own", zones=[ServedZone(apex="acme.example.test")], listen=[])
    with pytest.raises(DnsRefused) as refused:
        responder.add(record("x", "_acme-challenge.link.example.org"))
    assert "link.example.org.acme.example.test" in refused.value.hint
