"""Stand-ins for Cloudflare, Fastly and KeyCDN on loopback: their APIs with the rules of certificates, and edges that
show what was uploaded.

Written from the vendors' documentation and clients (docs/cdns.md has the sources); none of it was compared with the
vendors themselves.
"""

from __future__ import annotations

import base64
import json
import re
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from certd.pki.chain import names_of
from tests.lab.certificates import make_ca, make_leaf
from tests.lab.tls_server import TlsServer

PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\s*", re.DOTALL)
TOKEN = "a-token-that-nobody-prints"


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What an edge shows for some names."""

    chain: str
    key: str
    at: float

    @property
    def leaf(self) -> x509.Certificate:
        """The first certificate."""
        return x509.load_pem_x509_certificate(self.chain.encode())

    @property
    def names(self) -> frozenset[str]:
        """Of the leaf."""
        return frozenset(names_of(self.leaf))


class No(Exception):
    """What the API answers: a status and a body."""

    def __init__(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers or {}


@dataclass
class Cdn:
    """One provider's API.

    Attributes:
        asked: Each call, ``METHOD /path``.
        lose: Numbers of calls (from 1) whose answer is lost after the change was made.
        drop: Numbers of calls that are cut off before anything was changed.
        answers: Given instead of its own, in order.
        spread: Seconds until an edge shows what was uploaded.
    """

    asked: list[str] = field(default_factory=list)
    lose: set[int] = field(default_factory=set)
    drop: set[int] = field(default_factory=set)
    answers: list[No] = field(default_factory=list)
    spread: float = 0
    shown: dict[str, list[Uploaded]] = field(default_factory=dict)
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Where ``api`` points."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Cdn:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = urlsplit(self.path)
                outer.asked.append(f"{self.command} {parts.path}")
                number = len(outer.asked)
                if number in outer.drop:
                    self.close_connection = True
                    return
                headers: Mapping[str, str] = {}
                try:
                    if outer.answers:
                        raise outer.answers.pop(0)
                    outer.authorized(self.headers)
                    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                    status, answer = outer.answer(self.command, unquote(parts.path), query, body)
                except No as no:
                    status, answer, headers = no.status, no.body, no.headers
                if number in outer.lose:
                    self.close_connection = True
                    return
                data = json.dumps(answer).encode() if answer is not None else b""
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                """Silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="cdn", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def authorized(self, headers: Message) -> None:
        """Raises No where the credential is wrong."""
        raise NotImplementedError

    def answer(
        self, method: str, path: str, query: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, Any] | None]:
        """One call."""
        raise NotImplementedError

    def show(self, pair: Uploaded) -> None:
        """At the edges, for all its names."""
        for name in pair.names:
            self.shown.setdefault(name, []).append(pair)

    def served(self, name: str) -> Uploaded | None:
        """What an edge shows now."""
        there = [each for each in self.shown.get(name, ()) if time.monotonic() - each.at >= self.spread]
        return there[-1] if there else None


def judged(chain: str, key: str, bad: Callable[[str], No]) -> Uploaded:
    """A pair that fits; raises what ``bad`` makes."""
    try:
        pair = Uploaded(chain, key, time.monotonic())
        private = serialization.load_pem_private_key(key.encode(), None)
        fits = private.public_key() == pair.leaf.public_key()
    except ValueError:
        raise bad("it cannot be read") from None
    if not fits:
        raise bad("the private key does not match the certificate")
    return pair


