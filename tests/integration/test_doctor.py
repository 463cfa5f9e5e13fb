"""Each check of the doctor, failing for the right reason: DNS, stored material, TLS, and what the command says.

One good set-up for all; each test breaks one thing and puts it right again.
"""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import pytest

from certd.clicks.model import ClickFacts
from certd.config.esp_presets import PRESETS
from certd.diagnosis.checklist import CHECKS, examine
from certd.diagnosis.dns_facts import Examiner
from certd.diagnosis.findings import Grade
from certd.diagnosis.subject import Subject
from certd.dns.authoritative import ZoneFinder
from certd.dns.resolvers import Resolvers
from certd.doctor import subjects_of
from certd.model import Certificate
from certd.pki.chain import read_certificate
from certd.pki.trust import Trust
from tests.lab.bind import Bind
from tests.lab.certificates import DAY, NOW, make_leaf
from tests.lab.journey import EDGE, MAILER, PROXY
from tests.lab.ports import free_port
from tests.lab.scene import DOMAIN
from tests.lab.tls_server import TlsServer
from tests.lab.ward import TLS_PLACE, Ward, says

pytestmark = pytest.mark.lab("pebble", "nginx", "bind")


def test_every_check_has_a_test() -> None:
    """By its code, in these files."""
    text = "".join(path.read_text() for path in Path(__file__).parent.glob("test_doctor*.py"))
    assert [check.code for check in CHECKS if not re.search(rf'["\s]{check.code}"', text)] == []


def test_a_good_set_up(ward: Ward) -> None:
    """Nothing fails, within ten seconds; what is left is a certificate of this minute."""
    started = time.monotonic()
    findings = examine(ward.subject())
    assert time.monotonic() - started < 20
    bad = {finding.name: finding.result for finding in findings if finding.result.grade in {Grade.FAIL, Grade.WARN}}
    assert set(bad) <= {"pair.time"}, bad
    assert sum(finding.result.grade is Grade.PASS for finding in findings) > 35


# ------------------------------------------------------------------------------------ DNS


def test_dns_that_leads_nowhere(ward: Ward) -> None:
    """No address, a dangling alias, a name with its zone in it twice."""
    bind = ward.journey.bind
    bind.move(DOMAIN, "TXT", '"nothing"')
    says(ward.subject(), "A1", Grade.FAIL, "it has no address")
    bind.add(f"{DOMAIN}.example.test", "A", PROXY)
    says(ward.subject(), "A5", Grade.FAIL, f"{DOMAIN}.example.test: the zone's name is in it twice")
    bind.move(f"{DOMAIN}.example.test", "TXT", '"gone"')
    bind.move(DOMAIN, "CNAME", "gone.example.test.")
    says(ward.subject(), "A9", Grade.FAIL, "gone.example.test, which is not there", "now")


def test_dns_that_leads_to_the_service(ward: Ward) -> None:
    """A failure once it was here and for a host without configuration; before that it is waiting."""
    ward.journey.point_back()
    says(ward.bare(), "A2", Grade.FAIL, "the e-mail service's own certificate", "first CNAME")
    says(ward.subject(), "A2", Grade.WARN, "waiting for the CNAME", "certd cutover")
    subject = ward.subject()
    assert subject.chart is not None
    subject.chart = replace(subject.chart, clicks=ClickFacts(link=DOMAIN, host=DOMAIN, arrived_at=NOW))
    says(subject, "A2", Grade.FAIL, "points at the e-mail service itself")
    managed = ward.subject()
    esp = replace(PRESETS["sendgrid"], hosts=(MAILER,), managing=(MAILER,))
    managed.desired = replace(managed.desired, esp=esp, services=(esp,))
    says(managed, "A2", Grade.WARN, "keeps the certificate itself")


def test_the_second_record_of_a_link_branding(ward: Ward) -> None:
    """It stays at the e-mail service."""
    owner = "12345678.example.test"
    ward.journey.bind.move(owner, "CNAME", f"{EDGE}.")
    says(ward.subject(owner=owner), "A3", Grade.WARN, f"{owner} leads to {EDGE}", "only the first record moves")
    ward.journey.bind.move(owner, "CNAME", f"{MAILER}.")
    says(ward.subject(owner=owner), "A3", Grade.PASS, MAILER)


