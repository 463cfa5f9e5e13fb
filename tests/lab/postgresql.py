"""A real PostgreSQL on loopback and a high port, without its own service and without root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import psycopg

from tests.lab.ports import free_port
from tests.lab.process import Process

USER = "postgres"


def postgres_bin() -> str:
    """The folder of its programs; empty where there is none. Debian keeps them off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return str(found[-1].parent) if found else ""


@dataclass
class PostgreSQL:
    """One server; it refuses to run as root, so root becomes its user."""

    port: int = field(default_factory=free_port)
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="certd-pg-")))
    process: Process | None = None

    def start(self) -> PostgreSQL:
        """Make its files on the first start; wait until it answers."""
        data = self.folder / "data"
        if not data.exists():
            if os.geteuid() == 0:
                shutil.chown(self.folder, USER, USER)
            made = subprocess.run(
                self._as_user(f"{postgres_bin()}/initdb", "-D", str(data), "-U", "certd", "--auth=trust", "--no-sync"),
                capture_output=True,
                text=True,
                timeout=60,
                cwd="/",
            )
            assert made.returncode == 0, made.stderr
        argv = self._as_user(
            f"{postgres_bin()}/postgres",
            "-D",
            str(data),
            "-p",
            str(self.port),
            "-k",
            str(self.folder),
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "fsync=off",
            "-c",
            "max_connections=60",
        )
        log = Path(tempfile.gettempdir()) / f"{self.folder.name}.log"
        self.process = Process(argv, log=log, cwd=Path("/")).start()
        self.process.wait_until(self._answers, what="its first answer", seconds=30)
        return self

    def url(self, database: str = "postgres") -> str:
        """What ``certd.store`` says."""
        return f"postgresql://certd@127.0.0.1:{self.port}/{database}"

    def make(self, database: str) -> str:
        """A fresh database; its URL."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{database}"'.encode())
        return self.url(database)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.Error:
            return False
        return True

    def _as_user(self, *argv: str) -> list[str]:
        if os.geteuid() != 0:
            return list(argv)
        entry = pwd.getpwnam(USER)
        return ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups", *argv]

    def stop(self) -> None:
        """End it at once."""
        if self.process is not None:
            self.process.stop()
            self.process = None

    def remove(self) -> None:
        """End it and remove its files."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> PostgreSQL:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()
