"""A network of its own, so that ports 53, 80, 443 and whole address families are the tests' to use and to take away."""

from __future__ import annotations

import ctypes
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

CLONE_NEWNET = 0x40000000

# 192.0.2.53 is the machine's public address, where port 53 is asked.
ADDRESSES = ("192.0.2.53/32", "2001:db8::53/128")

# Too much for `make test`: it makes a Debian, and images.
collect_ignore_glob = [] if os.environ.get("CERTD_TEST_SYSTEM") else ["test_*.py"]


def pytest_configure() -> None:
    """Leave the host's network; everything that is started from here on is in the new one."""
    if not os.environ.get("CERTD_TEST_SYSTEM"):
        return
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "a network namespace of our own needs root")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in ADDRESSES:
        subprocess.run(["ip", "address", "add", address, "dev", "lo"], check=True)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder that other users' processes may enter."""
    with tempfile.TemporaryDirectory(prefix="certd-", ignore_cleanup_errors=True) as name:
        path = Path(name)
        path.chmod(0o755)
        yield path
