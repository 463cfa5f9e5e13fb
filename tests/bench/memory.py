"""What the daemon takes of a machine."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.bench.figures import Figure
from tests.lab.nodes import World
from tests.lab.postgresql import PostgreSQL, postgres_bin
from tests.lab.scene import DOMAIN, Scene

IDLE_SECONDS = 120
SETTLE_SECONDS = 5
BARE_SECONDS = 30


def resident(pid: int) -> float:
    """MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def cpu(pid: int) -> float:
    """Seconds of processor time, threads that have ended included: the clock of clock_getcpuclockid(3), which counts
    nanoseconds. /proc counts ticks of a hundredth, and one a minute is 0.6 s an hour.
    """
    return time.clock_gettime((~pid << 3) | 2)


def bare() -> float:
    """What a thread that does nothing but wake once a second takes an hour here: certd wakes a few times as often, and
    on some virtual machines that is most of what it takes.
    """
    program = "import threading; e = threading.Event()\nwhile not e.wait(1): pass"
    process = subprocess.Popen([sys.executable, "-I", "-S", "-c", program])
    try:
        time.sleep(SETTLE_SECONDS)
        started = cpu(process.pid)
        time.sleep(BARE_SECONDS)
        return (cpu(process.pid) - started) * 3600 / BARE_SECONDS
    finally:
        process.kill()
        process.wait()


def memory(folder: Path) -> list[Figure]:
    """Before anything is ordered, after an issuance, and idle; then with the facts in PostgreSQL."""
    with Scene(folder / "few") as scene:
        scene.nginx.start()
        scene.run("once")
        # Started again: the certificate is there, and nothing is asked of the CA.
        scene.start_certd()
        time.sleep(SETTLE_SECONDS)
        before = resident(scene.certd_pid())
        scene.run("renew", DOMAIN, "--force")
        time.sleep(SETTLE_SECONDS)
        after = resident(scene.certd_pid())
        started = cpu(scene.certd_pid())
        time.sleep(IDLE_SECONDS)
        idle = (cpu(scene.certd_pid()) - started) * 3600 / IDLE_SECONDS
    return [
        Figure(name="resident before the first order", value=before, unit="MiB", most=45),
        Figure(name="resident after an issuance", value=after, unit="MiB", most=70),
        Figure(name="idle processor time an hour", value=idle, unit="s", most=2, against=waking(bare(), idle)),
        *with_postgresql(folder / "shared", after),
    ]


def waking(alone: float, idle: float) -> str:
    """In proportion to ``bare``, for the table."""
    return f"a bare thread that wakes once a second {alone:.3g} s ({idle / alone:.1f}x)"


def with_postgresql(folder: Path, alone: float) -> list[Figure]:
    """The same after an issuance, on a node of several."""
    if not postgres_bin():
        return []
    with PostgreSQL() as server, World(folder, server.make("bench")) as world:
        node = world.node("one").start()
        assert node.certd is not None
        node.certd.wait_until(lambda: bool(node.served()), seconds=60, what="the first certificate")
        time.sleep(SETTLE_SECONDS)
        more = resident(node.certd.pid) - alone
    return [Figure(name="more with PostgreSQL", value=more, unit="MiB", most=10)]
