"""The contract of ``ports.Challenges``: dns-01 over a real BIND, over the model DNS, and over servers that lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import dns.message
import dns.name
import dns.rdatatype
import pytest

from certd.dns.addresses import host_and_port
from certd.dns.authoritative import ZoneFinder
from certd.dns.challenges import Dns01
from certd.dns.dynamic_update import Rfc2136
from certd.dns.exchange import Deadline, Reply
from certd.dns.resolvers import Resolvers
from certd.errors import DnsRefused, DnsUnreachable
from certd.model import Secret, TxtCleanup, TxtRecord
from certd.system.clock import SystemClock
from tests.lab.bind import Bind
from tests.lab.ports import free_port

pytestmark = pytest.mark.lab("bind")

LINK = "_acme-challenge.link.example.test"
PARENT = """
@ IN NS ns1.test.
ns1 IN A 192.0.2.9
example IN NS ns1.example
example IN NS ns2.example
ns1.example IN A 192.0.2.1
ns2.example IN A 192.0.2.2
acme IN NS ns1.acme
ns1.acme IN A 192.0.2.1
"""
EXAMPLE = """
@ IN NS ns1
@ IN NS ns2
ns1 IN A 192.0.2.1
ns2 IN A 192.0.2.2
_acme-challenge.link IN TXT "neighbour"
_acme-challenge.away IN CNAME away.acme.test.
_acme-challenge.round IN CNAME round.example.test.
round IN CNAME _acme-challenge.round.example.test.
"""
ACME = "@ IN NS ns1\nns1 IN A 192.0.2.1\n"


@dataclass
class Bench:
    primary: Bind
    secondary: Bind
    elsewhere: dict[str, str]
    solver: Dns01

    def cleanup(self, name: str = LINK, value: str = "our-value") -> TxtCleanup:
        """What is owed for a name."""
        return TxtCleanup(provider="corp", name=name, value=value, made_at=datetime.now(UTC))


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bind, Bind]]:
    """A primary for the parent and both zones, and a second server whose copy of one zone is its own."""
    folder = tmp_path_factory.mktemp("bind")
    primary = Bind(folder / "one", {"test": PARENT, "example.test": EXAMPLE, "acme.test": ACME})
    secondary = Bind(folder / "two", {"example.test": EXAMPLE}, secret=primary.secret)
    with primary, secondary:
        yield primary, secondary


@pytest.fixture
def bench(servers: tuple[Bind, Bind]) -> Bench:
    primary, secondary = servers
    elsewhere = {
        "192.0.2.9": f"127.0.0.1:{primary.port}",
        "192.0.2.1": f"127.0.0.1:{primary.port}",
        "192.0.2.2": f"127.0.0.1:{secondary.port}",
    }
    resolvers = Resolvers([f"127.0.0.1:{primary.port}"], patience=1.0)
    authority = ZoneFinder(resolvers, ports_of=lambda a: host_and_port(elsewhere[a], 53), patience=0.5)
    provider = Rfc2136("corp", server=f"127.0.0.1:{primary.port}", secret=lambda: Secret(primary.key()))
    return Bench(primary, secondary, elsewhere, Dns01({"corp": provider}, authority, SystemClock()))


def second(bench: Bench) -> Rfc2136:
    """An operator's hand on the second server."""
    return Rfc2136("two", server=f"127.0.0.1:{bench.secondary.port}", secret=lambda: Secret(bench.secondary.key()))


class Counting(Resolvers):
    """Counts how often the enclosing zone is asked for."""

    def __init__(self, addresses: Sequence[str]) -> None:
        super().__init__(addresses, patience=1.0)
        self.zones_asked: list[str] = []

    def ask(self, name: dns.name.Name, kind: dns.rdatatype.RdataType, *rest: Any, **more: Any) -> dns.message.Message:
        """As it would."""
        if kind == dns.rdatatype.SOA:
            self.zones_asked.append(name.to_text())
        return super().ask(name, kind, *rest, **more)


def test_the_zone_of_a_name_is_asked_once_for_an_order(bench: Bench) -> None:
    """Before it, to publish, and to see it everywhere: the same zone; a minute later it may be another."""
    resolvers, clock = Counting([f"127.0.0.1:{bench.primary.port}"]), [0.0]
    authority = ZoneFinder(
        resolvers, ports_of=lambda a: host_and_port(bench.elsewhere[a], 53), patience=0.5, monotonic=lambda: clock[0]
    )
    for seconds, asked in ((0.0, 1), (1.0, 1), (5.0, 1), (60.0, 2)):
        clock[0] = seconds
        assert authority.follow(LINK, Deadline(10)).zone.name == "example.test"
        assert resolvers.zones_asked.count(f"{LINK}.") == asked


class Listening(ZoneFinder):
    """Notes the type of each question to an authoritative server."""

    kinds: ClassVar[list[str]] = []

    def ask(self, query: dns.message.Message, address: str, deadline: Deadline) -> Reply:
        """As it would."""
        self.kinds.append(dns.rdatatype.to_text(query.question[0].rdtype))
        return super().ask(query, address, deadline)


