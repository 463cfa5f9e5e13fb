"""One certificate at a time, warm: the account known, a nonce at hand."""

from __future__ import annotations

import time
from pathlib import Path

from certd.app import App
from tests.bench.figures import Figure, percentile
from tests.bench.inside import Inside
from tests.bench.peers import against, peers
from tests.lab.clicker import click
from tests.lab.scene import DOMAIN, Scene

COUNT = 40


def single(folder: Path) -> list[Figure]:
    """Time and requests of one issuance; then from due to served on nginx."""
    took, requests = [], []
    domains = [f"l{number}.example.test" for number in range(COUNT + 1)]
    with Inside(folder / "inside", domains) as inside:
        for number, domain in enumerate(domains[:-1]):
            seconds, asked = issued(inside, inside.app, domain)
            if number:
                took.append(seconds)
                requests.append(asked)
        # The account is known; directory and nonce are not.
        fresh = App(inside.app.settings, inside.stores, inside.clock, inside.notes, before=inside.app)
        _, cold = issued(inside, fresh, domains[-1])
        fresh.close()
    others = peers(folder / "peers")
    median, usual = percentile(took, 0.5), percentile(requests, 0.5)
    figures = [
        Figure(
            name="issuance, median",
            value=median,
            unit="s",
            most=0.2,
            against=against(others, median, lambda peer: peer.seconds, "s"),
        ),
        Figure(name="issuance, 95 %", value=percentile(took, 0.95), unit="s"),
        Figure(
            name="requests, median",
            value=usual,
            unit="",
            most=7,
            against=against(others, usual, lambda peer: peer.requests, ""),
        ),
        Figure(name="requests with a cold session", value=cold, unit="", most=9),
        Figure(name="requests, 95 %", value=percentile(requests, 0.95), unit="", most=8),
    ]
    return [*figures, served(folder / "served")]


def issued(inside: Inside, app: App, domain: str) -> tuple[float, int]:
    """Seconds and requests of one certificate; the request for renewal information is not counted."""
    (lease,) = inside.stores.lineages.claim(limit=1, subject=f"issue:{domain}")
    before, started = inside.pebble.requests(), time.monotonic()
    app.issue_engine.reconcile(lease)
    at = dict(inside.notes.issued).get(domain)
    while at is None:
        # It stepped back for the CA: claimed again when it is due, as the daemon does.
        for again in inside.stores.lineages.claim(limit=1):
            app.issue_engine.reconcile(again)
        at = dict(inside.notes.issued).get(domain)
    return at - started, inside.pebble.requests() - before - 1


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
