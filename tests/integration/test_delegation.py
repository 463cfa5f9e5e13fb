"""DNS that belongs to another team: a real BIND with their zone, which certd may not change, and one of ours."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from certd.dns.addresses import host_and_port
from certd.dns.authoritative import ZoneFinder
from certd.dns.challenges import Dns01
from certd.dns.dynamic_update import Rfc2136
from certd.dns.resolvers import Resolvers
from certd.dns.responder.provider import Responder
from certd.dns.responder.snapshot import ServedZone
from certd.errors import DnsRefused
from certd.model import Secret, TxtCleanup
from certd.system.clock import SystemClock
from tests.lab.bind import Bind
from tests.lab.clicker import click
from tests.lab.ports import free_port
from tests.lab.scene import DOMAIN, ROOT, Scene
from tests.lab.unbound import Unbound

pytestmark = pytest.mark.lab("bind")
Wait = Callable[..., None]

NAME = f"_acme-challenge.{DOMAIN}"
THEIRS = """
@ IN NS ns1
ns1 IN A 192.0.2.53
certd IN A 192.0.2.99
_acme-challenge.taken IN CNAME taken.0123.dcv.cloudflare.com.
_acme-challenge.dangling IN CNAME nowhere.acme.test.
"""
OURS = "@ IN NS ns1\nns1 IN A 192.0.2.53\n"
PARENT = """
@ IN NS ns1
ns1 IN A 192.0.2.53
example IN NS ns1.example
ns1.example IN A 192.0.2.53
acme IN NS ns1.acme
ns1.acme IN A 192.0.2.53
"""
ZONES = {"example.test": THEIRS, "acme.test": OURS, "test": PARENT}


@pytest.fixture
def bind(short_path: Path) -> Iterator[Bind]:
    with Bind(short_path / "bind", ZONES) as made:
        yield made


class Muffled:
    """Hands questions on by UDP, and swallows those about some names.

    Attributes:
        swallowed: How many.
    """

    def __init__(self, behind: int, *, above: Sequence[str]) -> None:
        self.swallowed = 0
        self._behind = behind
        self._above = {dns.name.from_text(name) for name in above}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", free_port()))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        while True:
            query, client = self._socket.recvfrom(4096)
            if not query:
                return
            if dns.message.from_wire(query).question[0].name in self._above:
                self.swallowed += 1
                continue
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as onward:
                onward.settimeout(5)
                onward.sendto(query, ("127.0.0.1", self._behind))
                self._socket.sendto(onward.recv(65536), client)

    def __enter__(self) -> Muffled:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(10)
        self._socket.close()


class Filtering:
    """Hands questions on, but for SOA and NS: it answers nothing by this code, and takes both out of other answers.

    Attributes:
        filtered: How many questions it kept back.
    """

    def __init__(self, behind: int, code: dns.rcode.Rcode) -> None:
        self.filtered = 0
        self._behind = behind
        self._code = code
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", free_port()))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        while True:
            wire, client = self._socket.recvfrom(4096)
            if not wire:
                return
            query = dns.message.from_wire(wire)
            if query.question[0].rdtype in (dns.rdatatype.SOA, dns.rdatatype.NS):
                self.filtered += 1
                reply = dns.message.make_response(query, recursion_available=True)
                reply.set_rcode(self._code)
            else:
                reply = dns.query.udp(query, "127.0.0.1", port=self._behind, timeout=5)
                reply.authority.clear()
            self._socket.sendto(reply.to_wire(), client)

    def __enter__(self) -> Filtering:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(10)
        self._socket.close()


def authority(bind: Bind, elsewhere: Mapping[str, str] | None = None, *, resolver: int = 0) -> ZoneFinder:
    places = {"192.0.2.53": f"127.0.0.1:{bind.port}", **(elsewhere or {})}
    resolvers = Resolvers([f"127.0.0.1:{resolver or bind.port}"], patience=1.0)
    return ZoneFinder(resolvers, ports_of=lambda a: host_and_port(places[a], 53), patience=0.5, remember=0.0)


def only_ours(bind: Bind) -> Rfc2136:
    """A provider that may publish in acme.test and nowhere else."""
    return Rfc2136("corp", server=f"127.0.0.1:{bind.port}", secret=lambda: Secret(bind.key()), zone="acme.test")


def test_a_cname_leads_only_where_its_owner_lets_it(bind: Bind) -> None:
    """With ``cname_zones`` a CNAME of a customer's that leads elsewhere publishes nothing; the name itself may."""
    anywhere = Rfc2136("corp", server=f"127.0.0.1:{bind.port}", secret=lambda: Secret(bind.key()))
    solver = Dns01({"corp": anywhere}, authority(bind), SystemClock(), cname_zones={"corp": ("mine.acme.test",)})
    open_to_all = Dns01({"corp": anywhere}, authority(bind), SystemClock())
    assert solver.undelegated("corp", [DOMAIN]) is None
    bind.update(NAME, "CNAME", "link.acme.test.")
    assert open_to_all.undelegated("corp", [DOMAIN]) is None
    found = solver.undelegated("corp", [DOMAIN])
    assert found is not None
    assert found.awaited
    assert f"{NAME}: its CNAME leads to link.acme.test, and dns.corp.cname_zones lets it lead to mine.acme.test" in (
        found.words
    )
    cleanup = TxtCleanup(provider="corp", name=NAME, value="v", made_at=datetime.now(UTC))
    with pytest.raises(DnsRefused, match="cname_zones"):
        solver.present(cleanup)
    assert bind.txt("link.acme.test") == set()
    bind.update(NAME, "CNAME", "link.mine.acme.test.")
    assert solver.undelegated("corp", [DOMAIN]) is None
    solver.present(cleanup)
    assert bind.txt("link.mine.acme.test") == {"v"}


