"""Many links due together."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

from certd.model import TxtCleanup
from certd.ports import Propagation
from tests.bench.figures import Figure
from tests.bench.inside import Inside
from tests.bench.library import alone
from tests.lab.clicker import click
from tests.lab.scene import Scene

LINKS = 200
SLOW_LINKS = 500
SPREAD = timedelta(seconds=30)

# 25 a second is asked for of a machine on which the library alone does 75; others are quicker, or slower.
SHARE = 1 / 3


def burst(folder: Path) -> list[Figure]:
    """Issued a second with the default pool; served a second on one nginx, and with how many reloads."""
    domains = [f"l{number}.example.test" for number in range(LINKS)]
    most = alone(folder / "alone", domains)
    with Inside(folder / "inside", domains) as inside:
        took = inside.serve_all(120)
        issued = len(inside.notes.issued) / took
    return [
        Figure(
            name="issued a second",
            value=issued,
            unit="/s",
            least=25,
            against=f"the acme library alone {most:.3g}; seen elsewhere: mod_md 11.6, lego x64 8.9, Caddy 1.0",
        ),
        Figure(name="of what the library alone does", value=issued / most, unit="x", least=SHARE),
        *nginx_burst(folder / "nginx", domains),
    ]


def nginx_burst(folder: Path, domains: list[str]) -> list[Figure]:
    """The same with a daemon and a real nginx."""
    scene = Scene(folder, domains=domains, nonce_reject=0)
    scene.pebble.retry_after = 0
    scene.pebble.reuse = 0
    with scene:
        scene.nginx.start()
        started = time.monotonic()
        scene.start_certd()
        while scene.certd_log().count("served  link=") < len(domains) and time.monotonic() - started < 120:
            time.sleep(0.1)
        took = time.monotonic() - started
        assert all(click(scene.tls, domain, scene.roots).fingerprint for domain in domains[::20])
        reloads = scene.certd_log().count("reloaded  ")
    return [
        Figure(name="served a second", value=len(domains) / took, unit="/s", least=10),
        Figure(name="reloads", value=reloads, unit="", most=20),
    ]


def slow_dns(folder: Path) -> list[Figure]:
    """Whoever waits for DNS holds no worker."""
    domains = [f"l{number}.example.test" for number in range(SLOW_LINKS)]
    with Inside(folder, domains) as inside:
        solver = inside.app.challenges

        class Slow:
            """The real solver, whose values are seen half a minute after they were added."""

            def __getattr__(self, name: str) -> object:
                return getattr(solver, name)

            def spread(self, cleanup: TxtCleanup) -> Propagation:
                if cleanup.added_at is not None and inside.clock.now() - cleanup.added_at < SPREAD:
                    return Propagation(everywhere=False, because="it spreads")
                return solver.spread(cleanup)

        # Where the cached property keeps it: the engine must meet this one.
        inside.app.names.__dict__["challenges"] = Slow()
        took = inside.serve_all(180)
        assert len(inside.notes.issued) == len(domains), inside.notes.troubles[:3]
        assert took > SPREAD.total_seconds(), "nothing waited for the DNS: this measures something else"
    return [Figure(name="all issued after", value=took, unit="s", most=60)]
