"""What every test may rely on: a missing component skips with its reason, and under CI such a skip is a failure."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.browser import chromium
from tests.lab.faketime import library
from tests.lab.fronts import envoy_program, traefik_program
from tests.lab.others import client
from tests.lab.pebble import BUILT, pebble_program
from tests.lab.people import interpreter
from tests.lab.postgresql import postgres_bin

COMPONENTS: dict[str, Callable[[], bool]] = {
    "pebble": lambda: bool(pebble_program()),
    # Renewal information and profiles: the release that Go builds has them, Debian's package (2.4) has not.
    "pebble-current": BUILT.exists,
    "nginx": lambda: bool(_program("nginx")),
    "bind": lambda: bool(_program("named")) and bool(_program("tsig-keygen")),
    "postgresql": lambda: bool(postgres_bin()),
    "pgbouncer": lambda: bool(_program("pgbouncer")),
    "unbound": lambda: bool(_program("unbound")),
    "haproxy": lambda: bool(_program("haproxy")),
    "caddy": lambda: bool(_program("caddy")),
    "apache2": lambda: bool(_program("apache2")),
    "hitch": lambda: bool(_program("hitch")),
    "h2o": lambda: bool(_program("h2o")),
    "traefik": lambda: bool(traefik_program()),
    "envoy": lambda: bool(envoy_program()),
    "lego": lambda: bool(client("lego")),
    "faketime": lambda: bool(library()),
    "strace": lambda: bool(_program("strace")),
    "patch": lambda: bool(_program("patch")),
    # Mounting needs root, and more than some containers leave to it.
    "tmpfs": lambda: _may_mount(),
    "chromium": lambda: bool(chromium()),
    "node": lambda: bool(_program("node")),
    "certutil": lambda: bool(_program("certutil")),
    "promtool": lambda: bool(_program("promtool")),
    "certbot": lambda: bool(_program("certbot")),
    "shells": lambda: all(_program(name) for name in ("bash", "zsh", "fish")),
    "mandoc": lambda: bool(_program("mandoc")),
    # Other users' rights need root, and a Python that they may run.
    "people": lambda: bool(interpreter()),
    # Network namespaces need root, and more than some containers leave to it.
    "namespaces": lambda: _may_unshare(),
    "systemd-analyze": lambda: bool(_program("systemd-analyze")),
}


OPTIONAL = {"envoy", "lego", "namespaces", "pebble-current", "people", "tmpfs", "traefik"}


def _may_mount() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        if (
            os.geteuid() != 0
            or subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True).returncode
        ):
            return False
        subprocess.run(["umount", folder], check=True)
    return True


def _may_unshare() -> bool:
    return bool(_program("ip")) and subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode == 0


def _program(name: str) -> str | None:
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def pytest_configure(config: pytest.Config) -> None:
    """Debian keeps servers where an ordinary user's PATH does not look; and a state folder of the tests' own."""
    os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    # Nobody's state: what a configuration without one would use on this machine is not the tests' to touch.
    os.environ["CERTD_STATE"] = tempfile.mkdtemp(prefix="certd-nobodys-")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Nothing is left behind."""
    shutil.rmtree(os.environ.get("CERTD_STATE", ""), ignore_errors=True)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a component that is not here."""
    for mark in item.iter_markers("lab"):
        for component in mark.args:
            if not COMPONENTS[component]():
                reason = f"lab: {component} is not installed; tests/lab/setup installs it"
                if os.environ.get("CI") and component not in OPTIONAL:
                    pytest.fail(reason)
                pytest.skip(reason)


@pytest.fixture
def short_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that other users' processes may enter, with a path that fits a Unix socket's 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="certd-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path
