"""A real Unbound as a resolver: strict query-name minimisation, 0x20, and zones on loopback."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import dns.message
import dns.query

from tests.lab.ports import free_port
from tests.lab.process import Process

CONFIG = """
server:
    directory: "{folder}"
    chroot: ""
    username: ""
    pidfile: "{folder}/unbound.pid"
    logfile: ""
    use-syslog: no
    verbosity: 1
    interface: 127.0.0.1@{port}
    port: {port}
    do-not-query-localhost: no
    access-control: 127.0.0.0/8 allow
    module-config: "{modules}"
{anchors}
    qname-minimisation: yes
    qname-minimisation-strict: yes
    use-caps-for-id: yes
    local-zone: "test." nodefault
    num-threads: 1
remote-control:
    control-enable: no
{stubs}
"""


@dataclass
class Unbound:
    """One resolver.

    Args:
        stubs: ``{zone: port}``: where the authoritative server of a zone answers on loopback.
        anchors: DNSKEY records to trust; it validates when there are any.
    """

    folder: Path
    stubs: Mapping[str, int]
    anchors: Sequence[str] = ()
    port: int = field(default_factory=free_port)
    process: Process | None = None

    def start(self) -> Unbound:
        """Start it and wait until it listens."""
        self.folder.mkdir(parents=True, exist_ok=True)
        stubs = "".join(
            f'stub-zone:\n    name: "{zone}"\n    stub-addr: 127.0.0.1@{port}\n    stub-prime: no\n'
            for zone, port in self.stubs.items()
        )
        config = self.folder / "unbound.conf"
        config.write_text(
            CONFIG.format(
                folder=self.folder,
                port=self.port,
                stubs=stubs,
                modules="validator iterator" if self.anchors else "iterator",
                anchors="".join(f"    trust-anchor: '{anchor}'\n" for anchor in self.anchors),
            )
        )
        self.process = Process(["unbound", "-d", "-c", str(config)], log=self.folder / "unbound.log").start()
        self.process.wait_for_port(self.port)
        return self

    def ask(self, name: str, kind: str = "TXT") -> dns.message.Message:
        """A question as a stub resolver asks it."""
        query = dns.message.make_query(name, kind)
        return dns.query.udp(query, "127.0.0.1", port=self.port, timeout=5)

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.stop()
            self.process = None

    def __enter__(self) -> Unbound:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
