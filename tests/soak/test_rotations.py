"""Hundreds of rotations under load: not one failed handshake."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.rotation import rotate

RUNS = {
    "nginx": (200, "nginx"),
    "haproxy by its API": (200, "haproxy"),
    "haproxy by reload": (100, "haproxy"),
    "caddy": (100, "caddy"),
    "apache": (100, "apache2"),
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", [pytest.param(kind, marks=pytest.mark.lab(RUNS[kind][1])) for kind in RUNS])
def test_rotations(short_path: Path, kind: str) -> None:
    """Full handshakes, verified, as fast as the processors let them."""
    figures = rotate(short_path, kind, times=RUNS[kind][0], processes=2)
    print(f"\n{kind}: {figures}")
    if kind == "caddy":
        # Caddy 2.6 binds a new listener beside the old one and closes that: what waits in its queue is reset. The same
        # number of connections is lost when `caddy reload --force` is typed by hand, without certd.
        assert all("Connection reset" in failure for failure in figures.failures)
        assert figures.lost < figures.handshakes / 200
    else:
        assert figures.failures == []
    assert figures.certificates >= RUNS[kind][0] * 0.9