def test_name_servers(ward: Ward, tmp_path: Path) -> None:
    """A long TTL before the switch; servers that disagree."""
    ward.journey.point_back(ttl=86400)
    says(ward.subject(), "A4", Grade.WARN, "its TTL is 86400 s", "lower it to 60")
    ward.journey.point_here()
    other = f"@ IN NS ns1\nns1 IN A 192.0.2.53\nlink IN A {PROXY}\n"
    with Bind(tmp_path / "second", {"example.test": other}) as second:
        names = {"192.0.2.53": f"127.0.0.1:{ward.journey.bind.port}", "192.0.2.54": f"127.0.0.1:{second.port}"}
        ward.journey.bind.add("ns2.example.test", "A", "192.0.2.54")
        ward.journey.bind.add("example.test", "NS", "ns2.example.test.")
        settings = replace(ward.app.settings, name_servers=names)
        (subject,) = subjects_of(None, settings, settings.links[0], ward.app.clock, blind="is not asked")
        says(subject, "A4", Grade.WARN, "disagree")
        ward.journey.bind.remove("example.test", "NS", "ns2.example.test.")


def test_ipv6_that_takes_no_connection(ward: Ward) -> None:
    """An AAAA record behind which nothing listens."""
    ward.journey.bind.add(EDGE, "AAAA", "2001:db8::10")
    subject = ward.subject()
    subject.desired = replace(
        subject.desired, elsewhere={**subject.desired.elsewhere, "[2001:db8::10]:443": f"127.0.0.1:{free_port()}"}
    )
    says(subject, "A6", Grade.FAIL, "[2001:db8::10]:443 takes no connection", "AAAA")


def test_caa_and_the_validation_name(ward: Ward) -> None:
    """CAA for another CA; a CNAME of SendGrid's Auto SSL where certd writes its TXT."""
    bind = ward.journey.bind
    bind.add("example.test", "CAA", '0 issue "other.example"')
    says(ward.bare(), "A7", Grade.FAIL, "other.example", 'CAA 0 issue "letsencrypt.org"')
    bind.remove("example.test", "CAA", '0 issue "other.example"')
    name = f"_acme-challenge.{DOMAIN}"
    bind.move(name, "CNAME", "link.abc.dcv.cloudflare.com.")
    says(ward.bare(), "A8", Grade.FAIL, "owns the validation name", "remove that CNAME")
    bind.move(name, "TXT", '"free"')
    bind.add("*.spread.example.test", "CNAME", f"{EDGE}.")
    host = "a.spread.example.test"
    says(ward.bare(host), "A8", Grade.WARN, "the wildcard record *.spread.example.test leads", "a record of its own")


