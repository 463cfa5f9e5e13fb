"""The whole scene around certd: Pebble, the responder as name server, nginx, the e-mail service, and certd itself."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.lab.bind import Bind
from tests.lab.esp import Esp
from tests.lab.fronts import Front
from tests.lab.nginx import Nginx
from tests.lab.pebble import Pebble
from tests.lab.ports import free_port
from tests.lab.process import Process

ROOT = Path(__file__).resolve().parents[2]
DOMAIN = "link.example.test"

# An address as the DNS knows it; ``network.name_servers`` says where it answers in the lab.
PUBLIC = "192.0.2.53"

CONFIG = """
[certd]
state = "{state}"
node = "lab"
listen = ""

[network]
resolvers = ["127.0.0.1:{dns}"]
name_servers = {{ "{public}" = "127.0.0.1:{dns}" }}

[issuer.pebble]
terms_agreed = true
directory = "{directory}"
ca_file = "{ca_file}"
roots = "{roots}"

[dns.own]
provider = "responder"
listen = ["127.0.0.1:{dns}"]
zones = {zones}
ns = {ns}
addresses = {addresses}

{proxy}
[esp.stand-in]
upstream = "{esp}"

[defaults]
issuer = "pebble"
esp = "stand-in"
proxy = "{name}"
"""

NGINX = """[proxy.nginx]
kind = "{kind}"
reload = "{reload}"
check = {check}
endpoints = ["127.0.0.1:{tls}"]
listen = [{plain}, {tls}]
"""


@dataclass
class Scene:
    """Everything in one folder; nothing is started before ``start``.

    Args:
        life: Seconds that a certificate lives.
        domains: One link each.
        kind: nginx or nginx-variable.
        front: Another proxy than nginx.
        by_api: Whether that one is spoken to by its API.
    """

    folder: Path
    life: int = 7776000
    domains: Sequence[str] = (DOMAIN,)
    nonce_reject: int = 5
    extra: str = ""
    kind: str = "nginx"
    front: type[Front] | None = None
    by_api: bool = True
    plain: int = field(default_factory=free_port)
    tls: int = field(default_factory=free_port)
    dns: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.esp = Esp(*self.domains)
        self.nginx = Nginx(self.folder / "nginx")
        self.edge = self.front(self.folder / "edge", self.plain, self.tls, self.by_api) if self.front else None
        self.pebble = Pebble(
            self.folder / "pebble", dns=f"127.0.0.1:{self.dns}", life=self.life, nonce_reject=self.nonce_reject
        )
        self.certd: Process | None = None
        self.state = self.folder / "state"
        # What the daemon alone sees besides.
        self.certd_environment: dict[str, str] = {}
        # What the daemon is started by: another user's rights.
        self.prefix: list[str] = []
        self.program = [sys.executable, "-m", "certd"]

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "certd.toml"

    @property
    def roots(self) -> str:
        """What clients trust."""
        return self.pebble.roots.read_text()

    def prepare(self) -> Scene:
        """Start Pebble and the e-mail service, write the configurations; nginx and certd are not started."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.pebble.start()
        self.esp.start()
        self.nginx.prepare()
        if self.edge is not None:
            self.edge.prepare()
            self.edge.upstream = self.esp.url
        self.write_config()
        if self.edge is not None and not self.edge.is_written_by_certd:
            self.run("publish")
            return self
        for domain in self.domains:
            (self.edge or self.nginx).site(domain, self.run("proxy-config", domain))
        return self

    def write_config(self, links: str = "", extra: str = "") -> None:
        """Write certd's configuration."""
        names = [domain.removeprefix("*.") for domain in self.domains]
        zones = [f"_acme-challenge.{name}" for name in dict.fromkeys(names)]
        servers = [f"ns1.{zone}" for zone in zones]
        addresses = ", ".join(f'"{server}" = ["{PUBLIC}"]' for server in servers)
        text = CONFIG.format(
            state=self.state,
            dns=self.dns,
            public=PUBLIC,
            directory=self.pebble.directory,
            ca_file=self.pebble.ca_file,
            roots=self.pebble.roots,
            zones=json.dumps(zones),
            ns=json.dumps(servers[:1]),
            addresses="{ " + addresses + " }",
            proxy=self._proxy_table(),
            esp=self.esp.url,
            name="edge" if self.edge else "nginx",
        )
        links = links or "".join(f'\n[[link]]\ndomain = "{domain}"\n' for domain in self.domains)
        self.config.write_text(text + self.extra + extra + links)

    def _proxy_table(self) -> str:
        if self.edge is not None:
            return self.edge.table()
        watches = self.kind == "nginx-variable"
        return NGINX.format(
            kind=self.kind,
            reload="auto" if watches else f"signal:HUP:{self.nginx.folder}/nginx.pid",
            check=json.dumps(self.nginx.check_command),
            plain=self.plain,
            tls=self.tls,
        )

    def publish_by(self, bind: Bind) -> None:
        """Publish by dynamic updates of a BIND instead of the responder; Pebble must ask it, too."""
        (self.folder / "tsig.key").write_text(bind.key())
        text = self.config.read_text()
        start, end = text.index("[dns.own]"), text.index("[proxy.nginx]")
        server = f"127.0.0.1:{bind.port}"
        table = f'[dns.corp]\nprovider = "rfc2136"\nserver = "{server}"\ntsig = "file:{self.folder}/tsig.key"\n\n'
        text = text[:start] + table + text[end:]
        self.config.write_text(text.replace(f"127.0.0.1:{self.dns}", server))

    def command(self, *arguments: str) -> list[str]:
        """The command line of a certd command."""
        return [sys.executable, "-m", "certd", "--config", str(self.config), *arguments]

    def run(self, *arguments: str, code: int = 0, seconds: float = 150) -> str:
        """Run a command to its end and return what it printed; another exit code than expected is an error."""
        done = self.tried(*arguments, seconds=seconds)
        if done.returncode != code:
            raise AssertionError(
                f"certd {' '.join(arguments)} ended with {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    def tried(self, *arguments: str, seconds: float = 150) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self.command(*arguments), capture_output=True, text=True, timeout=seconds, cwd=ROOT, env=self.environment
        )

    @property
    def environment(self) -> dict[str, str]:
        """What certd's processes see."""
        return {**os.environ, "PYTHONPATH": str(ROOT), "CERTD_LOG": "plain"}

    def begin(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command and do not wait for it."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def status(self) -> dict[str, Any]:
        """``certd status --json``."""
        body: dict[str, Any] = json.loads(self.tried("status", "--json").stdout)["status"]
        return body

    def start_certd(self, *, wait: bool = True) -> Process:
        """Start the daemon and wait until it is ready."""
        environment = self.environment | self.certd_environment
        self.certd = Process(
            [*self.prefix, *self.command("run")], log=self.folder / "certd.log", env=environment, cwd=ROOT
        )
        self.certd.start()
        if wait:
            self.certd.wait_until(lambda: (self.state / "control.sock").exists(), what="control socket")
        return self.certd

    def python(self, code: str) -> str:
        """Run a few lines of Python in a process of its own."""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
        return done.stdout

    def certd_log(self) -> str:
        """Everything that the daemons of this scene said."""
        path = self.folder / "certd.log"
        return path.read_text() if path.exists() else ""

    def certd_pid(self) -> int:
        """The daemon's process id."""
        assert self.certd is not None
        return self.certd.pid

    def certd_is_running(self) -> bool:
        """Whether the daemon has not ended."""
        return self.certd is not None and self.certd.is_running()

    def signal_certd(self, number: signal.Signals) -> None:
        """Send the daemon a signal."""
        assert self.certd is not None
        self.certd.signal(number)

    def wait_certd(self, seconds: float) -> int:
        """Its exit code, within so many seconds."""
        assert self.certd is not None
        return self.certd.wait(seconds)

    def stop_certd(self) -> None:
        """End the daemon."""
        assert self.certd is not None
        self.certd.stop()

    def stop(self) -> None:
        """End everything."""
        with contextlib.suppress(Exception):
            if self.certd is not None:
                self.certd.stop()
        self.nginx.stop()
        if self.edge is not None:
            self.edge.stop()
        self.pebble.stop()
        self.esp.stop()

    def __enter__(self) -> Scene:
        return self.prepare()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
