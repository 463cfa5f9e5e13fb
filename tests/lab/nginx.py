"""A real nginx in the foreground, with everything that it writes in a folder of its own."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from tests.lab.process import Process

MAIN = """
pid {folder}/nginx.pid;
error_log {folder}/error.log notice;
{user}
worker_processes 2;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/tmp;
    proxy_temp_path {folder}/tmp;
    fastcgi_temp_path {folder}/tmp;
    uwsgi_temp_path {folder}/tmp;
    scgi_temp_path {folder}/tmp;
    server_names_hash_bucket_size 128;
    include {folder}/sites/*.conf;
}}
"""


@dataclass
class Nginx:
    """One nginx.

    Args:
        folder: Short enough, and traversable for its workers.
    """

    folder: Path
    process: Process | None = field(default=None)

    def prepare(self) -> Nginx:
        """Write its main configuration."""
        for name in ("sites", "tmp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        user = "user root;" if os.geteuid() == 0 else ""
        (self.folder / "nginx.conf").write_text(MAIN.format(folder=self.folder, user=user))
        return self

    def site(self, name: str, text: str) -> None:
        """Write a site's configuration."""
        (self.folder / "sites" / f"{name}.conf").write_text(text)

    @property
    def pid_file(self) -> Path:
        """Where the main process writes its id."""
        return self.folder / "nginx.pid"

    @property
    def check_command(self) -> list[str]:
        """Its judgement of its configuration."""
        return ["nginx", "-t", "-q", "-c", str(self.folder / "nginx.conf"), "-p", str(self.folder)]

    def check(self) -> tuple[int, str]:
        """Exit code and words of the check."""
        done = subprocess.run(self.check_command, capture_output=True, text=True, timeout=30)
        return done.returncode, done.stderr

    def start(self) -> Nginx:
        """Start it and wait until it has written its id."""
        argv = ["nginx", "-c", str(self.folder / "nginx.conf"), "-p", str(self.folder), "-g", "daemon off;"]
        self.process = Process(argv, log=self.folder / "out.log").start()
        self.process.wait_until(self._is_up, what="its pid file")
        return self

    def _is_up(self) -> bool:
        return self.pid_file.exists() and self.pid_file.read_text().strip() == str(self.process and self.process.pid)

    def reload(self) -> None:
        """What a stranger does."""
        assert self.process is not None
        self.process.signal(signal.SIGHUP)

    def errors(self) -> str:
        """Its error log."""
        path = self.folder / "error.log"
        return path.read_text() if path.exists() else ""

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.stop()
            self.process = None

    def __enter__(self) -> Nginx:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
