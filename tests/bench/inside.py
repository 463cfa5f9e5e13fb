"""certd's own parts against a real Pebble, in this process: no sleeps but certd's own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from certd.app import App
from certd.config.choices import known_choices
from certd.config.loader import load
from certd.daemon.dispatcher import Dispatcher, Source
from certd.daemon.scheduler import Scheduler
from certd.daemon.workers import Workers
from certd.state import prepare_state, stores_of
from certd.store.stores import Stores
from certd.system.clock import SystemClock
from tests.lab.pebble import Pebble
from tests.lab.ports import free_port

CONFIG = """
[certd]
state = "{state}"
node = "bench"
listen = ""

[network]
resolvers = ["127.0.0.1:{dns}"]
name_servers = {{ "192.0.2.53" = "127.0.0.1:{dns}" }}

[issuer.pebble]
terms_agreed = true
directory = "{directory}"
ca_file = "{ca_file}"
roots = "{roots}"

[dns.own]
provider = "responder"
listen = ["127.0.0.1:{dns}"]
zones = ["example.test"]
ns = ["ns1.example.test"]
addresses = {{ "ns1.example.test" = ["192.0.2.53"] }}

[proxy.edge]
kind = "files"
reload = "none"
check = []
endpoints = ["127.0.0.1:9"]

[defaults]
issuer = "pebble"
proxy = "edge"
"""


@dataclass
class Notes:
    """A journal that counts."""

    issued: list[tuple[str, float]] = field(default_factory=list)
    ordered: dict[str, float] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)

    def say(self, message: str, **fields: str) -> None:
        if message == "issued":
            self.issued.append((fields["link"], time.monotonic()))
        elif message == "ordered":
            self.ordered[fields["link"]] = time.monotonic()

    def warn(self, message: str, **fields: str) -> None:
        self.troubles.append(f"{message} {fields}")

    def crash(self, message: str, error: Exception, **fields: str) -> None:
        self.troubles.append(f"{message} {error!r}")


@dataclass
class Inside:
    """An application with its stores, towards a Pebble of its own."""

    folder: Path
    domains: Sequence[str]
    notes: Notes = field(default_factory=Notes)

    def __enter__(self) -> Inside:
        dns = free_port()
        self.pebble = Pebble(self.folder / "pebble", dns=f"127.0.0.1:{dns}", reuse=0, nonce_reject=0, retry_after=0)
        self.pebble.start()
        path = self.folder / "certd.toml"
        links = "".join(f'\n[[link]]\ndomain = "{domain}"\n' for domain in self.domains)
        path.write_text(
            CONFIG.format(
                state=self.folder / "state",
                dns=dns,
                directory=self.pebble.directory,
                ca_file=self.pebble.ca_file,
                roots=self.pebble.roots,
            )
            + links
        )
        settings = load(path, known_choices())
        prepare_state(settings)
        self.stores: Stores = stores_of(settings)
        self.clock = SystemClock()
        self.app = App(settings, self.stores, self.clock, self.notes)
        self.stores.specs.set([link.spec for link in settings.links])
        for responder in self.app.responders():
            responder.start()
        return self

    def serve_all(self, seconds: float) -> float:
        """Dispatch with the default pool until every link has a certificate; seconds that it took."""
        workers = Workers(self.clock, self.notes)
        source = Source("shared", self.stores.lineages, lambda lease: self.app.issue_engine.reconcile(lease))
        self.app.patience = workers.patience
        dispatcher = Dispatcher([source], workers, self.notes)
        clockwork = Scheduler(dispatcher.dispatch)
        workers.on_finished(clockwork.kick)
        started = time.monotonic()
        clockwork.start()
        while len(self.notes.issued) < len(self.domains):
            if time.monotonic() - started > seconds:
                break
            time.sleep(0.02)
        took = time.monotonic() - started
        clockwork.stop()
        workers.drain(5)
        return took

    def __exit__(self, *error: object) -> None:
        self.clock.stop.set()
        for responder in self.app.responders():
            responder.close()
        self.app.close()
        self.pebble.stop()
