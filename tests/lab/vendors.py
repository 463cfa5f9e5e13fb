"""Stand-ins for the APIs of DNS vendors on loopback: Cloudflare, Route 53, acme-dns and PowerDNS, as far as a TXT
record goes, with the rules that matter: who may, what is refused, what is identical, what is compared and set.
"""

from __future__ import annotations

import json
import re
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

NS = "https://route53.amazonaws.com/doc/2013-04-01/"

Answer = tuple[int, bytes]


class Vendor:
    """One server; ``values`` are the TXT values by name. Subclasses say what a request means.

    Attributes:
        host: The address at which it listens.
        context: It speaks TLS.
    """

    zone = "example.test"
    token = "right"
    host = "127.0.0.1"
    context: ssl.SSLContext | None = None

    def __init__(self) -> None:
        self.values: dict[str, list[str]] = {"_acme-challenge.link.example.test": ["neighbour"]}
        self.calls: list[str] = []
        self.before_write: Callable[[], None] = lambda: None
        self.down = 0
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                with outer._lock:
                    outer.calls.append(f"{self.command} {self.path}")
                    status, data = (outer.down, b"oops") if outer.down else outer.respond(self, body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = do_PATCH = answer  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                """Silent."""

        self._server = ThreadingHTTPServer((self.host, 0), Handler)
        self._server.daemon_threads = True
        if self.context is not None:
            self._server.socket = self.context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.url = f"{'https' if self.context else 'http'}://{self.host}:{self._server.server_port}"

    def respond(self, request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        """What the vendor answers."""
        raise NotImplementedError

    def shown(self, name: str) -> set[str]:
        """The values at a name."""
        return set(self.values.get(name, []))

    def __enter__(self) -> Vendor:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _json(status: int, value: object) -> Answer:
    return status, json.dumps(value).encode()


class FakeCloudflare(Vendor):
    """Records with ids; an identical one is an error 81058."""

    def respond(self, request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        parts = urlsplit(request.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return self._error(403, 9109, "Invalid access token")
        if parts.path == "/zones":
            found = [{"id": "0123abcd", "name": self.zone}] if query["name"] == self.zone else []
            return self._fine(found)
        match = re.fullmatch(r"/zones/0123abcd/dns_records(?:/(\w+))?", parts.path)
        if match is None:
            return self._error(404, 7003, "Could not route")
        if request.command == "GET":
            return self._fine(
                [
                    {
                        "id": self._id(query["name"], value),
                        "type": "TXT",
                        "name": query["name"],
                        "content": f'"{value}"',
                    }
                    for value in self.values.get(query["name"], [])
                ]
            )
        if request.command == "POST":
            record = json.loads(body)
            value = record["content"].strip('"')
            if value in self.values.setdefault(record["name"], []):
                return self._error(400, 81058, "An identical record already exists.")
            self.values[record["name"]].append(value)
            return self._fine({"id": self._id(record["name"], value)})
        for name, values in self.values.items():
            for value in values:
                if self._id(name, value) == match[1]:
                    values.remove(value)
                    return self._fine({"id": match[1]})
        return self._error(404, 81044, "Record does not exist.")

    def _id(self, name: str, value: str) -> str:
        return (name + value).encode().hex()[-40:]

    def _fine(self, result: object) -> Answer:
        return _json(200, {"success": True, "errors": [], "result": result})

    def _error(self, status: int, code: int, words: str) -> Answer:
        return _json(status, {"success": False, "errors": [{"code": code, "message": words}], "result": None})


class FakeRoute53(Vendor):
    """Record sets; a DELETE must name the set exactly as it is, and a batch lands whole or not at all."""

    def respond(self, request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        parts = urlsplit(request.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if f"Credential={self.token}/" not in (request.headers.get("Authorization") or ""):
            return self._error(403, "InvalidClientTokenId", "The security token included in the request is invalid")
        if parts.path == "/2013-04-01/hostedzonesbyname":
            zones = f"<HostedZone><Id>/hostedzone/Z123</Id><Name>{self.zone}.</Name></HostedZone>"
            private = (
                f"<HostedZone><Id>/hostedzone/ZPRIV</Id><Name>{self.zone}.</Name>"
                "<Config><PrivateZone>true</PrivateZone></Config></HostedZone>"
            )
            return self._fine("ListHostedZonesByNameResponse", f"<HostedZones>{private}{zones}</HostedZones>")
        if parts.path.rstrip("/") != "/2013-04-01/hostedzone/Z123/rrset":
            return self._error(404, "NoSuchHostedZone", "No hosted zone found")
        if request.command == "GET":
            # It answers with the first set at or after the name, which may be another's.
            names = sorted(name for name, values in self.values.items() if values and name >= query["name"])
            found = self._set(names[0]) if names else ""
            return self._fine("ListResourceRecordSetsResponse", f"<ResourceRecordSets>{found}</ResourceRecordSets>")
        self.before_write()
        return self._change(ElementTree.fromstring(body))  # noqa: S314

    def _change(self, batch: ElementTree.Element) -> Answer:
        after = {name: list(values) for name, values in self.values.items()}
        for change in batch.iter(f"{{{NS}}}Change"):
            name = (change.findtext(f".//{{{NS}}}Name") or "").rstrip(".")
            values = [(value.text or "").strip('"') for value in change.iter(f"{{{NS}}}Value")]
            if change.findtext(f"{{{NS}}}Action") == "DELETE":
                if after.get(name) != values:
                    return self._error(400, "InvalidChangeBatch", "the values provided do not match the current values")
                after[name] = []
            else:
                if after.get(name):
                    return self._error(400, "InvalidChangeBatch", "it already exists")
                after[name] = values
        self.values = after
        return self._fine("ChangeResourceRecordSetsResponse", "<ChangeInfo><Status>PENDING</Status></ChangeInfo>")

    def _set(self, name: str) -> str:
        values = "".join(
            f"<ResourceRecord><Value>&quot;{value}&quot;</Value></ResourceRecord>" for value in self.values[name]
        )
        return (
            f"<ResourceRecordSet><Name>{name}.</Name><Type>TXT</Type><TTL>60</TTL>"
            f"<ResourceRecords>{values}</ResourceRecords></ResourceRecordSet>"
        )

    def _fine(self, kind: str, inner: str) -> Answer:
        return 200, f'<?xml version="1.0"?><{kind} xmlns="{NS}">{inner}</{kind}>'.encode()

    def _error(self, status: int, code: str, words: str) -> Answer:
        inner = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{words}</Message></Error>"
        return status, f'<ErrorResponse xmlns="{NS}">{inner}</ErrorResponse>'.encode()


class FakeAcmeDns(Vendor):
    """The last two values of a name, the older replaced by the third."""

    full = "d420.auth.example.test"

    def __init__(self) -> None:
        super().__init__()
        self.values = {self.full: []}

    def accounts(self, password: str = "right") -> str:
        """A file of registrations."""
        account = {"fulldomain": self.full, "subdomain": "d420", "username": "u", "password": password}
        return json.dumps({"link.example.test": account})

    def respond(self, request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        if (request.headers.get("X-Api-User"), request.headers.get("X-Api-Key")) != ("u", "right"):
            return _json(401, {"error": "forbidden"})
        update = json.loads(body)
        if request.path != "/update" or update["subdomain"] != "d420":
            return _json(400, {"error": "bad_subdomain"})
        self.values[self.full] = [*self.values[self.full], update["txt"]][-2:]
        return _json(200, {"txt": update["txt"]})


class FakePowerDns(Vendor):
    """PowerDNS's API as far as lexicon uses it: a zone's record sets, replaced in whole."""

    def respond(self, request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        if request.headers.get("X-API-Key") != self.token:
            return 401, b"Unauthorized"
        if not urlsplit(request.path).path.startswith(f"/api/v1/servers/localhost/zones/{self.zone}"):
            return _json(404, {"error": "Could not find domain"})
        if request.command == "PATCH":
            for entry in json.loads(body)["rrsets"]:
                records = [record["content"].strip('"') for record in entry.get("records", [])]
                self.values[entry["name"].rstrip(".")] = records if entry["changetype"] == "REPLACE" else []
            return 204, b""
        rrsets: list[dict[str, Any]] = [
            {
                "name": f"{name}.",
                "type": "TXT",
                "ttl": 60,
                "records": [{"content": f'"{value}"', "disabled": False} for value in values],
            }
            for name, values in self.values.items()
        ]
        return _json(200, {"name": f"{self.zone}.", "kind": "Native", "rrsets": rrsets})
