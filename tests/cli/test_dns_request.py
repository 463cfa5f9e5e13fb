"""What another team is asked for is complete: a zone to be delegated comes with its NS record, or it is said what
is missing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Never

import dns.message
import dns.rdatatype
import pytest

from certd.config.choices import known_choices
from certd.config.loader import load
from certd.dns.provider import ProviderContext
from certd.dns.registry import build_provider
from certd.dns.responder.provider import Responder
from certd.dns.responder.wire import answer
from tests.cli.test_transcripts import certd
from tests.lab.ports import free_port

CONFIG = """
[certd]
state = "{folder}/state"
listen = ""
[network]
resolvers = ["127.0.0.1:{port}"]
[issuer.letsencrypt]
terms_agreed = true
[dns.own]
provider = "responder"
zones = ["acme.example.com"]
{more}
[[link]]
domain = "link.example.com"
proxy = "nginx"
"""

COMPLETE = {
    'listen = ["192.0.2.10:53"]': ["ns1.acme.example.com. 300 IN A 192.0.2.10"],
    'listen = ["10.1.2.3:53"]\npublic = ["198.51.100.7", "2001:db8::7"]': [
        "ns1.acme.example.com. 300 IN A 198.51.100.7",
        "ns1.acme.example.com. 300 IN AAAA 2001:db8::7",
    ],
}


@pytest.mark.parametrize("more", COMPLETE)
def test_a_table_without_ns(short_path: Path, more: str) -> None:
    """The zone's server is named in the zone itself, by the addresses under which the world reaches it, and certd
    answers for that name.
    """
    path = short_path / "certd.toml"
    path.write_text(CONFIG.format(folder=short_path, port=free_port(), more=more))
    done = certd(short_path, "dns", "request", "--as", "zone")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "_acme-challenge.link.example.com. 300 IN CNAME link.example.com.acme.example.com." in lines
    assert "acme.example.com. 300 IN NS ns1.acme.example.com." in lines
    for line in COMPLETE[more]:
        assert line in lines


def test_glue_stands_where_the_delegation_stands(short_path: Path) -> None:
    """In the zone above: a server's address inside the zone that is delegated is seen by nobody who asks for it."""
    path = short_path / "certd.toml"
    path.write_text(CONFIG.format(folder=short_path, port=free_port(), more='listen = ["192.0.2.10:53"]'))
    said = certd(short_path, "dns", "request", "--as", "terraform", "--terraform", "dns").stdout
    glue = said[said.index('resource "dns_a_record_set"') :]
    assert '  zone = "example.com."' in glue
    assert '  name = "ns1.acme"\n' in glue
    other = certd(short_path, "dns", "request", "--as", "terraform", "--terraform", "aws").stdout
    assert other.count("# the zone that holds example.com\n") == 2
    assert "# the zone that holds link.example.com\n" in other


def test_nobody_knows_its_address(short_path: Path) -> None:
    """Behind a router: the request as far as it goes, and what is missing in it."""
    path = short_path / "certd.toml"
    path.write_text(CONFIG.format(folder=short_path, port=free_port(), more='listen = ["10.1.2.3:53"]'))
    done = certd(short_path, "dns", "request", "--as", "zone")
    assert done.returncode == 2
    assert "IN CNAME" in done.stdout
    assert "dns.own: by which name or address the world reaches this server is not known" in done.stderr
    assert "public" in done.stderr


def test_it_answers_for_its_own_name(short_path: Path) -> None:
    """Whoever asks the zone for its server's address is told the one that stands in the parent."""
    path = short_path / "certd.toml"
    path.write_text(CONFIG.format(folder=short_path, port=free_port(), more='listen = ["192.0.2.10:53"]'))
    table = load(path, known_choices()).dns["own"]
    built = build_provider("own", table.provider, table.table, ProviderContext(secrets=never, sender=never))
    assert isinstance(built, Responder)
    query = dns.message.make_query("ns1.acme.example.com", dns.rdatatype.A)
    reply = dns.message.from_wire(answer(query.to_wire(), built.snapshot) or b"")
    assert [str(rdata) for rrset in reply.answer for rdata in rrset] == ["192.0.2.10"]


def never(*_: object) -> Never:
    raise AssertionError("nothing is asked for")