def test_a_missing_cname_is_named_and_followed_when_it_appears(bind: Bind) -> None:
    """Before: the record that is wanted. After: nothing stands in the way, and the value goes where it leads."""
    solver = Dns01({"corp": only_ours(bind)}, authority(bind), SystemClock())
    missing = solver.undelegated("corp", [DOMAIN])
    assert missing is not None
    assert missing.awaited
    assert f"wanted: {NAME} CNAME {DOMAIN}.acme.test" in missing.words
    bind.update(NAME, "CNAME", f"{DOMAIN}.acme.test.")
    assert solver.undelegated("corp", [DOMAIN]) is None
    (cleanup,) = solver.present(TxtCleanup(provider="corp", name=NAME, value="v1", made_at=datetime.now(UTC)))
    assert (cleanup.target, cleanup.zone) == (f"{DOMAIN}.acme.test", "acme.test")
    assert solver.spread(cleanup).everywhere
    solver.settle(cleanup)


def test_a_wildcard_over_the_validation_name(bind: Bind) -> None:
    """Named before an order where it leads to nothing that certd may change; a record of the name's own ends it."""
    bind.add("*.example.test", "CNAME", "edge.elsewhere.test.")
    bind.add("_acme-challenge.own.example.test", "CNAME", "nowhere.elsewhere.test.")
    server = f"127.0.0.1:{bind.port}"
    corp = Rfc2136("corp", server=server, secret=lambda: Secret(bind.key()), zone="example.test")
    solver = Dns01({"corp": corp, "acme": only_ours(bind)}, authority(bind), SystemClock())
    for name in ("link", "deep.link"):
        found = solver.undelegated("corp", [f"{name}.example.test"])
        assert found is not None
        assert found.awaited
        assert f"_acme-challenge.{name}.example.test: the wildcard record *.example.test CNAME" in found.words
        assert "dns.corp cannot publish at edge.elsewhere.test" in found.words
        assert f'_acme-challenge.{name}.example.test TXT "own"' in found.hint
    ours = solver.undelegated("acme", [DOMAIN])
    assert ours is not None
    assert f"{NAME} CNAME {DOMAIN}.acme.test" in ours.hint
    by_itself = solver.undelegated("corp", ["own.example.test"])
    assert by_itself is not None
    assert "wildcard" not in by_itself.words
    bind.add(NAME, "TXT", '"own"')
    assert solver.undelegated("corp", [DOMAIN]) is None
    (cleanup,) = solver.present(TxtCleanup(provider="corp", name=NAME, value="v1", made_at=datetime.now(UTC)))
    assert cleanup.target == NAME
    assert solver.spread(cleanup).everywhere
    solver.settle(cleanup)
    assert bind.txt(NAME) == {"own"}


