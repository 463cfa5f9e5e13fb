"""Hosts that see little of the world, in network namespaces of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.lab("pebble", "bind", "namespaces")


def lived(what: str, folder: Path) -> str:
    """Run the scene in a namespace of its own; what it said."""
    argv = ["unshare", "--net", sys.executable, "-m", "tests.lab.walled", what, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, capture_output=True, text=True, timeout=110, cwd=ROOT, env=environment)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-4000:]
    return done.stdout


@pytest.mark.lab("nginx", "unbound")
def test_only_a_connect_proxy_and_an_internal_resolver(short_path: Path) -> None:
    """The CA is reached by CONNECT, the value is seen through the resolver; it is issued and served."""
    assert lived("proxy", short_path).endswith("well\n")


def test_an_ipv6_only_host(short_path: Path) -> None:
    """Resolver, authoritative servers, updates and CA over IPv6; IPv4 addresses have no route and hold up nothing."""
    assert lived("ipv6", short_path).endswith("well\n")
