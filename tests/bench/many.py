"""Ten thousand links, all served by one nginx and none of them due: what the daemon takes of a machine then."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from certd.app import App
from certd.config.choices import known_choices
from certd.config.loader import load
from certd.model import Generation
from certd.pki.chain import read_certificate
from certd.state import prepare_state, stores_of
from certd.system.clock import SystemClock
from tests.bench.figures import Figure
from tests.bench.memory import bare, cpu, resident, waking
from tests.lab.certificates import make_ca, make_leaf
from tests.lab.nginx import Nginx
from tests.lab.ports import free_port
from tests.lab.process import Process
from tests.lab.scene import ROOT
from tests.simulation.world import SilentJournal

LINKS = 10_000
SETTLE_SECONDS = 120
IDLE_SECONDS = 300

CONFIG = """
links_from = ["domains.txt"]

[certd]
state = "{folder}/state"
node = "bench"
listen = ""

[network]
resolvers = ["127.0.0.1:9"]

[issuer.lab]
terms_agreed = true
directory = "https://127.0.0.1:9/dir"
roots = "{folder}/roots.pem"

[dns.own]
provider = "responder"
listen = ["127.0.0.1:{dns}"]
zones = ["acme.example.test"]
ns = ["ns1.acme.example.test"]
addresses = {{ "ns1.acme.example.test" = ["127.0.0.1"] }}

[proxy.edge]
kind = "nginx-variable"
endpoints = ["127.0.0.1:{tls}"]
listen = [{plain}, {tls}]

[defaults]
issuer = "lab"
proxy = "edge"
"""

SITE = """server {{
    listen 127.0.0.1:{tls} ssl;
    server_name ~.;
    ssl_certificate {names}/$ssl_server_name.pem;
    ssl_certificate_key {names}/$ssl_server_name.pem;
    return 204;
}}
"""


@contextmanager
def without_fsync() -> Iterator[None]:
    """Only to lay the table: fifty thousand files that nobody will miss."""
    real = os.fsync
    setattr(os, "fsync", lambda fd: None)  # noqa: B010
    try:
        yield
    finally:
        os.fsync = real


def laid(folder: Path, count: int) -> tuple[Path, Nginx]:
    """A configuration, certificates on the disk with pointers to them, and an nginx that serves them all."""
    folder.mkdir(exist_ok=True)
    tls = free_port()
    config = folder / "certd.toml"
    domains = [f"l{number}.example.test" for number in range(count)]
    (folder / "domains.txt").write_text("\n".join(domains))
    authority = make_ca("Bench Root")
    (folder / "roots.pem").write_text(authority.pem)
    config.write_text(CONFIG.format(folder=folder, dns=free_port(), tls=tls, plain=free_port()))
    settings = load(config, known_choices())
    prepare_state(settings)
    stores = stores_of(settings)
    app = App(settings, stores, SystemClock(), SilentJournal())
    target = app.targets["edge"]
    with without_fsync():
        for domain in domains:
            leaf = make_leaf(authority, domain)
            generation: Generation = target.install(
                read_certificate(leaf.pem, leaf.key, link=domain, issuer="lab", issued_at=datetime.now(UTC))
            )
            target.point(domain, generation)
    stores.close()
    nginx = Nginx(folder / "nginx").prepare()
    nginx.site("all", SITE.format(tls=tls, names=folder / "state/public/proxies/edge/names"))
    return config, nginx


def many(folder: Path) -> list[Figure]:
    """How long a start takes, memory, and idle processor time, with ten thousand links."""
    config, nginx = laid(folder / "many", LINKS)
    program = [str(Path(sys.executable).parent / "certd"), "--config", str(config), "run"]
    log = folder / "many" / "certd.log"
    with nginx, Process(program, log=log, cwd=ROOT, env={"CERTD_LOG": "plain"}) as daemon:
        started = time.monotonic()
        daemon.wait_until(lambda: "ready" in daemon.output(), seconds=600, what="ready")
        ready = time.monotonic() - started
        # Adopted, copied, deployed and looked at once; then nothing is to be done for a while.
        while daemon.output().count("served  link=") < LINKS:
            assert daemon.is_running() and time.monotonic() - started < 1800, daemon.output()[-3000:]
            time.sleep(1)
        busy = time.monotonic() - started
        time.sleep(SETTLE_SECONDS)
        size = resident(daemon.pid)
        before = cpu(daemon.pid)
        time.sleep(IDLE_SECONDS)
        idle = (cpu(daemon.pid) - before) * 3600 / IDLE_SECONDS
        later = resident(daemon.pid)
    return [
        Figure(name="first start, everything adopted", value=ready, unit="s"),
        Figure(name="until every link was seen served", value=busy, unit="s"),
        Figure(name="resident with 10,000 links", value=max(size, later), unit="MiB", most=85),
        Figure(name="idle processor time an hour", value=idle, unit="s", most=30, against=waking(bare(), idle)),
    ]