@pytest.mark.lab("unbound")
@pytest.mark.parametrize("code", [dns.rcode.NOERROR, dns.rcode.NXDOMAIN, dns.rcode.REFUSED])
def test_a_resolver_that_filters_soa_and_ns(bind: Bind, short_path: Path, code: dns.rcode.Rcode) -> None:
    """Named before an order, with the way out. The same resolver without the filter is no obstacle."""
    corp = Rfc2136("corp", server=f"127.0.0.1:{bind.port}", secret=lambda: Secret(bind.key()))
    stubs = {"test": bind.port, "example.test": bind.port}
    with Unbound(short_path / "unbound", stubs) as unbound:
        open_one = Dns01({"corp": corp}, authority(bind, resolver=unbound.port), SystemClock())
        assert open_one.undelegated("corp", [DOMAIN]) is None
        with Filtering(unbound.port, code) as resolver:
            solver = Dns01({"corp": corp}, authority(bind, resolver=resolver.port), SystemClock())
            found = solver.undelegated("corp", [DOMAIN])
        assert resolver.filtered
    assert found is not None
    assert found.awaited
    assert f"{NAME}: resolver 127.0.0.1:{resolver.port} answers, but tells nothing about SOA or NS" in found.words
    assert "network.resolvers" in found.hint


def test_a_resolver_that_is_silent_about_what_lies_above(bind: Bind) -> None:
    """Inside a network that knows its own zones and nothing else: the zone is found by the resolver's word, and the
    missing record is named as ever; nothing is ordered in the hope that it is there.
    """
    with Muffled(bind.port, above=("test",)) as muffled:
        solver = Dns01({"corp": only_ours(bind)}, authority(bind, resolver=muffled.port), SystemClock())
        missing = solver.undelegated("corp", [DOMAIN])
        assert muffled.swallowed
        assert missing is not None
        assert f"wanted: {NAME} CNAME {DOMAIN}.acme.test" in missing.words
        bind.update(NAME, "CNAME", f"{DOMAIN}.acme.test.")
        assert solver.undelegated("corp", [DOMAIN]) is None


def test_a_missing_ns_delegation_is_named_and_followed(bind: Bind) -> None:
    """The responder serves a zone that the world does not send anybody to yet; then the NS record appears."""
    port = free_port()
    # Not below the delegated name: BIND refuses the address of a host with an underscore in its name (check-names).
    zone = ServedZone(apex=NAME, nameservers=("certd.example.test",))
    responder = Responder("own", zones=[zone], listen=[f"127.0.0.1:{port}"])
    responder.start()
    try:
        at = authority(bind, {"192.0.2.99": f"127.0.0.1:{port}"})
        solver = Dns01({"own": responder}, at, SystemClock())
        missing = solver.undelegated("own", [DOMAIN])
        assert missing is not None
        assert f"zone {NAME} of dns.own is not delegated; the world asks example.test" in missing.words
        assert f"wanted: {NAME} NS certd.example.test" in missing.words
        bind.update(NAME, "NS", "certd.example.test.", zone="example.test")
        assert solver.undelegated("own", [DOMAIN]) is None
        (cleanup,) = solver.present(TxtCleanup(provider="own", name=NAME, value="v1", made_at=datetime.now(UTC)))
        assert solver.spread(cleanup).everywhere
    finally:
        responder.close()


def test_an_e_mail_services_own_validation_cname(bind: Bind) -> None:
    """SendGrid's automatic SSL occupies the very name: both ways out are said, and it is no loop of failures."""
    solver = Dns01({"corp": only_ours(bind)}, authority(bind), SystemClock())
    taken = solver.undelegated("corp", ["taken.example.test"])
    assert taken is not None
    assert "is a CNAME to taken.0123.dcv.cloudflare.com" in taken.words
    assert "SendGrid's automatic SSL" in taken.words
    assert "take it out of certd" in taken.hint
    assert "certd dns request" in taken.hint


