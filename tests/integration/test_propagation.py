"""What keeps a value from being seen, each in its own words: real BINDs, one lagging, one lame, one broken, signed well
and badly, behind an internal view, and none at all; and that nothing of it blocks for ever.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.message
import dns.query
import dns.rdatatype
import pytest

from certd.dns.addresses import host_and_port
from certd.dns.authoritative import ZoneFinder
from certd.dns.challenges import Dns01
from certd.dns.dynamic_update import Rfc2136
from certd.dns.resolvers import Resolvers
from certd.model import Secret, TxtCleanup, TxtRecord
from certd.system.clock import SystemClock
from tests.lab.bind import Bind
from tests.lab.ports import free_port
from tests.lab.signing import signed_zone
from tests.lab.unbound import Unbound

pytestmark = pytest.mark.lab("bind")

NAME = "_acme-challenge.link.example.test"
ZONE = "@ IN NS ns1\n@ IN NS ns2\nns1 IN A 192.0.2.1\nns2 IN A 192.0.2.2\n"
LONG = timedelta(hours=1)
SHORT = timedelta(0)


@pytest.fixture(scope="module")
def primary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bind]:
    """The zone's primary."""
    with Bind(tmp_path_factory.mktemp("bind") / "one", {"example.test": ZONE}) as made:
        yield made


def solver(
    primary: Bind, two: int, *, resolver: int = 0, patience: timedelta = LONG, one: int = 0, asked: float = 1.0
) -> Dns01:
    """Over servers at these ports; ``resolver`` is asked for the way."""
    ports = {"192.0.2.1": one or primary.port, "192.0.2.2": two}
    authority = ZoneFinder(
        Resolvers([f"127.0.0.1:{resolver or primary.port}"], patience=asked),
        patience=0.3,
        remember=0.0,
        ports_of=lambda address: host_and_port(f"127.0.0.1:{ports[address]}", 53),
    )
    corp = Rfc2136("corp", server=f"127.0.0.1:{primary.port}", secret=lambda: Secret(primary.key()))
    return Dns01({"corp": corp}, authority, SystemClock(), patience=patience, grace=SHORT)


def cleanup(value: str, name: str = NAME) -> TxtCleanup:
    """What is owed."""
    return TxtCleanup(provider="corp", name=name, value=value, made_at=datetime.now(UTC), added_at=datetime.now(UTC))


def shows(bind: Bind, name: str, kind: str = "TXT") -> bool:
    """Whether a server has records of a kind at a name."""
    try:
        query = dns.message.make_query(name, kind)
        return bool(dns.query.tcp(query, "127.0.0.1", port=bind.port, timeout=2).answer)
    except OSError:
        return False


def until(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.1)


def test_a_slow_secondary_lags_by_its_serial(primary: Bind, tmp_path: Path) -> None:
    """Named with both serials; when it has caught up all is well."""
    secondary = Bind(tmp_path, secondary={"example.test": primary.port})
    with secondary:
        until(lambda: shows(secondary, "example.test", kind="NS"))
        dns01 = solver(primary, secondary.port)
        (owed,) = dns01.present(cleanup("late"))
        lagging = dns01.spread(owed)
        assert not lagging.everywhere
        assert lagging.somewhere
        assert "ns2.example.test (192.0.2.2)" in lagging.because
        assert "lags behind ns1.example.test: it has serial" in lagging.because
        # Without its copy it asks the primary when it starts.
        secondary.stop()
        (tmp_path / "example.test.copy").unlink()
        secondary.start()
        until(lambda: dns01.spread(owed).everywhere)
        dns01.settle(owed)


def test_equal_serials_with_different_content(tmp_path: Path) -> None:
    """A primary that changes a zone without a new serial (PowerDNS's API) never reaches its secondaries: it is said."""
    with Bind(tmp_path / "one", {"example.test": ZONE}) as one, Bind(tmp_path / "two", {"example.test": ZONE}) as two:
        corp = Rfc2136("two", server=f"127.0.0.1:{two.port}", secret=lambda: Secret(two.key()))
        corp.add(TxtRecord(zone="example.test", name=NAME, value="another"))
        (owed,) = solver(one, two.port).present(cleanup("same-serial"))
        said = solver(one, two.port).spread(owed)
        assert not said.everywhere
        assert "ns2.example.test (192.0.2.2)" in said.because
        assert "both have serial " in said.because
        assert "SOA-EDIT-API" in said.because


