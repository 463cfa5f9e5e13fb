"""Promise 1: a holder stopped by SIGSTOP before each of its calls, on both databases, while another takes over."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from certd.model import Certificate
from certd.store.seal import new_seal_key
from tests.interruption.frozen import a_day_passes, drive, hold, lease_runs_out, opened
from tests.lab.bind import Bind
from tests.lab.pebble import Pebble
from tests.lab.postgresql import PostgreSQL

pytestmark = [pytest.mark.lab("pebble", "bind", "postgresql"), pytest.mark.timeout(400)]

CONFIG = """
[certd]
state = "{state}"
node = "{node}"
listen = ""
seal = "file:{folder}/seal"
{store}

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
tsig = "file:{folder}/tsig.key"

[proxy.edge]
kind = "files"
reload = "none"
check = []
endpoints = ["127.0.0.1:9"]

[[link]]
domain = "{domain}"
issuer = "pebble"
proxy = "edge"
"""


@dataclass
class Lab:
    """What both processes talk to."""

    folder: Path
    pebble: Pebble
    bind: Bind
    server: PostgreSQL

    def configs(self, database: str, domain: str) -> tuple[Path, Path]:
        """Of two nodes on one fresh store."""
        name = uuid.uuid4().hex
        store = f'store = "{self.server.make(name)}"' if database == "postgresql" else ""
        paths = []
        for node in ("one", "two"):
            # Two machines share no SQLite file; two processes with a store in one folder fence as they would.
            state = self.folder / name / (node if store else "both")
            path = self.folder / name / f"{node}.toml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(
                CONFIG.format(
                    state=state,
                    node=node,
                    folder=self.folder,
                    store=store,
                    dns=self.bind.port,
                    directory=self.pebble.directory,
                    ca_file=self.pebble.ca_file,
                    roots=self.pebble.roots,
                    domain=domain,
                )
            )
            paths.append(path)
        return paths[0], paths[1]

    def bought(self) -> int:
        """How many certificates were signed."""
        return self.pebble.log().count("Issued certificate serial")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Everything but certd."""
    folder = tmp_path_factory.mktemp("frozen")
    bind = Bind(folder / "bind", {"example.test": "@ IN NS ns1\nns1 IN A 192.0.2.53"})
    pebble = Pebble(folder / "pebble", dns=f"127.0.0.1:{bind.port}", retry_after=0)
    with bind, pebble, PostgreSQL() as server:
        (folder / "seal").write_text(new_seal_key().reveal())
        (folder / "tsig.key").write_text(bind.key())
        yield Lab(folder, pebble, bind, server)


def state_of(process: BaseProcess) -> str:
    """The letter that the kernel gives it: T is stopped."""
    try:
        return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # the latter when it ends between open and read
        return "X"


def stopped(process: BaseProcess) -> bool:
    """Wait until it is stopped, or has ended."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        if state_of(process) == "T":
            return True
        if not process.is_alive():
            return False
        time.sleep(0.005)
    raise AssertionError("neither stopped nor ended")


def as_issued(current: Certificate | None) -> Certificate:
    """Without what is asked of the CA later."""
    assert current is not None
    return replace(current, window=None, window_look_at=None)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_holder_stopped_at_every_step(lab: Lab, database: str) -> None:
    """Another finishes its order; when it wakes, the store refuses it. One certificate is bought. But for the one call
    before which it was stopped it neither publishes nor answers nor finalizes, and what that call published is swept at
    once, so that no TXT value stays; the day after it is swept once more.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.interruption.frozen", "certd.acme.issuer", "certd.system.egress"])
    tried = 0
    swept = 0
    for at in range(1, 200):
        domain = f"s{at}-{database}.example.test"
        one, two = lab.configs(database, domain)
        bought = lab.bought()
        holder = context.Process(target=hold, args=(one, at), daemon=True)
        holder.start()
        if not stopped(holder):
            assert holder.exitcode == 0
            break
        tried += 1
        other = opened(two)
        try:
            lease_runs_out(other)
            drive(other, other.issue_engine, domain)
            newest = other.stores.lineages.facts(domain)
            assert lab.bought() == bought + 1, f"step {at}"
            assert holder.pid is not None
            os.kill(holder.pid, signal.SIGCONT)
            holder.join(90)
            assert holder.exitcode == 0, f"step {at}"
            assert lab.bought() == bought + 1, f"step {at}: it bought another after it woke"
            facts = other.stores.lineages.facts(domain)
            # The sweep is made under a lease of its own, and asks for renewal information where that is due.
            assert as_issued(facts.current) == as_issued(newest.current), f"step {at}: a stale holder wrote"
            late = set(one.with_suffix(".late").read_text().split())
            assert not late & {"dns.present", "ca.answer", "ca.finalize"}, f"step {at}: {late}"
            swept += "dns.settle" in late
            assert lab.bind.txt(f"_acme-challenge.{domain}") == set(), f"step {at}: a value stays until the next day"
            a_day_passes(other, domain)
            for lease in other.stores.lineages.claim(limit=1, subject=f"issue:{domain}"):
                other.issue_engine.reconcile(lease)
            assert lab.bind.txt(f"_acme-challenge.{domain}") == set(), f"step {at}: a value stays"
        finally:
            other.close()
            holder.kill()
    print(f"{database}: stopped at {tried} steps; {swept} swept what they may have published after they woke")
    assert tried > 15
    assert swept > 0
