"""What the daemon takes of a machine."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.bench.figures import Figure
from tests.lab.clicker import click
from tests.lab.scene import DOMAIN, Scene

IDLE_SECONDS = 60


def resident(pid: int) -> float:
    """MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def cpu(pid: int) -> float:
    """Seconds of processor time."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(folder: Path) -> list[Figure]:
    """Before the first issuance, after it, idle; then with ten thousand links."""
    with Scene(folder / "few") as scene:
        scene.pebble.stop()
        scene.start_certd()
        time.sleep(3)
        before = resident(scene.certd_pid())
        scene.stop_certd()
        scene.pebble.start()
        scene.write_config()
        scene.nginx.start()
        scene.start_certd()
        while not click(scene.tls, DOMAIN, scene.roots).fingerprint:
            time.sleep(0.1)
        time.sleep(5)
        after = resident(scene.certd_pid())
        started = cpu(scene.certd_pid())
        time.sleep(IDLE_SECONDS)
        idle = (cpu(scene.certd_pid()) - started) * 3600 / IDLE_SECONDS
    return [
        Figure(name="resident before the first issuance", value=before, unit="MiB", most=45, against="Caddy 44"),
        Figure(name="resident after it", value=after, unit="MiB", most=70, against="dnsrobocert 95"),
        Figure(name="idle processor time an hour", value=idle, unit="s", most=2),
    ]