def test_a_hidden_primary_with_slow_secondaries(primary: Bind, tmp_path: Path) -> None:
    """No public server shows what the hidden primary took; it is said whom to suspect."""
    with Bind(tmp_path, {"example.test": ZONE}) as public:
        dns01 = solver(primary, public.port, one=public.port, resolver=public.port)
        (owed,) = dns01.present(cleanup("hidden"))
        said = dns01.spread(owed).because
        assert "though dns.corp took it: a hidden primary whose secondaries are slow" in said
        dns01.settle(owed)


def test_an_internal_view(primary: Bind, tmp_path: Path) -> None:
    """Published where only this host's resolver looks: the world never sees it, and that is what is said."""
    with Bind(tmp_path, {"example.test": ZONE}) as public:
        dns01 = solver(primary, public.port, one=public.port)
        (owed,) = dns01.present(cleanup("inside"))
        said = dns01.spread(owed)
        assert not said.everywhere
        assert "it stands in an internal view, and the world does not see it (split DNS)" in said.because
        dns01.settle(owed)


def test_a_lame_server_is_passed_over_after_a_grace(primary: Bind, tmp_path: Path) -> None:
    """It serves another zone: named at first; a CA's resolver turns to the other server, so it does not block."""
    with Bind(tmp_path, {"other.test": "@ IN NS ns1\nns1 IN A 192.0.2.1"}) as lame:
        (owed,) = solver(primary, lame.port).present(cleanup("lame"))
        said = solver(primary, lame.port).spread(owed)
        assert not said.everywhere
        assert "refuses to answer (REFUSED): it does not serve example.test" in said.because
        later = solver(primary, lame.port, patience=SHORT).spread(owed)
        assert later.everywhere
        assert "passed over" in later.because
        solver(primary, lame.port).settle(owed)


def test_a_dead_server_is_passed_over_after_a_grace(primary: Bind) -> None:
    """One of two does not answer at all."""
    dead = free_port()
    (owed,) = solver(primary, dead).present(cleanup("dead"))
    assert "does not answer" in solver(primary, dead).spread(owed).because
    assert solver(primary, dead, patience=SHORT).spread(owed).everywhere
    solver(primary, dead).settle(owed)


def test_a_value_that_differs_is_never_passed_over(primary: Bind, tmp_path: Path) -> None:
    """A server that answers for the zone without our value fails the CA; no grace helps."""
    with Bind(tmp_path, {"example.test": ZONE}) as other:
        (owed,) = solver(primary, other.port).present(cleanup("never"))
        said = solver(primary, other.port, patience=SHORT).spread(owed)
        assert not said.everywhere
        assert said.somewhere
        solver(primary, other.port).settle(owed)


def test_servfail_everywhere(primary: Bind, tmp_path: Path) -> None:
    """Secondaries that never got the zone answer SERVFAIL: said so, and the CA is not asked."""
    with Bind(tmp_path, secondary={"example.test": free_port()}) as empty:
        dns01 = solver(primary, empty.port, one=empty.port, patience=SHORT)
        owed = cleanup("x")
        said = dns01.spread(owed)
        assert not said.everywhere
        assert "SERVFAIL" in said.because


def test_port_53_is_blocked_outward(primary: Bind) -> None:
    """No authoritative server answers: it is recognised; a resolver tells, and at last the CA is asked."""
    dead = free_port()
    (owed,) = solver(primary, dead).present(cleanup("blocked"))
    seen = solver(primary, dead, one=dead).spread(owed)
    assert seen.everywhere
    assert "the resolver shows our value; " in seen.because
    unseen = cleanup("nowhere")
    blind = solver(primary, dead, one=dead).spread(unseen)
    assert not blind.everywhere
    assert "is port 53 outward blocked? network.doh is the way round" in blind.because
    at_last = solver(primary, dead, one=dead, patience=SHORT).spread(unseen)
    assert at_last.everywhere
    assert "so the CA is asked" in at_last.because
    solver(primary, dead).settle(owed)


