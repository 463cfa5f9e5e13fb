"""The contract of ``ports.DnsProvider``, over a real BIND, over the responder and over the fake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dns.message
import dns.query
import dns.rdatatype
import pytest

from certd.dns.providers.responder import Responder
from certd.dns.providers.rfc2136 import Rfc2136
from certd.dns.responder.snapshot import ServedZone
from certd.errors import DnsRefused, DnsUnreachable
from certd.model import Secret
from certd.ports import DnsProvider, TxtRecord
from tests.lab.bind import Bind
from tests.lab.ports import free_port

ZONE = "example.test"
NAME = "_acme-challenge.link.example.test"


@dataclass
class FakeProvider:
    """The simplest thing that keeps the contract."""

    values: dict[str, set[str]] = field(default_factory=dict)
    name: str = "fake"

    def zone_of(self, name: str) -> str:
        return ZONE

    def add(self, record: TxtRecord) -> None:
        self.values.setdefault(record.name, set()).add(record.value)

    def remove(self, record: TxtRecord) -> None:
        self.values.get(record.name, set()).discard(record.value)


@dataclass
class Bench:
    provider: DnsProvider
    shown: Callable[[str], set[str]]


@pytest.fixture(scope="module")
def bind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bind]:
    """One BIND for the module."""
    folder = tmp_path_factory.mktemp("bind")
    with Bind(folder, {ZONE: '@ IN NS ns1\nns1 IN A 192.0.2.1\n_acme-challenge.link IN TXT "neighbour"'}) as made:
        yield made


@pytest.fixture(params=["fake", pytest.param("bind", marks=pytest.mark.lab("bind")), "responder"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    match request.param:
        case "fake":
            fake = FakeProvider()
            yield Bench(fake, lambda name: fake.values.get(name, set()))
        case "bind":
            made: Bind = request.getfixturevalue("bind")
            provider = Rfc2136("corp", server=f"127.0.0.1:{made.port}", secret=lambda: Secret(made.key()))
            yield Bench(provider, made.txt)
        case _:
            port = free_port()
            zone = ServedZone(apex=ZONE, nameservers=("ns1.example.test",))
            responder = Responder("own", zones=[zone], listen=[f"127.0.0.1:{port}"])
            responder.start()

            def shown(name: str) -> set[str]:
                reply = dns.query.udp(
                    dns.message.make_query(name, dns.rdatatype.TXT), "127.0.0.1", port=port, timeout=5
                )
                return {b"".join(rdata.strings).decode() for rrset in reply.answer for rdata in rrset}

            yield Bench(responder, shown)
            responder.close()


def record(value: str, name: str = NAME) -> TxtRecord:
    return TxtRecord(zone=ZONE, name=name, value=value)


def test_adding_a_second_value_keeps_the_first(bench: Bench) -> None:
    """A name and its wildcard are validated by two values at one name."""
    bench.provider.add(record("one"))
    bench.provider.add(record("two"))
    assert {"one", "two"} <= bench.shown(NAME)


def test_adding_what_is_there_changes_nothing(bench: Bench) -> None:
    """Repeating is harmless."""
    bench.provider.add(record("one"))
    before = bench.shown(NAME)
    bench.provider.add(record("one"))
    assert bench.shown(NAME) == before


def test_removing_one_keeps_the_others(bench: Bench) -> None:
    """A neighbour's value is never touched."""
    bench.provider.add(record("ours"))
    bench.provider.add(record("a neighbour's"))
    before = bench.shown(NAME)
    bench.provider.remove(record("ours"))
    assert bench.shown(NAME) == before - {"ours"}


def test_removing_what_is_absent_succeeds(bench: Bench) -> None:
    """Whoever comes next settles what was settled already."""
    bench.provider.remove(record("never added"))
    bench.provider.remove(record("never added", "_acme-challenge.nowhere.example.test"))


def test_it_knows_its_zone(bench: Bench) -> None:
    """The zone of a name, or empty where it need not know."""
    assert bench.provider.zone_of(NAME) in {ZONE, ""}


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
        lambda bind: bind.key().replace("hmac-sha256", "hmac-sha512"), "does not know the key (BADKEY)"),
}  # fmt: skip


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


def test_a_server_that_is_away() -> None:
    """Unreachable, not refused: a fact about the lane."""
    provider = Rfc2136("corp", server=f"127.0.0.1:{free_port()}", secret=lambda: Secret("k:hmac-sha256:c2VjcmV0"))
    with pytest.raises(DnsUnreachable, match="refused"):
        provider.add(record("x"))


def test_the_responder_refuses_foreign_names(tmp_path: Path) -> None:
    """What it does not serve is refused with the record that would help."""
    responder = Responder("own", zones=[ServedZone(apex="acme.example.test")], listen=[])
    with pytest.raises(DnsRefused) as refused:
        responder.add(record("x", "_acme-challenge.link.example.org"))
    assert "link.example.org.acme.example.test" in refused.value.hint
