"""Amazon on loopback: moto's server, before it a stand-in for the rules of ACM's that moto does not enforce, and a
distribution whose edge shows what ACM holds.

The rules are those of docs.aws.amazon.com/acm: "Prerequisites for importing ACM certificates", "Reimport a
certificate", and CloudFront's supported key types, which an edge-optimised API has too.
"""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from moto.server import ThreadedMotoServer

from certd.model import Secret
from certd.pki.keys import key_type_of, public_key_type
from tests.lab.certificates import make_ca, make_leaf
from tests.lab.tls_server import TlsServer

MOST_KEY_OCTETS = 5120
EDGE_KEYS = {"rsa-1024", "rsa-2048", "rsa-3072", "ecdsa-p256"}
PEM_MARK = "-----BEGIN CERTIFICATE-----"

# What botocore finds; moto takes any.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI-secret",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
}


class Refused(Exception):
    """What ACM would say."""


@dataclass(frozen=True, slots=True)
class LeasedLink:
    """What lies under an ARN."""

    leaf: str
    chain: str
    key: Secret
    at: float

    @property
    def serial(self) -> int:
        """Of the leaf."""
        return x509.load_pem_x509_certificate(self.leaf.encode()).serial_number


class Amazon:
    """ACM, with its rules.

    Attributes:
        asked: Every operation, in order.
        answers: Given instead of Amazon's own, in order: status, error, words, headers.
        in_use: ARNs that a distribution or an API names.
    """

    def __init__(self) -> None:
        self._moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server: ThreadingHTTPServer | None = None
        self.asked: list[str] = []
        self.answers: list[tuple[int, str, str, Mapping[str, str]]] = []
        self.in_use: set[str] = set()
        self.held: dict[str, list[LeasedLink]] = {}

    @property
    def url(self) -> str:
        """Where ``api`` points."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def plain(self) -> str:
        """moto itself, without the rules."""
        host, port = self._moto.get_host_and_port()
        return f"http://{host}:{port}"

    def __enter__(self) -> Amazon:
        self._moto.start()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, data, headers = outer._answer(dict(self.headers.items()), body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                """Silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="acm", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()
        self._moto.stop()

    def reset(self) -> None:
        """An empty account again."""
        urllib.request.urlopen(f"{self.plain}/moto-api/reset", data=b"", timeout=30).close()
        self.asked.clear()
        self.answers.clear()
        self.in_use.clear()
        self.held.clear()

    # ------------------------------------------------------------------------------------ the rules

    def _answer(self, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes, Mapping[str, str]]:
        named = {name.lower(): value for name, value in headers.items()}
        operation = named.get("x-amz-target", "").rpartition(".")[2]
        self.asked.append(operation)
        if self.answers:
            status, code, words, more = self.answers.pop(0)
            return status, json.dumps({"__type": code, "message": words}).encode() if code else words.encode(), more
        asked: dict[str, Any] = json.loads(body)
        brought: LeasedLink | None = None
        if operation == "ImportCertificate":
            try:
                brought = self._judged(asked)
            except Refused as error:
                return 400, json.dumps({"__type": "ValidationException", "message": str(error)}).encode(), {}
        status, answered = self._forwarded(headers, body)
        answer: dict[str, Any] = json.loads(answered)
        if status == 200 and brought is not None:
            self.held.setdefault(answer["CertificateArn"], []).append(brought)
        if status == 200 and operation == "DescribeCertificate":
            told = answer["Certificate"]
            number = f"{int(told['Serial']):x}"
            number = number if len(number) % 2 == 0 else f"0{number}"
            # As ACM writes it.
            told["Serial"] = ":".join(number[at : at + 2] for at in range(0, len(number), 2))
            used = told["CertificateArn"] in self.in_use
            told["InUseBy"] = ["arn:aws:cloudfront::123456789012:distribution/E1"] if used else []
        return status, json.dumps(answer).encode(), {}

    def _forwarded(self, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        kept = {name: value for name, value in headers.items() if name.lower() not in {"host", "content-length"}}
        request = urllib.request.Request(f"{self.plain}/", data=body, headers=kept, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def _judged(self, asked: Mapping[str, Any]) -> LeasedLink:
        def text(name: str) -> str:
            return base64.b64decode(asked.get(name) or "").decode()

        leaf, chain, key = text("Certificate"), text("CertificateChain"), Secret(text("PrivateKey"))
        if leaf.count(PEM_MARK) != 1:
            raise Refused("The certificate body must contain one certificate.")
        if len(key.reveal()) > MOST_KEY_OCTETS:
            raise Refused("The private key is too large.")
        certificate = x509.load_pem_x509_certificate(leaf.encode())
        if public_key_type(certificate.public_key()) != key_type_of(key) or not _is_pair(certificate, key):
            raise Refused("The private key does not match the certificate.")
        if certificate.issuer != certificate.subject and not chain:
            raise Refused("Could not validate the certificate: the chain is missing.")
        if chain:
            above = x509.load_pem_x509_certificates(chain.encode())
            try:
                certificate.verify_directly_issued_by(above[0])
            except Exception as error:
                raise Refused("Could not validate the certificate with the certificate chain.") from error
        if arn := asked.get("CertificateArn"):
            if asked.get("Tags"):
                raise Refused("Tags cannot be given where a certificate is imported again.")
            if before := self.held.get(arn):
                self._judge_again(before[-1], certificate, key)
        return LeasedLink(leaf, chain, key, time.monotonic())

    def _judge_again(self, before: LeasedLink, certificate: x509.Certificate, key: Secret) -> None:
        if key_type_of(before.key) != key_type_of(key):
            raise Refused("The key algorithm of the certificate cannot be changed.")
        old = x509.load_pem_x509_certificate(before.leaf.encode())
        if key_type_of(key).startswith("rsa") and _enciphers(old) and not _enciphers(certificate):
            raise Refused("The key usage keyEncipherment cannot be removed.")

    # ------------------------------------------------------------------------------------ who uses it

    def name(self, arn: str, *, edge: bool = True) -> None:
        """A distribution (or an edge-optimised API) names it.

        Raises:
            Refused: it does not take such a key, or the certificate lies in another region.
        """
        kind = key_type_of(self.held[arn][-1].key)
        if edge and kind not in EDGE_KEYS:
            raise Refused(f"CloudFront does not take a key of type {kind}.")
        if edge and ":us-east-1:" not in arn:
            raise Refused("The certificate must be in us-east-1.")
        self.in_use.add(arn)


def _is_pair(certificate: x509.Certificate, key: Secret) -> bool:
    private = serialization.load_pem_private_key(key.reveal().encode(), None)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    ours = private.public_key().public_bytes(serialization.Encoding.DER, form)
    return certificate.public_key().public_bytes(serialization.Encoding.DER, form) == ours


def _enciphers(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_encipherment
    except x509.ExtensionNotFound:
        return False


@contextmanager
def edge_of(amazon: Amazon, *, spread: float = 0) -> Iterator[TlsServer]:
    """A distribution's edge: shows what lies under the ARN that is named, ``spread`` seconds after it was imported; its
    provider's own certificate where there is none.
    """
    theirs = make_ca("Amazon's own")
    with TlsServer((make_leaf(theirs, "*.cloudfront.test"), ())) as server:

        def choose(connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
            for arn in amazon.in_use:
                there = [each for each in amazon.held.get(arn, ()) if time.monotonic() - each.at >= spread]
                if there:
                    connection.context = _context(there[-1])

        server.choose_by(choose)
        yield server


def _context(held: LeasedLink) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pair.pem"
        path.write_text(held.leaf + held.chain + held.key.reveal())
        context.load_cert_chain(path)
    return context
