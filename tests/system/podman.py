"""Containers: images made here, run by podman and runc without a daemon."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping

from tests.system.machine import PACKAGES, debian, edition
from tests.system.wheels import LAB, ROOT, wheelhouse

BASE = f"localhost/certd-lab-base:{edition(PACKAGES)}"
IMAGE = "localhost/certd-lab"
STORAGE = LAB / "containers"

# Nothing of this machine's own containers is touched; no systemd, no journal is needed.
PODMAN = (
    "podman",
    "--root",
    str(STORAGE / "storage"),
    "--runroot",
    str(STORAGE / "run"),
    "--runtime",
    "runc",
    "--cgroup-manager",
    "cgroupfs",
    "--events-backend",
    "none",
)

# For what has no option: the pods of `kube play`, the services of compose. podman 4.3 takes the two numbers of a limit
# in the other order here than in an option; these are equal. Service names are resolved by netavark's aardvark-dns.
CONFIG = f"""
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4000:4000"]
[network]
network_backend = "netavark"
network_config_dir = "{STORAGE / "networks"}"
"""

# runc raises limits to the host's hard ones, which not every machine permits.
LIMITS = ("--ulimit", "nofile=1024:4096", "--ulimit", "nproc=1000:4000")


def environment() -> dict[str, str]:
    """For podman and for what calls it."""
    path = STORAGE / "containers.conf"
    if not path.exists():
        (STORAGE / "networks").mkdir(parents=True, exist_ok=True)
        path.write_text(CONFIG)
    return {**os.environ, "CONTAINERS_CONF": str(path), "BUILDAH_ISOLATION": "chroot"}


def podman(*arguments: str, code: int | None = 0, seconds: float = 600) -> str:
    """Run podman to its end and return what it printed; another exit code is an error. None: any, and what it printed
    as errors, too.
    """
    argv = [*PODMAN, *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds, env=environment())
    if code is not None and done.returncode != code:
        raise AssertionError(f"podman {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr if code is None else done.stdout


def build() -> None:
    """certd's image from the Containerfile, on a base that debootstrap made; needs no network."""
    if not podman("images", "-q", BASE).strip():
        tree = debian("machine", PACKAGES)
        with subprocess.Popen(["tar", "-C", str(tree), "-c", "."], stdout=subprocess.PIPE) as packed:
            subprocess.run([*PODMAN, "import", "-q", "-", BASE], stdin=packed.stdout, check=True, capture_output=True)
    arguments = {"BASE": BASE, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels"}
    given = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
    options = ("-q", "--format", "docker", "--isolation", "chroot", "--volume", f"{wheelhouse()}:/wheels:ro")
    podman("build", *options, *given, "-t", IMAGE, "-f", str(ROOT / "Containerfile"), str(ROOT))


class Container:
    """One container that runs in the background."""

    def __init__(self, name: str) -> None:
        self.name = f"{name}-{os.getpid()}"

    def run(
        self, image: str, *command: str, options: tuple[str, ...] = (), volumes: Mapping[str, str] | None = None
    ) -> None:
        """Start it, in the network of the tests."""
        binds = [part for here, there in (volumes or {}).items() for part in ("-v", f"{here}:{there}")]
        # podman's timer for the health check would be systemd's; it is run by hand.
        options = ("--health-interval", "disable", *options)
        podman("run", "-d", "--name", self.name, "--network", "host", *LIMITS, *binds, *options, image, *command)

    def exec(self, *command: str, code: int | None = 0, user: str = "") -> str:
        """Run a command in it."""
        return podman("exec", *(("--user", user) if user else ()), self.name, *command, code=code)

    def exec_code(self, *command: str) -> int:
        """The exit code of a command in it."""
        return subprocess.run([*PODMAN, "exec", self.name, *command], capture_output=True, timeout=120).returncode

    def logs(self) -> str:
        """What it said."""
        return podman("logs", self.name, code=None)

    def remove(self) -> None:
        """End it at once, and forget it."""
        podman("rm", "-f", "-t", "10", "-i", self.name, code=None)

    def wait_until(self, holds: Callable[[], bool], what: str, seconds: float = 60) -> None:
        """Until a predicate holds; the deadline is an error that shows what it said."""
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name}: {what} not within {seconds} s\n{self.logs()[-5000:]}")
            time.sleep(0.2)