class Cloudflare(Cdn):
    """A zone's custom certificates."""

    zone = "0123456789abcdef0123456789abcdef"
    domain = "example.com"
    quota = 1

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[str, Uploaded] = {}
        self._made = 0

    def authorized(self, headers: Message) -> None:
        """By a bearer token."""
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            raise self._no(401, 10000, "Authentication error")

    @staticmethod
    def _no(status: int, code: int, message: str) -> No:
        return No(status, {"success": False, "errors": [{"code": code, "message": message}], "result": None})

    def _told(self, name: str) -> dict[str, Any]:
        pair = self.held[name]
        ends = pair.leaf.not_valid_after_utc
        return {
            "id": name,
            "hosts": sorted(pair.names),
            "status": "active",
            "expires_on": f"{ends:%Y-%m-%dT%H:%M:%S}.00Z",
            "zone_id": self.zone,
        }

    def answer(
        self, method: str, path: str, query: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, Any] | None]:
        """As the API documents it."""
        base = f"/zones/{self.zone}/custom_certificates"
        if not path.startswith(base):
            raise self._no(404, 7003, "Could not route to the zone")
        name = path[len(base) :].strip("/")
        if name and name not in self.held:
            raise self._no(404 if method == "GET" else 400, 1002, "Invalid certificate ID")
        if method == "GET":
            if name:
                return 200, {"success": True, "errors": [], "result": self._told(name)}
            size = int(query.get("per_page", 20))
            start = (int(query.get("page", 1)) - 1) * size
            rows = [self._told(each) for each in list(self.held)[start : start + size]]
            return 200, {"success": True, "errors": [], "result": rows}
        asked: dict[str, Any] = json.loads(body)
        pair = judged(asked["certificate"], asked["private_key"], lambda words: self._no(400, 2106, words))
        if "EC PARAMETERS" in asked["private_key"]:
            raise self._no(400, 2106, "the key is invalid")
        if asked.get("bundle_method") != "force" and len(PEM.findall(asked["certificate"])) != 1:
            raise self._no(400, 2100, "give the leaf alone")
        if not any(host == self.domain or host.endswith(f".{self.domain}") for host in pair.names):
            raise self._no(400, 2103, "no host of the zone")
        if pair.leaf.not_valid_after_utc - datetime.now(UTC) < timedelta(days=14):
            raise self._no(400, 1206, "expires within 14 days")
        serials = {each.leaf.serial_number for each in self.held.values()}
        if pair.leaf.serial_number in serials:
            raise self._no(400, 1220, "already uploaded")
        if method == "POST":
            if asked.get("type", "legacy_custom") != "sni_custom" or len(self.held) >= self.quota:
                raise self._no(400, 1212, "quota reached")
        else:
            # The answer has another id, and the old one is gone.
            del self.held[name]
        self._made += 1
        made = f"{self._made:032x}"
        self.held[made] = pair
        self.show(pair)
        return 200, {"success": True, "errors": [], "result": self._told(made)}


