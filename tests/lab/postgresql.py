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
    # Certificate and key as PEM, and the password that connections by TCP are asked for by this method.
    tls: tuple[str, str] | None = None
    password: str = ""
    method: str = "scram-sha-256"
    max_connections: int = 60

    def start(self) -> PostgreSQL:
        """Make its files on the first start; wait until it answers."""
        data = self.folder / "data"
        if not data.exists():
            if os.geteuid() == 0:
                shutil.chown(self.folder, USER, USER)
            made = subprocess.run(
                self.as_user(f"{postgres_bin()}/initdb", "-D", str(data), "-U", "certd", "--auth=trust", "--no-sync"),
                capture_output=True,
                text=True,
                timeout=60,
                cwd="/",
            )
            assert made.returncode == 0, made.stderr
            if self.password:
                rules = f"local all all trust\nhost all all 127.0.0.1/32 {self.method}\n"
                (data / "pg_hba.conf").write_text(rules)
            for name, text in zip(("server.crt", "server.key"), self.tls or (), strict=False):
                (data / name).write_text(text)
                (data / name).chmod(0o600)
                if os.geteuid() == 0:
                    shutil.chown(data / name, USER, USER)
        argv = self.as_user(
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
            f"max_connections={self.max_connections}",
            "-c",
            f"ssl={'on' if self.tls else 'off'}",
            "-c",
            f"password_encryption={'md5' if self.method == 'md5' else 'scram-sha-256'}",
        )
        log = Path(tempfile.gettempdir()) / f"{self.folder.name}.log"
        self.process = Process(argv, log=log, cwd=Path("/")).start()
        self.process.wait_until(self._answers, what="its first answer", seconds=30)
        if self.password:
            with psycopg.connect(self._first_url, autocommit=True) as connection:
                connection.execute(f"ALTER ROLE certd PASSWORD '{self.password}'".encode())
        return self

    def url(self, database: str = "postgres") -> str:
        """What ``certd.store`` says."""
        return f"postgresql://certd@127.0.0.1:{self.port}/{database}"

    @property
    def _first_url(self) -> str:
        """By its socket where TCP asks for a password."""
        return f"postgresql://certd@/postgres?host={self.folder}&port={self.port}" if self.password else self.url()

    def make(self, database: str) -> str:
        """A fresh database; its URL."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{database}"'.encode())
        return self.url(database)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._first_url, connect_timeout=2).close()
        except psycopg.Error:
            return False
        return True

    def as_user(self, *argv: str) -> list[str]:
        """A command that its user runs, where root starts it."""
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