def test_wrong_credentials_are_no_missing_delegation(bind: Bind) -> None:
    """They are told where the value is published; waiting for another team would hide them."""
    wrong = Rfc2136("corp", server=f"127.0.0.1:{bind.port}", secret=lambda: Secret(bind.key(secret="d3Jvbmc=")))
    assert Dns01({"corp": wrong}, authority(bind), SystemClock()).undelegated("corp", [DOMAIN]) is None


@pytest.mark.lab("pebble", "nginx", "unbound")
@pytest.mark.timeout(240)
def test_the_link_waits_and_goes_on_by_itself(short_path: Path, eventually: Wait) -> None:
    """While the record is missing nothing is ordered; within two minutes of its appearing it is served."""
    with Bind(short_path / "bind", ZONES) as bind:
        # An authoritative server does not follow a CNAME into another zone; the CA's resolver does.
        resolver = Unbound(short_path / "unbound", {"example.test": bind.port, "acme.test": bind.port})
        scene = Scene(short_path / "scene")
        scene.pebble.dns, scene.pebble.reuse = f"127.0.0.1:{resolver.port}", 0
        with resolver, scene:
            scene.publish_by(bind)
            scene.config.write_text(scene.config.read_text().replace("tsig =", 'zone = "acme.test"\ntsig ='))
            scene.nginx.start()
            scene.start_certd()
            eventually(lambda: "kind=delegation" in scene.certd_log())
            status = scene.tried("status", "--json").stdout
            assert f"wanted: {NAME} CNAME {DOMAIN}.acme.test" in status
            assert "ordered  " not in scene.certd_log()
            bind.update(NAME, "CNAME", f"{DOMAIN}.acme.test.", zone="example.test")
            try:
                eventually(lambda: "served  link=" in scene.certd_log(), 120)
            finally:
                print(scene.certd_log())
            assert click(scene.tls, DOMAIN, scene.roots).trouble == ""
            assert scene.pebble.log().count("Issued certificate serial") == 1
            assert scene.certd_log().count("ordered  ") == 1
            assert bind.txt(f"{DOMAIN}.acme.test") == set()


def test_check_and_init_print_the_request(bind: Bind, short_path: Path) -> None:
    """``check`` where the record is missing, before certd ever ran; ``init`` where certd answers itself."""
    config, key = short_path / "certd.toml", short_path / "tsig.key"
    key.write_text(bind.key())
    key.chmod(0o600)
    config.write_text(
        f'[certd]\nstate = "{short_path}/state"\nlisten = ""\n[network]\nresolvers = ["127.0.0.1:{bind.port}"]\n'
        f'name_servers = {{ "192.0.2.53" = "127.0.0.1:{bind.port}" }}\n[issuer.letsencrypt]\nterms_agreed = true\n'
        f'[dns.corp]\nprovider = "rfc2136"\nserver = "127.0.0.1:{bind.port}"\nzone = "acme.test"\n'
        f'tsig = "file:{key}"\n[proxy.nginx]\nendpoints = ["127.0.0.1:1"]\n[[link]]\n'
        f'domain = "{DOMAIN}"\nproxy = "nginx"\n'
    )
    argv = [sys.executable, "-m", "certd", "--config", str(config), "check", DOMAIN]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=100, cwd=ROOT)
    assert done.returncode == 3, done.stderr
    assert "The request to send:" in done.stdout
    assert f"{NAME}. 300 IN CNAME {DOMAIN}.acme.test." in done.stdout
    assert 'resource "dns_cname_record"' in done.stdout
    begun = short_path / "begun.toml"
    argv = [sys.executable, "-m", "certd", "--config", str(begun), "init", "--domain", DOMAIN, "--dns", "responder"]
    argv += ["--proxy", "nginx", "--address", "192.0.2.10", "--agree-terms"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, cwd=ROOT, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    assert "Send them this" in done.stdout
    assert f"{NAME}. 300 IN CNAME " in done.stdout
    assert 'resource "dns_ns_record_set"' in done.stdout