def test_dnssec_that_is_bogus(ward: Ward) -> None:
    """A resolver that answers well only when it does not validate."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]

        def serve() -> None:
            for _ in range(2):
                wire, client = server.recvfrom(4096)
                query = dns.message.from_wire(wire)
                reply = dns.message.make_response(query)
                if not query.flags & dns.flags.CD:
                    reply.set_rcode(dns.rcode.SERVFAIL)
                server.sendto(reply.to_wire(), client)

        threading.Thread(target=serve, daemon=True).start()
        subject = ward.bare()
        subject.dns = Examiner(ZoneFinder(Resolvers((f"127.0.0.1:{port}",))))
        says(subject, "A10", Grade.FAIL, "SERVFAIL", "signatures")


def test_the_record_of_dns_persist(ward: Ward) -> None:
    """Where no value may be published it is needed; with `auto` a wrong one is a warning; it lasts until the
    certificate ends.
    """
    name, bind = f"_validation-persist.{DOMAIN}", ward.journey.bind

    def subject(challenge: str = "dns-persist-01") -> Subject:
        made = ward.subject()
        assert made.chart is not None
        assert made.chart.account
        made.chart = replace(made.chart, challenge=challenge, identities=("ca.example",))
        return made

    account = subject().chart.account  # type: ignore[union-attr]
    says(subject("dns-01"), "A13", Grade.SKIP, "not validated by dns-persist-01")
    says(subject("auto"), "A13", Grade.SKIP, "a TXT value is published for each order")
    says(subject(), "A13", Grade.FAIL, "has no record for ca.example; wanted:", "certd dns request")
    value = f"ca.example; accounturi={account}"
    short = f'"{value}; persistUntil={int(time.time()) + 60}"'
    bind.add(name, "TXT", short)
    says(subject("auto"), "A13", Grade.WARN, "counts only until")
    bind.add(name, "TXT", f'"{value}"')
    says(subject(), "A13", Grade.PASS, "names our account")
    bind.remove(name, "TXT", f'"{value}"')
    bind.remove(name, "TXT", short)


def test_an_odd_line_of_resolv_conf(ward: Ward, tmp_path: Path) -> None:
    """The C library ignores the line; the doctor names it."""
    odd = tmp_path / "resolv.conf"
    odd.write_text("nameserver localhost\nnameserver 192.0.2.53\n")
    subject = ward.bare()
    subject.dns = Examiner(ZoneFinder(Resolvers(system_file=odd)))
    says(subject, "A11", Grade.WARN, 'line 1 "nameserver localhost" names no IP address', "network.resolvers")
    says(ward.subject(), "A11", Grade.PASS, "certd asks 127.0.0.1:")


def test_a_host_that_only_a_wildcard_answers_for(ward: Ward) -> None:
    """It has no address while its challenge stands, so it needs a record of its own."""
    bind = ward.journey.bind
    host, other = "a.wild.example.test", "b.wild.example.test"
    says(ward.subject(), "A12", Grade.PASS, "it has a record of its own")
    bind.add("*.wild.example.test", "CNAME", f"{EDGE}.")
    bind.add(other, "CNAME", f"{EDGE}.")
    says(ward.bare(other), "A12", Grade.PASS, "it has a record of its own")
    says(ward.bare(host), "A1", Grade.PASS, PROXY)
    says(ward.bare(host), "A12", Grade.WARN, "only a wildcard record", f"{host} CNAME {EDGE}")
    bind.add(f"_acme-challenge.{host}", "TXT", '"value"')
    says(ward.bare(host), "A1", Grade.FAIL, "it has no address")
    bind.remove(f"_acme-challenge.{host}", "TXT", '"value"')


# ------------------------------------------------------------------------------------ stored material


def test_a_store_that_cannot_be_written(ward: Ward) -> None:
    """The doctor names the cause, and what it keeps certd from."""
    subject = ward.subject()
    assert subject.chart is not None
    says(subject, "B9", Grade.PASS, "nothing keeps certd from writing")
    subject = ward.subject()
    assert subject.chart is not None
    subject.chart = replace(subject.chart, store_obstacles=("the store cannot be written: its file is full",))
    says(subject, "B9", Grade.FAIL, "its file is full: certd can neither order nor deploy", "free some space")


def with_certificate(ward: Ward, change: Callable[[Certificate], Certificate]) -> Subject:
    """A patient on whose disk something else lies."""
    subject = ward.subject()
    assert subject.chart is not None
    (place,) = subject.chart.places
    assert place.on_disk is not None
    subject.chart = replace(subject.chart, places=(replace(place, on_disk=change(place.on_disk)),))
    return subject


def test_pairs_that_are_wrong(ward: Ward) -> None:
    """Another key, another order, another name, an expired one, a stranger's root, a key that a CDN refuses."""
    stranger = make_leaf(ward.root, DOMAIN)
    says(
        with_certificate(ward, lambda known: replace(known, key=stranger.key)),
        "B1",
        Grade.FAIL,
        "not the certificate's",
    )

    def reversed_chain(known: Certificate) -> Certificate:
        first, second = known.chain_pem.split("-----BEGIN", 2)[1:]
        return replace(known, chain_pem=f"-----BEGIN{second}-----BEGIN{first}")

    says(with_certificate(ward, reversed_chain), "B2", Grade.FAIL, "not in order")
    other = ward.subject()
    other.desired = replace(other.desired, host="other.example.test")
    says(other, "B3", Grade.FAIL, f"it is for {DOMAIN}")
    late = ward.subject()
    late.now = lambda: NOW + 91 * DAY
    says(late, "B4", Grade.FAIL, "expired at")
    untrusted = ward.subject()
    assert untrusted.chart is not None
    untrusted.chart = replace(untrusted.chart, trust=Trust.of(ward.root.pem))
    says(untrusted, "B5", Grade.FAIL, "nginx: ")
    large = make_leaf(ward.root, DOMAIN, key_type="ecdsa-p384")
    made = read_certificate(large.pem, large.key, link=DOMAIN, issuer="pebble", issued_at=NOW)
    cdn = with_certificate(ward, lambda known: made)
    assert cdn.chart is not None
    cdn.chart = replace(cdn.chart, is_cdn=True)
    says(cdn, "B6", Grade.WARN, "ecdsa-p384")


