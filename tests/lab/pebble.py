"""Pebble, the ACME test CA, as a real server with certificates that live as long as a test wants."""

from __future__ import annotations

import json
import shutil
import ssl
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import trustme
from cryptography import x509

from tests.lab.ports import free_port
from tests.lab.process import Process

BUILT = Path(__file__).resolve().parents[2] / ".lab" / "bin" / "pebble"


def pebble_program() -> str:
    """The one that the set-up built, else Debian's; empty where there is none."""
    if BUILT.exists():
        return str(BUILT)
    return shutil.which("pebble") or ""


@dataclass
class Pebble:
    """One Pebble.

    Args:
        folder: For its configuration, certificate and log.
        dns: ``host:port`` of the name server that it validates with.
        life: Seconds that a certificate lives.
        nonce_reject: Per cent of good nonces that it refuses; its own default is 5.
        always_valid: It believes every challenge without looking.
        reuse: Per cent of authorizations that it reuses; its own default is 50.
        host: The address at which it listens.
        strict: It refuses what a coming Pebble or CA would.
        signs_by: Its own keys: ecdsa or rsa.
        knobs: Other variables of its environment.
    """

    folder: Path
    dns: str
    life: int = 7776000
    nonce_reject: int = 5
    reuse: int = 50
    profiles: Mapping[str, int] = field(default_factory=dict)
    retry_after: int = 1
    eab: Mapping[str, str] = field(default_factory=dict)
    blocked: tuple[str, ...] = ("blocked.example",)
    caa: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    always_valid: bool = False
    strict: bool = False
    signs_by: str = "ecdsa"
    knobs: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    management: int = field(default_factory=free_port)
    process: Process | None = None

    def start(self) -> Pebble:
        """Start it and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        authority = trustme.CA()
        server = authority.issue_cert(
            "localhost", "127.0.0.1", "::1", "ca.walled.test", *({self.host} - {"127.0.0.1", "::1"})
        )
        authority.cert_pem.write_to_path(self.folder / "pebble-ca.pem")
        server.private_key_pem.write_to_path(self.folder / "pebble.key")
        (self.folder / "pebble.pem").write_bytes(b"".join(blob.bytes() for blob in server.cert_chain_pems))
        at = self.at
        profiles = {"default": self.life, **self.profiles}
        config = {
            "pebble": {
                "listenAddress": f"{at}:{self.port}",
                "managementListenAddress": f"{at}:{self.management}",
                "certificate": str(self.folder / "pebble.pem"),
                "privateKey": str(self.folder / "pebble.key"),
                "httpPort": 5002,
                "tlsPort": 5001,
                "ocspResponderURL": "",
                "externalAccountBindingRequired": bool(self.eab),
                "externalAccountMACKeys": dict(self.eab),
                "domainBlocklist": list(self.blocked),
                "caaIdentities": list(self.caa),
                "retryAfter": {"authz": self.retry_after, "order": self.retry_after},
                "keyAlgorithm": self.signs_by,
                "certificateValidityPeriod": self.life,
                "profiles": {name: {"description": name, "validityPeriod": life} for name, life in profiles.items()},
            }
        }
        (self.folder / "pebble.json").write_text(json.dumps(config))
        argv = [pebble_program(), "-config", str(self.folder / "pebble.json"), "-dnsserver", self.dns]
        argv += ["-strict"] if self.strict else []
        environment = {
            "PEBBLE_VA_NOSLEEP": "1",
            "PEBBLE_WFE_NONCEREJECT": str(self.nonce_reject),
            "PEBBLE_AUTHZREUSE": str(self.reuse),
            **self.knobs,
        }
        if self.always_valid:
            environment["PEBBLE_VA_ALWAYS_VALID"] = "1"
        self.process = Process(argv, log=self.folder / "pebble.log", env=environment).start()
        self.process.wait_for_port(self.port, host=self.host)
        self.process.wait_for_port(self.management, host=self.host)
        (self.folder / "roots.pem").write_bytes(self._managed("/roots/0"))
        return self

    @property
    def directory(self) -> str:
        """The URL of its directory."""
        return f"https://localhost:{self.port}/dir"

    @property
    def at(self) -> str:
        """Its address as it stands before a port."""
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def ca_file(self) -> Path:
        """The trust anchor of the server itself."""
        return self.folder / "pebble-ca.pem"

    @property
    def roots(self) -> Path:
        """The trust anchor of what it issues; made anew at each start."""
        return self.folder / "roots.pem"

    def root(self, number: int) -> str:
        """The anchor of its main chain (0) or of an alternate one, PEM."""
        return self._managed(f"/roots/{number}").decode()

    def log(self) -> str:
        """What it said."""
        return self.process.output() if self.process else ""

    def orders(self) -> int:
        """How many orders were made; a request whose nonce it refused makes none, and is repeated."""
        return self.log().count("Added order ")

    def requests(self) -> int:
        """How many requests its log shows."""
        return sum(line.count(" -> calling handler()") for line in self.log().splitlines())

    def standing_of(self, certificate: Path) -> dict[str, object]:
        """What it says of a certificate: ``Status``, and ``Reason`` where it is revoked."""
        serial = x509.load_pem_x509_certificate(certificate.read_bytes()).serial_number
        body: dict[str, object] = json.loads(self._managed(f"/cert-status-by-serial/{serial:x}"))
        return body

    def _managed(self, path: str) -> bytes:
        context = ssl.create_default_context(cafile=str(self.ca_file))
        with urllib.request.urlopen(f"https://{self.at}:{self.management}{path}", context=context, timeout=5) as answer:
            body: bytes = answer.read()
        return body

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.stop()
            self.process = None

    def __enter__(self) -> Pebble:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
