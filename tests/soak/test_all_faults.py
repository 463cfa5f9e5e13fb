"""Every deploy fault on every kind of proxy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.fault_table import possible, try_all
from tests.lab.gallery import KINDS

PROGRAMS = {"nginx": "nginx", "haproxy": "haproxy", "caddy": "caddy", "apache": "apache2"}
PARAMS = [pytest.param(kind, marks=pytest.mark.lab(PROGRAMS[kind.partition(" ")[0]])) for kind in KINDS]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", PARAMS)
def test_every_fault(short_path: Path, kind: str) -> None:
    """All that a kind can have, side by side, each on a proxy of its own."""
    noted = try_all(short_path, {name: kind for name, fault in possible().items() if kind in fault.kinds})
    print(f"\n{kind}")
    print("\n".join(f"{seconds:6.1f} s  {name}" for name, seconds in noted.items()))