def test_no_txt_question_before_the_value_is_published(bench: Bench) -> None:
    """A cache in front of a server (dnsdist) would keep the NXDOMAIN, and answer it to the CA."""
    authority = Listening(
        Resolvers([f"127.0.0.1:{bench.primary.port}"], patience=1.0),
        ports_of=lambda a: host_and_port(bench.elsewhere[a], 53),
        patience=0.5,
    )
    provider = Rfc2136("corp", server=f"127.0.0.1:{bench.primary.port}", secret=lambda: Secret(bench.primary.key()))
    solver = Dns01({"corp": provider}, authority, SystemClock())
    authority.kinds.clear()
    assert solver.undelegated("corp", ["early.example.test"]) is None
    (cleanup,) = solver.present(bench.cleanup("_acme-challenge.early.example.test"))
    assert authority.kinds
    assert "TXT" not in authority.kinds
    solver.spread(cleanup)
    assert "TXT" in authority.kinds
    solver.settle(cleanup)


def test_a_value_is_seen_only_where_every_server_shows_it(bench: Bench) -> None:
    """One server that lags is named, with what it says and what was expected; when it caught up all is well."""
    (cleanup,) = bench.solver.present(bench.cleanup())
    assert (cleanup.target, cleanup.zone) == (LINK, "example.test")
    assert cleanup.added_at is not None
    lagging = bench.solver.spread(cleanup)
    assert not lagging.everywhere
    assert "ns2.example.test (192.0.2.2)" in lagging.because
    assert '"our-value"' in lagging.because
    second(bench).add(TxtRecord(zone="example.test", name=LINK, value="our-value"))
    assert bench.solver.spread(cleanup).everywhere
    bench.solver.settle(cleanup)
    assert bench.primary.txt(LINK) == {"neighbour"}
    bench.solver.settle(cleanup)
    second(bench).remove(TxtRecord(zone="example.test", name=LINK, value="our-value"))


def test_presenting_twice_does_no_harm(bench: Bench) -> None:
    """A crash in between makes it happen."""
    (cleanup,) = bench.solver.present(bench.cleanup(value="twice"))
    bench.solver.present(bench.cleanup(value="twice"))
    assert bench.primary.txt(LINK) == {"neighbour", "twice"}
    bench.solver.settle(cleanup)


def test_a_debt_without_a_target_is_settled_where_the_cnames_lead(bench: Bench) -> None:
    """Its holder died between adding the value and writing down where."""
    away = bench.cleanup("_acme-challenge.away.example.test")
    (cleanup,) = bench.solver.present(away)
    assert (cleanup.target, cleanup.zone) == ("away.acme.test", "acme.test")
    assert bench.primary.txt("away.acme.test") == {"our-value"}
    bench.solver.settle(away)
    assert bench.primary.txt("away.acme.test") == set()


def test_a_cname_into_another_zone_is_followed(bench: Bench) -> None:
    """The value goes to the target; every server on the way must point there. The second one does, by its own copy."""
    (cleanup,) = bench.solver.present(bench.cleanup("_acme-challenge.away.example.test", "followed"))
    spread = bench.solver.spread(cleanup)
    assert spread.everywhere, spread.because
    bench.solver.settle(cleanup)


def test_a_cname_loop_is_refused(bench: Bench) -> None:
    """It is said step by step."""
    with pytest.raises(DnsRefused, match="run in a loop"):
        bench.solver.present(bench.cleanup("_acme-challenge.round.example.test"))


def test_a_silent_server_is_named(bench: Bench) -> None:
    """A server that does not answer is no reason to guess."""
    (cleanup,) = bench.solver.present(bench.cleanup(value="silent"))
    bench.elsewhere["192.0.2.2"] = f"127.0.0.1:{free_port()}"
    spread = bench.solver.spread(cleanup)
    assert not spread.everywhere
    assert "ns2.example.test (192.0.2.2) does not answer" in spread.because
    bench.solver.settle(cleanup)


def test_a_server_that_lies_is_named(bench: Bench, tmp_path: Path) -> None:
    """Another value than ours, from a server that claims authority."""
    lying = {"example.test": EXAMPLE + '_acme-challenge.lie IN TXT "something else"\n'}
    with Bind(tmp_path, lying) as liar:
        bench.elsewhere["192.0.2.2"] = f"127.0.0.1:{liar.port}"
        (cleanup,) = bench.solver.present(bench.cleanup("_acme-challenge.lie.example.test"))
        spread = bench.solver.spread(cleanup)
        assert 'answers "something else", expected "our-value"' in spread.because
        bench.solver.settle(cleanup)


def test_a_server_that_refuses_is_named(bench: Bench, tmp_path: Path) -> None:
    """A server that does not have the zone (a lame delegation)."""
    with Bind(tmp_path, {"other.test": "@ IN NS ns1\nns1 IN A 192.0.2.1"}) as lame:
        bench.elsewhere["192.0.2.2"] = f"127.0.0.1:{lame.port}"
        (cleanup,) = bench.solver.present(bench.cleanup(value="lame"))
        spread = bench.solver.spread(cleanup)
        assert not spread.everywhere
        assert "REFUSED" in spread.because
        bench.solver.settle(cleanup)


def test_no_resolver_answers(bench: Bench) -> None:
    """A fact about the lane."""
    authority = ZoneFinder(Resolvers([f"127.0.0.1:{free_port()}"], patience=0.3))
    solver = Dns01({"corp": second(bench)}, authority, SystemClock())
    with pytest.raises(DnsUnreachable, match="no resolver answers"):
        solver.present(bench.cleanup())


def test_a_provider_that_is_gone_from_the_configuration(bench: Bench) -> None:
    """What it owes is said, with both ways out."""
    with pytest.raises(DnsRefused, match="is not configured on this node"):
        bench.solver.settle(replace(bench.cleanup(), provider="gone"))