def test_files_that_strangers_read(ward: Ward) -> None:
    """A key with a mode for everybody."""
    chart = ward.subject().chart
    assert chart is not None and chart.places[0].on_disk is not None
    generation = chart.places[0].on_disk.generation
    key = ward.scene.state / "public" / "certs" / DOMAIN / generation / "privkey.pem"
    mode = key.stat().st_mode
    key.chmod(0o644)
    try:
        says(ward.subject(), "B7", Grade.FAIL, "everybody on this host reads the key", "chmod 640")
    finally:
        key.chmod(mode)


@pytest.mark.lab("tmpfs")
def test_a_pointer_that_is_mounted_by_itself(ward: Ward) -> None:
    """A single-file mount never sees a rename."""
    pointer = ward.scene.state / "public" / "proxies" / "nginx" / f"{DOMAIN}.conf"
    subprocess.run(["mount", "--bind", str(pointer), str(pointer)], check=True)
    try:
        says(ward.subject(), "B8", Grade.FAIL, "is mounted by itself", "instead")
    finally:
        subprocess.run(["umount", str(pointer)], check=True)


# ------------------------------------------------------------------------------------ TLS as served


def test_nothing_listens(ward: Ward) -> None:
    """Named with the address as DNS has it."""
    says(ward.at(f"127.0.0.1:{free_port()}"), "C1", Grade.FAIL, f"{TLS_PLACE}: nothing listens there")


def test_certificates_that_are_wrong(ward: Ward) -> None:
    """SendGrid's own, an older one, the leaf alone, one at its end, another CA's."""
    root = ward.root
    with TlsServer((make_leaf(root, "*.sendgrid.net"), [])) as server:
        says(ward.at(server.place), "C2", Grade.FAIL, "SendGrid's own certificate")
        says(ward.at(server.place), "C5", Grade.FAIL, "the leaf alone", "fullchain.pem")
        says(ward.at(server.place), "C10", Grade.WARN, "issued by CN=Other Root")
    with TlsServer((make_leaf(root, DOMAIN, start=NOW - 80 * DAY, life=82 * DAY), [root.pem])) as server:
        says(ward.at(server.place), "C8", Grade.FAIL, "days left of 82")
        old = ward.at(server.place)
        assert old.chart is not None and old.chart.facts is not None and old.chart.facts.current is not None
        issued = replace(old.chart.facts.current, issued_at=NOW - DAY)
        old.chart = replace(old.chart, facts=replace(old.chart.facts, current=issued))
        says(old, "C3", Grade.FAIL, "an older one")
        says(ward.at(server.place), "C6", Grade.PASS, "without SNI, link.example.test")
        says(ward.at(server.place), "C9", Grade.PASS, "no ALPN")


def test_workers_that_differ(ward: Ward) -> None:
    """Two certificates in turn, as while an old worker hangs."""
    with TlsServer((make_leaf(ward.root, DOMAIN), []), (make_leaf(ward.root, DOMAIN), [])) as server:
        says(ward.at(server.place), "C4", Grade.FAIL, "its workers show different things", "restart")


def test_versions_that_are_too_old(ward: Ward) -> None:
    """TLS 1.1 is taken."""
    with TlsServer((make_leaf(ward.root, DOMAIN), []), oldest=ssl.TLSVersion.TLSv1) as server:
        says(ward.at(server.place), "C7", Grade.WARN, "takes TLS 1.1")
