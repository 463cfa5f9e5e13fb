"""A real BIND on loopback and a high port: primary for a few zones, with dynamic updates signed by TSIG."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import dns.message
import dns.query
import dns.rdatatype

from tests.lab.ports import free_port
from tests.lab.process import Process

CONFIG = """
options {{
    directory "{folder}";
    pid-file "{folder}/named.pid";
    session-keyfile "{folder}/session.key";
    managed-keys-directory "{folder}";
    {listen}
    recursion {recursion};
    allow-query {{ any; }};
    allow-recursion {{ any; }};
    allow-transfer {{ none; }};
    dnssec-validation no;
    empty-zones-enable no;
    notify no;
    {options}
}};
controls {{ }};
logging {{ channel out {{ stderr; severity info; }}; category default {{ out; }}; }};
key "certd" {{ algorithm hmac-sha256; secret "{secret}"; }};
key "owner" {{ algorithm hmac-sha256; secret "{secret}"; }};
key "stranger" {{ algorithm hmac-sha256; secret "{secret}"; }};
{zones}
"""

V4 = "listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};"
V6 = "listen-on {{ none; }}; listen-on-v6 port {port} {{ ::1; }};"

ZONE = """
zone "{name}" {{
    type primary;
    file "{folder}/{name}.zone";
    allow-transfer {{ 127.0.0.1; }};
    update-policy {{ grant certd zonesub TXT; grant owner zonesub ANY NS A AAAA CNAME CAA DS; }};
}};
"""


@dataclass
class Bind:
    """One named.

    Args:
        zones: By name, the records below the apex's SOA, in master file form.
        secondary: ``{zone: port}``: zones copied from the primary that answers there.
        signed: ``{zone: file}``: zones that are served as they are.
        forward: ``{zone: port}``: zones whose questions go to another server on loopback, as a resolver would.
    """

    folder: Path
    zones: Mapping[str, str] = field(default_factory=dict)
    forward: Mapping[str, int] = field(default_factory=dict)
    secondary: Mapping[str, int] = field(default_factory=dict)
    signed: Mapping[str, Path] = field(default_factory=dict)
    only_v6: bool = False
    port: int = field(default_factory=free_port)
    secret: str = field(default_factory=lambda: base64.b64encode(os.urandom(32)).decode())
    process: Process | None = None

    def start(self) -> Bind:
        """Write its files, start it, wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        text = ""
        for name, records in self.zones.items():
            soa = f"$TTL 5\n@ IN SOA ns1.{name}. hostmaster.{name}. 1 60 60 3600 1\n"
            (self.folder / f"{name}.zone").write_text(soa + records + "\n")
            text += ZONE.format(name=name, folder=self.folder)
        for name, port in self.forward.items():
            text += f'zone "{name}" {{ type forward; forward only; forwarders {{ 127.0.0.1 port {port}; }}; }};\n'
        for name, port in self.secondary.items():
            text += f'zone "{name}" {{ type secondary; primaries port {port} {{ 127.0.0.1; }}; '
            text += f'file "{self.folder}/{name}.copy"; }};\n'
        for name, file in self.signed.items():
            text += f'zone "{name}" {{ type primary; file "{file}"; }};\n'
        config = CONFIG.format(
            folder=self.folder,
            port=self.port,
            zones=text,
            secret=self.secret,
            options="",
            listen=V6.format(port=self.port) if self.only_v6 else V4.format(port=self.port),
            recursion="yes" if self.forward else "no",
        )
        (self.folder / "named.conf").write_text(config)
        subprocess.run(["named-checkconf", str(self.folder / "named.conf")], check=True, timeout=10)
        argv = ["named", "-g", "-c", str(self.folder / "named.conf"), "-n", "1"]
        self.process = Process(argv, log=self.folder / "named.log").start()
        self.process.wait_until(lambda: "all zones loaded" in self.log() and "running" in self.log(), what="its zones")
        return self

    def log(self) -> str:
        """What it said."""
        return self.process.output() if self.process else ""

    def key(self, name: str = "certd", secret: str = "") -> str:
        """A TSIG key as ``tsig-keygen`` prints it."""
        return f'key "{name}" {{\n\talgorithm hmac-sha256;\n\tsecret "{secret or self.secret}";\n}};\n'

    def txt(self, name: str) -> set[str]:
        """The TXT values that it shows at a name."""
        query = dns.message.make_query(name, dns.rdatatype.TXT)
        reply = dns.query.tcp(query, "127.0.0.1", port=self.port, timeout=5)
        return {
            b"".join(rdata.strings).decode() for rrset in reply.answer for rdata in rrset if hasattr(rdata, "strings")
        }

    def update(self, name: str, kind: str, value: str, zone: str = "") -> None:
        """Replace a record set, as the zone's owner would; the first zone's, where none is named."""
        (self.folder / "owner.key").write_text(self.key("owner"))
        zone = zone or next(iter(self.zones))
        lines = f"server 127.0.0.1 {self.port}\nzone {zone}\nupdate delete {name}. {kind}\n"
        lines += f"update add {name}. 5 {kind} {value}\nsend\n"
        argv = ["nsupdate", "-k", str(self.folder / "owner.key")]
        done = subprocess.run(argv, input=lines, timeout=10, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def move(self, name: str, kind: str, value: str, *, ttl: int = 1) -> None:
        """Put one record in the place of everything at a name, as the zone's owner would."""
        (self.folder / "owner.key").write_text(self.key("owner"))
        lines = f"server 127.0.0.1 {self.port}\nupdate delete {name}.\nupdate add {name}. {ttl} {kind} {value}\nsend\n"
        argv = ["nsupdate", "-k", str(self.folder / "owner.key")]
        subprocess.run(argv, input=lines.encode(), check=True, timeout=10, capture_output=True)

    def add(self, name: str, kind: str, value: str, *, ttl: int = 1) -> None:
        """Add one record beside what is there, as the zone's owner would."""
        (self.folder / "owner.key").write_text(self.key("owner"))
        lines = f"server 127.0.0.1 {self.port}\nupdate add {name}. {ttl} {kind} {value}\nsend\n"
        argv = ["nsupdate", "-k", str(self.folder / "owner.key")]
        subprocess.run(argv, input=lines.encode(), check=True, timeout=10, capture_output=True)

    def remove(self, name: str, kind: str, value: str) -> None:
        """Take one record away, as the zone's owner would."""
        (self.folder / "owner.key").write_text(self.key("owner"))
        lines = f"server 127.0.0.1 {self.port}\nupdate delete {name}. {kind} {value}\nsend\n"
        argv = ["nsupdate", "-k", str(self.folder / "owner.key")]
        subprocess.run(argv, input=lines.encode(), check=True, timeout=10, capture_output=True)

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.stop()
            self.process = None

    def __enter__(self) -> Bind:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
