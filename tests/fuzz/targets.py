"""The parsers of what strangers send, each with what must be true of anything that it takes."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from cryptography.hazmat.primitives import serialization

from certd.acme.account_keys import as_jwk, new_account_key
from certd.acme.messages import parse_authorization, parse_order, parse_problem, parse_renewal_info
from certd.cli.backup import _read as read_backup
from certd.config.choices import known_choices
from certd.config.loader import load
from certd.control.protocol import LATEST, _question
from certd.dns.persist import judge_persist, parse_persist
from certd.dns.resolv_conf import parse_resolv_conf
from certd.dns.responder import wire
from certd.dns.responder.snapshot import ServedZone, Snapshot
from certd.errors import AcmeUnreachable, CertdError, ConfigurationError, Finding, GateRefused
from certd.foreign.acme_sh import assignments
from certd.foreign.certbot import renewal_parameters
from certd.model import Secret
from certd.model.deployment import Deployment
from certd.model.remote import RemoteSettings
from certd.pki.chain import load_chain
from certd.pki.revocation import read_list
from certd.store.codec import Body, attempts_of, order_of, rehearsal_of
from certd.system.egress import Egress, Response
from certd.system.http_headers import LONGEST_WAIT, date_of, retry_after_of
from certd.targets.kind import RemoteMeans
from certd.targets.reload_syntax import reload_mistake
from certd.targets.remote import ODD_ANSWERS, Pair, RemoteMemory
from certd.targets.remotes import cloudflare, fastly, keycdn
from certd.web.exchange import BadRequest, read_head
from tests.fuzz.runner import Target
from tests.lab.certificates import NOW, make_ca, make_leaf
from tests.lab.remote_memory import Memory

ROOT = make_ca("Root")
LEAF = make_leaf(ROOT, "link.example.com")
KEY = as_jwk(new_account_key())
DEPLOYMENT = Body(Deployment)
ZONE = "acme.example.test"
SCRATCH = Path(tempfile.mkdtemp(prefix="certd-fuzz-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))

SNAPSHOT = Snapshot(
    (ServedZone(apex=ZONE, nameservers=(f"ns1.{ZONE}",), addresses={f"ns1.{ZONE}": ("127.0.0.1",)}, contact=""),),
    {f"link.example.test.{ZONE}": frozenset({"a" * 43, "b" * 43})},
    serial=1,
)


def shown(text: str) -> None:
    """What reaches a terminal steers none."""
    assert all(letter.isprintable() or letter in "\n\t" for letter in text), text


def resolv_conf(data: bytes) -> None:
    read = parse_resolv_conf(data)
    for server in read.servers:
        shown(server)
        assert server
    for line in read.ignored:
        shown(line.text)


def http_head(data: bytes) -> None:
    request = read_head(data, is_local=True, is_socket=False)
    assert request.path.startswith("/")
    assert all(name == name.lower() for name in request.headers)


def members(data: bytes) -> dict[str, Any]:
    """An object, or no input of this kind."""
    body = json.loads(data)
    if not isinstance(body, dict):
        raise ValueError("no object")
    return body


def problem(data: bytes) -> None:
    found = parse_problem(Response(status=400, headers={}, body=data))
    if found is not None:
        shown(str(found))
        shown(found.hint)


def order(data: bytes) -> None:
    seen = parse_order(members(data), Response(status=200, headers={}, body=b""), url="u", issuer="ca")
    assert seen.status in {"pending", "ready", "processing", "valid", "invalid"}
    shown(seen.problem)


def authorization(data: bytes) -> None:
    seen = parse_authorization(members(data), url="u", key=KEY, issuer="ca")
    shown(seen.identifier + seen.problem)
    assert seen.identifier == seen.identifier.lower()


def persist_record(data: bytes) -> None:
    text = data.decode("latin-1")
    words = judge_persist([text], ("ca.example",), "https://ca/a", is_wildcard=False, until=NOW)
    record = parse_persist(text)
    # What is read is written so that it is read as the same.
    again = parse_persist(str(record))
    assert (again.account, again.is_wildcard, again.until) == (record.account, record.is_wildcard, record.until)
    if not words:
        assert (record.issuer, record.account) == ("ca.example", "https://ca/a")


def renewal_info(data: bytes) -> None:
    response = Response(status=200, headers={"retry-after": "7"}, body=b"")
    seen = parse_renewal_info(members(data), response, issuer="ca")
    assert seen.start <= seen.end
    shown(seen.explanation_url)


def headers(data: bytes) -> None:
    text = data.decode("latin-1")
    response = Response(status=429, headers={"retry-after": text, "date": text}, body=b"")
    wait = retry_after_of(response)
    assert wait is None or timedelta(0) <= wait <= LONGEST_WAIT
    said = date_of(response)
    assert said is None or said.tzinfo is not None


def chain(data: bytes) -> None:
    assert load_chain(data.decode("utf-8", errors="replace"))


def revocation_list(data: bytes) -> None:
    read_list(data, ROOT.certificate, NOW)


def responder(data: bytes) -> None:
    reply = wire.answer(data, SNAPSHOT)
    if reply is not None:
        assert reply[:2] == data[:2]
        assert reply[2] & 0x80
        assert len(reply) <= 4 * len(data)


def control(data: bytes) -> None:
    asked = _question(data, "uid 0")
    assert 0 <= asked.since <= LATEST
    shown(asked.by)


def configuration(data: bytes) -> None:
    path = SCRATCH / "certd.toml"
    path.write_bytes(data)
    try:
        load(path, known_choices(), {"HOSTNAME": "host"})
    except ConfigurationError as error:
        told = "".join(f"{each.path}{each.message}{each.hint}" for each in error.findings)
    else:
        return
    shown(told)
    if not told:
        raise AssertionError("a configuration was refused without a word")


def deployment(data: bytes) -> None:
    text = data.decode("utf-8", errors="strict")
    kept = DEPLOYMENT.validate_json(text)
    assert DEPLOYMENT.validate_json(DEPLOYMENT.dump_json(kept).decode()) == kept


def stored(data: bytes) -> None:
    text = data.decode("utf-8", errors="strict")
    for read in (attempts_of, rehearsal_of, lambda body: order_of(body, Secret("k"))):
        try:
            cast(Callable[[str], object], read)(text)
        except ValueError:
            continue


def backup(data: bytes) -> None:
    path = SCRATCH / "backup.tar"
    path.write_bytes(data)
    for name, body in read_backup(path).items():
        assert len(body) <= len(data), name


def reload_words(data: bytes) -> None:
    shown(Finding(path="proxy.edge.reload", message=reload_mistake(data.decode("latin-1"))).message)


def foreign(data: bytes) -> None:
    path = SCRATCH / "link.conf"
    path.write_bytes(data)
    assert all(isinstance(value, str) for value in assignments(path).values())
    said, files = renewal_parameters(data.decode("utf-8", errors="replace"))
    assert all(isinstance(value, str) for value in (*said.values(), *files.values()))


PAIR = Pair(link="link.example.com", generation="20261201T000000Z-aaaaaaaa", leaf=LEAF.pem, chain="", key=LEAF.key)
ADAPTERS: Mapping[str, Any] = {"cloudflare": cloudflare, "fastly": fastly, "keycdn": keycdn}


def cdn(kind: str) -> Callable[[bytes], None]:
    """An adapter to which the CDN answers everything with these bytes: neither key nor token comes out."""

    def run(data: bytes) -> None:
        def send(method: str, url: str, **_: Any) -> Response:
            return Response(status=200 + (data[0] if data else 0), headers={}, body=data[1:])

        means = RemoteMeans(
            proxy="edge",
            kind=kind,
            settings=RemoteSettings(zone="1", token="env:T", api="https://api.example"),
            secret=lambda reference: Secret("the-token"),
            egress=lambda: cast(Egress, SimpleNamespace(send=send)),
            deadline=timedelta(seconds=1),
        )
        memory = Memory()
        try:
            said = ADAPTERS[kind].connect(means).bring(PAIR, cast(RemoteMemory, memory))
        except CertdError as error:
            said = f"{error} {error.hint}"
        shown(said)
        assert "the-token" not in said
        assert "PRIVATE KEY" not in said

    return run


def _json(**body: Any) -> bytes:
    return json.dumps(body).encode()


CRL = b""
CONFIG = b"""issuer.letsencrypt.terms_agreed = true
[dns.corp]
provider = "rfc2136"
server = "192.0.2.53"
tsig = "file:/etc/certd/tsig.key"
[proxy.nginx]
reload = "auto"
endpoints = ["127.0.0.1:443"]
[[link]]
domain = ["link.example.com", "*.example.org"]
proxy = "nginx"
esp = "sendgrid"
labels = { brand = "x" }
click_every = "5m"
"""
QUERY = (
    bytes.fromhex("abcd01000001000000000001")
    + b"\x04link\x07example\x04test\x04acme\x07example\x04test\x00"
    + bytes.fromhex("00100001000029100000008000 0000".replace(" ", ""))
)
DER = LEAF.pem.encode()
PEM = (ROOT.certificate.public_bytes(serialization.Encoding.PEM), DER)

TARGETS: tuple[Target, ...] = (
    Target(
        "resolv.conf", resolv_conf, (b"nameserver 192.0.2.1\nsearch a.example\noptions edns0\nnameserver fe80::1%lo\n",)
    ),
    Target(
        "http head",
        http_head,
        (b"GET /links.json?q=a%20b HTTP/1.1\r\nHost: localhost:9180\r\nAuthorization: Basic eDp5\r\n\r\n",),
        (BadRequest,),
    ),
    Target(
        "acme problem",
        problem,
        (
            _json(
                type="urn:ietf:params:acme:error:rateLimited",
                detail="too many certificates: retry after 2026-12-01 00:00:00 UTC",
            ),
            _json(
                type="urn:ietf:params:acme:error:dns",
                detail="x",
                subproblems=[{"type": "dns", "detail": "y", "identifier": {"value": "a.example"}}],
            ),
        ),
    ),
    Target(
        "acme order",
        order,
        (
            _json(
                status="pending",
                authorizations=["https://ca/a"],
                finalize="https://ca/f",
                expires="2026-12-08T00:00:00Z",
                error={"type": "x", "detail": "y"},
            ),
        ),
        (ValueError, AcmeUnreachable, RecursionError),
    ),
    Target(
        "acme authorization",
        authorization,
        (
            _json(
                identifier={"type": "dns", "value": "link.example.com"},
                status="pending",
                challenges=[
                    {
                        "type": "dns-01",
                        "url": "https://ca/c",
                        "token": "dG9rZW4tb2YtdGhpcy1jaGFsbGVuZ2UtYQ",
                        "status": "pending",
                    }
                ],
            ),
        ),
        (ValueError, AcmeUnreachable, RecursionError),
    ),
    Target(
        "persist record",
        persist_record,
        (b"ca.example; accounturi=https://ca/a; policy=wildcard; persistUntil=1800000000",),
        (ValueError,),
    ),
    Target(
        "renewal information",
        renewal_info,
        (
            _json(
                suggestedWindow={"start": "2026-12-01T00:00:00Z", "end": "2026-12-02T00:00:00Z"},
                explanationURL="https://ca/why",
            ),
        ),
        (ValueError, AcmeUnreachable, RecursionError),
    ),
    Target("http headers", headers, (b"120", b"Fri, 31 Dec 2027 23:59:59 GMT", b"2027-01-01T00:00:00Z")),
    Target("chain", chain, (PEM[1] + PEM[0], PEM[1]), (GateRefused,)),
    Target("revocation list", revocation_list, (PEM[0], b"\x30\x82\x01\x00"), (GateRefused, CertdError)),
    Target("responder", responder, (QUERY, QUERY[:-11])),
    Target(
        "control",
        control,
        (_json(verb="renew", links=["link.example.com"], force=True, since=1.5, by="me"),),
        (CertdError,),
    ),
    # An operator writes it, and a page of it is judged whole: hundreds of mistakes, each with its nearest word.
    Target("configuration", configuration, (CONFIG,), (ConfigurationError,), slow=2.0),
    Target(
        "stored deployment",
        deployment,
        (DEPLOYMENT.dump_json(Deployment(link="a.example", domains=("a.example",))),),
        (ValueError,),
    ),
    Target("stored bodies", stored, (b"[]", b'{"failures":1,"kind":"dns","message":"m"}'), (ValueError,)),
    Target("backup", backup, (b"certd.db".ljust(512, b"\0") + b"x" * 512 + b"\0" * 1024,), (CertdError,)),
    Target(
        "reload words",
        reload_words,
        (
            b"auto",
            b"haproxy:/run/haproxy/admin.sock",
            b"caddy:localhost:2019:/etc/caddy/Caddyfile",
            b"http:POST:https://h.example/x",
        ),
    ),
    Target(
        "foreign clients",
        foreign,
        (
            b"Le_Domain='a.example'\nLe_API='https://ca/d'\n",
            b"[renewalparams]\nserver = https://ca/d\nauthenticator = dns-rfc2136\n",
        ),
        (CertdError, ValueError),
    ),
    *(
        Target(
            f"answers of {kind}",
            cdn(kind),
            (
                b"\x00" + _json(success=True, result=[], data=[], status="success"),
                b"\x00"
                + _json(
                    success=True,
                    result={"id": "1", "hosts": ["link.example.com"], "expires_on": "2027-01-01T00:00:00Z"},
                    data={"id": "1"},
                ),
                b"\xc8" + _json(errors=[{"code": 1212, "message": "m", "detail": "d"}], description="no"),
            ),
            (CertdError, *ODD_ANSWERS),
        )
        for kind in ADAPTERS
    ),
)
