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
    assert figures.failures == []
    assert figures.certificates >= RUNS[kind][0] * 0.9
