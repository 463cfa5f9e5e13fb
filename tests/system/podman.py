"""Containers: images made here, run by podman and runc without a daemon."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping

from tests.system.machine import PACKAGES, debian
from tests.system.wheels import LAB, ROOT, wheelhouse

BASE = "localhost/certd-lab-base"
IMAGE = "localhost/certd-lab"
STORAGE = LAB / "containers"

# runc raises limits to the host's hard ones, which not every machine permits.
LIMITS = ("--ulimit", "nofile=1024:4096", "--ulimit", "nproc=1000:4000")


def podman(*arguments: str, code: int | None = 0, seconds: float = 600) -> str:
    """Run podman to its end and return what it printed; another exit code is an error. None: any."""
    argv = ["podman", "--root", str(STORAGE / "storage"), "--runroot", str(STORAGE / "run"), "--runtime", "runc",
            "--cgroup-manager", "cgroupfs", "--events-backend", "none", *arguments]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds)
    if code is not None and done.returncode != code:
        raise AssertionError(f"podman {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def build() -> None:
    """certd's image from the Containerfile, on a base that debootstrap made; needs no network."""
    if not podman("images", "-q", BASE).strip():
        tree = debian("machine", PACKAGES)
        with subprocess.Popen(["tar", "-C", str(tree), "-c", "."], stdout=subprocess.PIPE) as packed:
            argv = [
                "podman",
                "--root",
                str(STORAGE / "storage"),
                "--runroot",
                str(STORAGE / "run"),
                "import",
                "-q",
                "-",
                BASE,
            ]
            subprocess.run(argv, stdin=packed.stdout, check=True, timeout=600, capture_output=True)
    podman(
        "build", "-q", "--isolation", "chroot", "--build-arg", f"BASE={BASE}", "--build-arg", "PIP_NO_INDEX=1",
        "--build-arg", "PIP_FIND_LINKS=/wheels", "--volume", f"{wheelhouse()}:/wheels:ro", "-t", IMAGE,
        "-f", str(ROOT / "Containerfile"), str(ROOT),
    )  # fmt: skip


class Container:
    """One container that runs in the background."""

    def __init__(self, name: str) -> None:
        self.name = f"{name}-{os.getpid()}"

    def run(
        self, image: str, *command: str, options: tuple[str, ...] = (), volumes: Mapping[str, str] | None = None
    ) -> None:
        """Start it, in the network of the tests."""
        binds = [part for here, there in (volumes or {}).items() for part in ("-v", f"{here}:{there}")]
        podman("run", "-d", "--name", self.name, "--network", "host", *LIMITS, *binds, *options, image, *command)

    def exec(self, *command: str, code: int | None = 0, user: str = "") -> str:
        """Run a command in it."""
        return podman("exec", *(("--user", user) if user else ()), self.name, *command, code=code)

    def logs(self) -> str:
        """What it said."""
        return podman("logs", self.name, code=None)

    def remove(self) -> None:
        """End it at once, and forget it."""
        podman("rm", "-f", "-t", "10", "-i", self.name, code=None)

    def wait_until(self, holds: Callable[[], bool], what: str, seconds: float = 90) -> None:
        """Until a predicate holds; the deadline is an error that shows what it said."""
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name}: {what} not within {seconds} s\n{self.logs()[-5000:]}")
            time.sleep(0.2)
