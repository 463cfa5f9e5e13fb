"""One certificate at a time, warm: the account known, a nonce at hand."""

from __future__ import annotations

import time
from pathlib import Path

from tests.bench.figures import Figure, percentile
from tests.bench.inside import Inside
from tests.lab.clicker import click
from tests.lab.scene import DOMAIN, Scene

COUNT = 40


def single(folder: Path) -> list[Figure]:
    """Time and requests of one issuance; then from due to served on nginx."""
    took, requests = [], []
    domains = [f"l{number}.example.test" for number in range(COUNT)]
    with Inside(folder / "inside", domains) as inside:
        for number, domain in enumerate(domains):
            (lease,) = inside.stores.lineages.claim(limit=1, subject=f"issue:{domain}")
            before, started = inside.pebble.requests(), time.monotonic()
            inside.app.issue_engine.reconcile(lease)
            issued = dict(inside.notes.issued).get(domain)
            while issued is None:
                # It stepped back for the CA: claimed again when it is due, as the daemon does.
                for again in inside.stores.lineages.claim(limit=1):
                    inside.app.issue_engine.reconcile(again)
                issued = dict(inside.notes.issued).get(domain)
            if number:
                took.append(issued - started)
                # One of them asks for renewal information.
                requests.append(inside.pebble.requests() - before - 1)
    figures = [
        Figure(name="issuance, median", value=percentile(took, 0.5), unit="s", most=0.2),
        Figure(name="issuance, 95 %", value=percentile(took, 0.95), unit="s"),
        Figure(name="requests, median", value=percentile(requests, 0.5), unit="", most=7),
        Figure(name="requests, 95 %", value=percentile(requests, 0.95), unit="", most=8),
    ]
    return [*figures, served(folder / "served")]


def served(folder: Path) -> Figure:
    """From the moment of a forced renewal to served on nginx, beyond the 2 s that verification watches."""
    scene = Scene(folder, nonce_reject=0)
    scene.pebble.retry_after = 0
    with scene:
        scene.nginx.start()
        scene.start_certd()
        while not click(scene.tls, DOMAIN, scene.roots).fingerprint:
            time.sleep(0.1)
        time.sleep(3)
        took = []
        for _ in range(5):
            before = click(scene.tls, DOMAIN, scene.roots).fingerprint
            process = scene.begin("renew", DOMAIN, "--force")
            while "ordered  " not in scene.certd_log().rpartition("served  ")[2]:
                time.sleep(0.002)
            started = time.monotonic()
            while "served  link=" not in scene.certd_log().rpartition("ordered  ")[2]:
                time.sleep(0.002)
            took.append(time.monotonic() - started - 2.0)
            process.wait(20)
            assert click(scene.tls, DOMAIN, scene.roots).fingerprint != before
    return Figure(name="ordered to served, beyond 2 s", value=percentile(took, 0.5), unit="s", most=0.5)
