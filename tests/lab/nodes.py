"""Several nodes: one Pebble, one BIND, one PostgreSQL; each node has its own nginx, its own state and its own certd."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from certd.store.seal import new_seal_key
from tests.lab.bind import Bind
from tests.lab.clicker import click
from tests.lab.esp import Esp
from tests.lab.nginx import Nginx
from tests.lab.pebble import Pebble
from tests.lab.ports import free_port
from tests.lab.process import Process
from tests.lab.scene import DOMAIN, ROOT, Scene

CONFIG = """
[certd]
state = "{state}"
node = "{name}"
listen = ""
store = "{store}"
seal = "file:{seal}"

[network]
resolvers = ["127.0.0.1:{dns}"]
name_servers = {{ "192.0.2.53" = "127.0.0.1:{dns}" }}

[issuer.pebble]
terms_agreed = true
directory = "{directory}"
ca_file = "{ca_file}"
roots = "{roots}"

[dns.corp]
provider = "rfc2136"
server = "127.0.0.1:{dns}"
tsig = "file:{tsig}"

[proxy.nginx]
reload = "signal:HUP:{nginx}/nginx.pid"
check = {check}
endpoints = ["127.0.0.1:{tls}"]
listen = [{plain}, {tls}]

[esp.stand-in]
upstream = "{esp}"

[[link]]
domain = "{domain}"
issuer = "pebble"
esp = "stand-in"
proxy = "nginx"
"""


@dataclass
class Node:
    """One node."""

    world: World
    name: str
    tls: int = field(default_factory=free_port)
    plain: int = field(default_factory=free_port)
    certd: Process | None = None

    def prepare(self) -> Node:
        """Write its configuration and start its nginx on the placeholder."""
        folder = self.world.folder / self.name
        folder.mkdir()
        self.nginx = Nginx(folder / "nginx").prepare()
        self.config = folder / "certd.toml"
        world = self.world
        self.config.write_text(
            CONFIG.format(
                state=folder / "state",
                name=self.name,
                store=world.store,
                seal=world.folder / "seal",
                dns=world.bind.port,
                directory=world.pebble.directory,
                ca_file=world.pebble.ca_file,
                roots=world.pebble.roots,
                tsig=world.folder / "tsig.key",
                nginx=self.nginx.folder,
                check=json.dumps(self.nginx.check_command),
                tls=self.tls,
                plain=self.plain,
                esp=world.esp.url,
                domain=DOMAIN,
            )
        )
        self.scene = Scene(folder)
        self.nginx.site(DOMAIN, self.scene.run("proxy-config", DOMAIN))
        self.nginx.start()
        return self

    def start(self) -> Node:
        """Start its certd."""
        self.certd = Process(
            self.scene.command("run"), log=self.config.parent / "certd.log", env=self.scene.environment, cwd=ROOT
        ).start()
        return self

    def log(self) -> str:
        """What its certd said."""
        return self.certd.output() if self.certd else ""

    def signal(self, number: signal.Signals) -> None:
        """Send its certd a signal."""
        assert self.certd is not None
        self.certd.signal(number)

    def served(self) -> str:
        """What clients of its nginx get; empty while they trust nothing."""
        return click(self.tls, DOMAIN, self.world.pebble.roots.read_text()).fingerprint

    def stop(self) -> None:
        """End certd and nginx."""
        if self.certd is not None:
            self.certd.stop()
        self.nginx.stop()


@dataclass
class World:
    """What the nodes share.

    Args:
        store: ``sqlite``: each has its own, and they share no more than the DNS and the CA.
        knobs: Pebble's environment.
    """

    folder: Path
    store: str
    life: int = 7776000
    knobs: Mapping[str, str] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)

    def __enter__(self) -> World:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.bind = Bind(self.folder / "bind", {"example.test": "@ IN NS ns1\nns1 IN A 192.0.2.53"}).start()
        self.pebble = Pebble(
            self.folder / "pebble", dns=f"127.0.0.1:{self.bind.port}", life=self.life, knobs=self.knobs
        ).start()
        self.esp = Esp(DOMAIN).start()
        (self.folder / "seal").write_text(new_seal_key().reveal())
        (self.folder / "tsig.key").write_text(self.bind.key())
        return self

    def node(self, name: str) -> Node:
        """A further node, its nginx started and its certd not."""
        self.nodes.append(Node(self, name).prepare())
        return self.nodes[-1]

    def bought(self) -> int:
        """How many certificates were signed."""
        return self.pebble.log().count("Issued certificate serial")

    def log(self) -> str:
        """What every node said."""
        return "".join(f"--- {node.name}\n{node.log()}" for node in self.nodes)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        print(self.log())
        for node in self.nodes:
            node.stop()
        self.pebble.stop()
        self.bind.stop()
        self.esp.stop()