class Fastly(Cdn):
    """Keys, certificates and activations."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: dict[str, tuple[str, str]] = {}
        self.certificates: dict[str, tuple[Uploaded, str]] = {}
        self.activations: dict[str, tuple[str, str]] = {}
        self.domains = {"link.example.com"}
        self.subscribed: set[str] = set()
        self._made = 0

    def authorized(self, headers: Message) -> None:
        """By the header Fastly-Key."""
        if headers.get("Fastly-Key") != TOKEN:
            raise No(401, {"msg": "Provided credentials are missing or invalid"})

    @staticmethod
    def _no(status: int, detail: str) -> No:
        return No(status, {"errors": [{"title": "Refused", "detail": detail}]})

    def _id(self) -> str:
        self._made += 1
        return f"obj{self._made:04d}"

    def answer(
        self, method: str, path: str, query: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, Any] | None]:
        """As the API documents it."""
        _, _, kind, *rest = path.split("/")
        data = json.loads(body)["data"] if body else {}
        match kind:
            case "private_keys":
                return self._keys(method, rest, query, data)
            case "certificates":
                return self._certificates(method, rest, query, data)
            case "activations":
                return self._activations(method, rest, query, data)
            case _:
                raise self._no(404, "no such resource")

    @staticmethod
    def _page(rows: list[dict[str, Any]], query: Mapping[str, str]) -> tuple[int, Mapping[str, Any]]:
        size, number = int(query.get("page[size]", 20)), int(query.get("page[number]", 1))
        return 200, {"data": rows[(number - 1) * size : number * size]}

    def _keys(
        self, method: str, rest: list[str], query: Mapping[str, str], data: Mapping[str, Any]
    ) -> tuple[int, Mapping[str, Any] | None]:
        if method == "GET":
            rows = [
                {"id": name, "type": "tls_private_key", "attributes": {"name": said}}
                for name, (_, said) in self.keys.items()
            ]
            return self._page(rows, query)
        if method == "DELETE":
            if rest[0] not in self.keys:
                raise self._no(404, "not found")
            if any(pair.key == self.keys[rest[0]][0] for pair, _ in self.certificates.values()):
                raise self._no(409, "a certificate matches this key")
            del self.keys[rest[0]]
            return 204, None
        name = self._id()
        self.keys[name] = (data["attributes"]["key"], data["attributes"].get("name", ""))
        return 201, {"data": {"id": name, "type": "tls_private_key", "attributes": {}}}

    def _certificates(
        self, method: str, rest: list[str], query: Mapping[str, str], data: Mapping[str, Any]
    ) -> tuple[int, Mapping[str, Any] | None]:
        if method == "GET":
            rows = [
                {"id": name, "type": "tls_certificate", "attributes": {"name": said}}
                for name, (_, said) in self.certificates.items()
            ]
            return self._page(rows, query)
        if method == "DELETE":
            if rest[0] not in self.certificates:
                raise self._no(404, "not found")
            if any(there == rest[0] for _, there in self.activations.values()):
                raise self._no(409, "a domain uses this certificate")
            del self.certificates[rest[0]]
            return 204, None
        chain = data["attributes"]["cert_blob"]
        leaf = x509.load_pem_x509_certificate(chain.encode())
        key = next(
            (
                text
                for text, _ in self.keys.values()
                if serialization.load_pem_private_key(text.encode(), None).public_key() == leaf.public_key()
            ),
            None,
        )
        if key is None:
            raise self._no(400, "no private key matches the certificate")
        name = self._id()
        self.certificates[name] = (Uploaded(chain, key, time.monotonic()), data["attributes"].get("name", ""))
        return 201, {"data": {"id": name, "type": "tls_certificate", "attributes": {"serial_number": "1"}}}

    def _activations(
        self, method: str, rest: list[str], query: Mapping[str, str], data: Mapping[str, Any]
    ) -> tuple[int, Mapping[str, Any] | None]:
        if method == "GET":
            wanted = query.get("filter[tls_domain.id]", "")
            rows = [
                {
                    "id": name,
                    "type": "tls_activation",
                    "relationships": {"tls_certificate": {"data": {"type": "tls_certificate", "id": there}}},
                }
                for name, (domain, there) in self.activations.items()
                if domain == wanted
            ]
            return self._page(rows, query)
        if method == "DELETE":
            raise self._no(400, "certd never turns TLS off")
        related = data["relationships"]
        certificate = related["tls_certificate"]["data"]["id"]
        if certificate not in self.certificates:
            raise self._no(404, "no such certificate")
        if method == "PATCH":
            if rest[0] not in self.activations:
                raise self._no(404, "not found")
            name, domain = rest[0], self.activations[rest[0]][0]
        else:
            domain = related["tls_domain"]["data"]["id"]
            if domain in self.subscribed or any(there == domain for there, _ in self.activations.values()):
                raise self._no(400, "tls_domain has already been taken")
            if domain not in self.domains:
                raise self._no(404, "the domain is on no service")
            name = self._id()
        self.activations[name] = (domain, certificate)
        pair = self.certificates[certificate][0]
        self.shown.setdefault(domain, []).append(Uploaded(pair.chain, pair.key, time.monotonic()))
        return 200, {"data": {"id": name, "type": "tls_activation"}}


class KeyCdn(Cdn):
    """One zone; its answers hold the private key."""

    zone = "12345"

    def __init__(self) -> None:
        super().__init__()
        self.held: Uploaded | None = None

    def authorized(self, headers: Message) -> None:
        """The API key as the user's name."""
        wanted = base64.b64encode(f"{TOKEN}:".encode()).decode()
        if headers.get("Authorization") != f"Basic {wanted}":
            raise No(401, {"status": "error", "description": "Unauthorized"})

    def answer(
        self, method: str, path: str, query: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, Any] | None]:
        """Errors come in a 200, too."""
        if path != f"/zones/{self.zone}.json":
            raise No(404, {"status": "error", "description": "Zone not found"})
        if method == "PUT":
            fields = {name: values[0] for name, values in parse_qs(body.decode()).items()}

            def bad(words: str) -> No:
                shown = f"{words}: {fields.get('customsslkey', '')}"
                return No(200, {"status": "error", "description": shown})

            if fields.get("sslcert") != "custom":
                raise bad("sslcert must be custom")
            pair = judged(fields["customsslcert"], fields["customsslkey"], bad)
            self.held = pair
            self.show(pair)
        zone = {"id": self.zone, "customsslkey": self.held.key if self.held else ""}
        return 200, {"status": "success", "description": "Zone", "data": {"zone": zone}}


KINDS: Mapping[str, Callable[[], Cdn]] = {"cloudflare": Cloudflare, "fastly": Fastly, "keycdn": KeyCdn}


@contextmanager
def edges_of(cdn: Cdn, count: int = 2) -> Iterator[tuple[TlsServer, ...]]:
    """Points of presence: each shows what was uploaded for the name that is asked for, else its own certificate."""
    theirs = make_ca("the CDN's own")

    def choose(connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        there = cdn.served(name or "")
        if there is not None:
            connection.context = _context(there)

    with ExitStack() as stack:
        servers = []
        for _ in range(count):
            server = stack.enter_context(TlsServer((make_leaf(theirs, "*.cdn.test"), ())))
            server.choose_by(choose)
            servers.append(server)
        yield tuple(servers)


def _context(held: Uploaded) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pair.pem"
        path.write_text(held.chain + held.key)
        context.load_cert_chain(path)
    return context
