"""One certificate after the other under clients that do nothing but shake hands: not one fails. More in `make soak`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.rotation import rotate

KINDS = {
    "nginx": "nginx",
    "haproxy by its API": "haproxy",
    "haproxy by reload": "haproxy",
    "apache": "apache2",
}


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=pytest.mark.lab(KINDS[kind])) for kind in KINDS])
def test_no_handshake_fails(short_path: Path, kind: str) -> None:
    """A dozen rotations."""
    figures = rotate(short_path, kind, times=12)
    assert figures.failures == []
    assert figures.handshakes > 100
    assert figures.certificates > 6
