"""A Debian that boots in systemd-nspawn, in the network of whoever starts it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.process import Process
from tests.system.wheels import LAB

SUITE = "bookworm"
HOSTS = "127.0.0.1 localhost\n::1 localhost\n"
PACKAGES = (
    "ca-certificates",
    "systemd-sysv",
    "libpam-systemd",
    "dbus",
    "polkitd",
    "nginx-light",
    "haproxy",
    "python3",
    "python3-venv",
    "iproute2",
    "procps",
)


def edition(packages: tuple[str, ...], suite: str = SUITE) -> str:
    """Names what is made of a list of packages, so that a longer list makes another one."""
    return f"{zlib.crc32(' '.join((suite, *packages)).encode()):08x}"


def debian(name: str, packages: tuple[str, ...], suite: str = SUITE, cached: tuple[str, ...] = ()) -> Path:
    """A tree made by debootstrap, once for each list of packages; kept under .lab.

    Args:
        cached: Packages that are fetched and not installed: ``apt-get install`` finds them without a network.
    """
    tree = LAB / f"{name}-{edition((*packages, *cached), suite)}"
    if not tree.exists():
        half = tree.with_suffix(".half")
        shutil.rmtree(half, ignore_errors=True)
        half.parent.mkdir(parents=True, exist_ok=True)
        argv = ["debootstrap", "--variant=minbase", f"--include={','.join(packages)}", suite, str(half)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=1200)
        if done.returncode:
            raise AssertionError(f"debootstrap: {done.stdout[-3000:]}")
        if cached:
            shutil.copyfile("/etc/resolv.conf", half / "etc/resolv.conf")
            fetch = f"apt-get -q clean && apt-get -q update && apt-get -q -y --download-only install {' '.join(cached)}"
            subprocess.run(["chroot", str(half), "sh", "-c", fetch], check=True, capture_output=True, timeout=600)
        half.rename(tree)
    return tree


@dataclass
class Machine:
    """One machine, made from a copy of the tree.

    Args:
        folder: For the copy and the log.
        shared: ``{folder here: folder there}``, read-only there.
        tree: Makes the tree that is copied.
        options: More words for systemd-nspawn.
    """

    folder: Path
    shared: Mapping[Path, str] = field(default_factory=dict)
    process: Process | None = None
    tree: Callable[[], Path] = lambda: debian("machine", PACKAGES)
    options: tuple[str, ...] = ()

    @property
    def root(self) -> Path:
        """Its root, seen from here."""
        return self.folder / "root"

    def prepare(self) -> Machine:
        """Copy the tree."""
        self.folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", "--reflink=auto", str(self.tree()), str(self.root)], check=True)
        (self.root / "etc/hosts").write_text(HOSTS)
        return self

    def boot(self) -> Machine:
        """Start it, and wait until it has booted."""
        binds = [f"--bind-ro={here}:{there}" for here, there in self.shared.items()]
        argv = [
            "systemd-nspawn",
            "-q",
            "-D",
            str(self.root),
            "--boot",
            "--register=no",
            "--keep-unit",
            "--console=pipe",
            "--link-journal=no",
            f"--machine=certd-{os.getpid()}",
            *binds,
            *self.options,
        ]
        self.process = Process(argv, log=self.folder / "console.log").start()
        self.wait_until(self.is_booted, "boot")
        return self

    def is_booted(self) -> bool:
        """Whether systemd in it has done what it does at a start."""
        done = self.tried("systemctl", "is-system-running")
        return done.stdout.strip() in {"running", "degraded"}

    @property
    def leader(self) -> int:
        """The process id, here, of its process 1; 0 while there is none."""
        assert self.process is not None
        with contextlib.suppress(OSError, IndexError, ValueError):
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            return int(children[0])
        return 0

    def inside(self, *argv: str) -> list[str]:
        """The command line that runs a command in it, as root."""
        enter = ["nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-p", "--root"]
        clean = [
            "env",
            "-C",
            "/",
            "-i",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL=C.UTF-8",
        ]
        return [*enter, *clean, *argv]

    def tried(self, *argv: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command in it, as root."""
        return subprocess.run(self.inside(*argv), capture_output=True, text=True, timeout=seconds)

    def run(self, *argv: str, code: int = 0, seconds: float = 120) -> str:
        """Run a command in it to its end; another exit code is an error that shows what it said."""
        done = self.tried(*argv, seconds=seconds)
        if done.returncode != code:
            raise AssertionError(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def journal(self, unit: str = "certd.service") -> str:
        """What a unit said, over all boots."""
        return self.tried("journalctl", "--no-pager", "-o", "cat", "-u", unit).stdout

    def wait_until(self, holds: Callable[[], bool], what: str, seconds: float = 90) -> None:
        """Until a predicate holds; the deadline is an error that shows the journal."""
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                console = (self.folder / "console.log").read_text()[-2000:]
                raise AssertionError(f"{what}: not within {seconds} s\n{self.journal()[-5000:]}\n{console}")
            time.sleep(0.2)

    def reboot(self) -> None:
        """Restart it, and wait until it has booted; systemd-nspawn leaves the start to whoever started it."""
        assert self.process is not None
        self.tried("systemctl", "reboot")
        self.process.wait(60)
        self.boot()

    def stop(self) -> None:
        """Shut it down."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                self.process.signal(signal.SIGTERM)
                self.process.wait(30)
            self.process.stop()
            self.process = None