class OnlyTcp:
    """A public resolver whose UDP is blocked: TCP alone is passed on to a BIND."""

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.listener = socket.create_server(("127.0.0.1", free_port()))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client, socket.create_connection(("127.0.0.1", self.upstream)) as server:
                client.settimeout(3)
                server.settimeout(3)
                while data := client.recv(4096):
                    server.sendall(data)
                    client.sendall(server.recv(65535))


def test_public_resolvers_over_tcp(primary: Bind) -> None:
    """With UDP to port 53 blocked the same resolvers are asked over TCP."""
    dead, only_tcp = free_port(), OnlyTcp(primary.port)
    (owed,) = solver(primary, dead).present(cleanup("by-tcp"))
    assert solver(primary, dead, one=dead, resolver=only_tcp.port, asked=0.4).spread(owed).everywhere
    solver(primary, dead).settle(owed)
    only_tcp.listener.close()


def test_dns_over_https(primary: Bind, tmp_path: Path) -> None:
    """The resolver does not have the value (yet); DNS over HTTPS, where it is configured, shows it."""
    dead = free_port()
    (owed,) = solver(primary, dead).present(cleanup("by-https"))
    with Bind(tmp_path, {"example.test": ZONE}) as stale:
        blind = solver(primary, dead, one=dead, resolver=stale.port)
        assert not blind.spread(owed).everywhere

        def exchange(wire: bytes) -> bytes:
            query = dns.message.from_wire(wire)
            return dns.query.udp(query, "127.0.0.1", port=primary.port, timeout=3).to_wire()

        blind._authority.resolvers.doh = exchange
        seen = blind.spread(owed)
        assert seen.everywhere
        assert "DNS over HTTPS shows our value" in seen.because
    solver(primary, dead).settle(owed)


@pytest.mark.lab("unbound")
def test_dnssec_signed_and_broken(tmp_path: Path) -> None:
    """Well signed: seen. Signatures that ended: every server shows the value, and no CA will take it."""
    records = ZONE + '_acme-challenge IN TXT "our-value"\n'
    good, good_key = signed_zone(tmp_path / "good", "good.test", records)
    bad, bad_key = signed_zone(tmp_path / "bad", "bad.test", records, expired=True)
    with Bind(tmp_path / "bind", signed={"good.test": good, "bad.test": bad}) as bind:
        stubs = {"good.test": bind.port, "bad.test": bind.port}
        with Unbound(tmp_path / "unbound", stubs, anchors=[good_key, bad_key]) as resolver:
            # Finding the way must not fail by what is examined: one resolver for it, the strict one for the proof.
            for zone in ("good.test", "bad.test"):
                dns01 = solver(bind, bind.port, resolver=resolver.port, patience=SHORT)
                dns01._authority.resolvers = Both(resolver.port, bind.port)
                said = dns01.spread(cleanup("our-value", f"_acme-challenge.{zone}"))
                assert said.everywhere is (zone == "good.test"), said.because
                if zone == "bad.test":
                    assert "DNSSEC is broken in zone bad.test" in said.because
                    assert "expired signatures? a DS record of an old key?" in said.because


class Both(Resolvers):
    """A validating resolver for TXT, and one that does not validate for the way there."""

    def __init__(self, strict: int, lax: int) -> None:
        super().__init__([f"127.0.0.1:{strict}"], patience=1.0)
        self.lax = Resolvers([f"127.0.0.1:{lax}"], patience=1.0)

    def ask(self, name, kind, deadline, *, checking_disabled=False) -> dns.message.Message:  # type: ignore[no-untyped-def]
        if kind == dns.rdatatype.TXT:
            return super().ask(name, kind, deadline, checking_disabled=checking_disabled)
        return self.lax.ask(name, kind, deadline)


def test_a_neighbour_is_left_alone(primary: Bind) -> None:
    """Through all of this no value of anybody else was touched."""
    corp = Rfc2136("corp", server=f"127.0.0.1:{primary.port}", secret=lambda: Secret(primary.key()))
    corp.add(TxtRecord(zone="example.test", name=NAME, value="neighbour"))
    dns01 = solver(primary, primary.port)
    (owed,) = dns01.present(cleanup("ours"))
    assert dns01.spread(owed).everywhere
    dns01.settle(owed)
    assert primary.txt(NAME) == {"neighbour"}
