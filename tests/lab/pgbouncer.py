"""A real PgBouncer on loopback before a PostgreSQL: it hands each transaction to whichever connection is free."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import psycopg

from tests.lab.ports import free_port
from tests.lab.postgresql import USER, PostgreSQL
from tests.lab.process import Process

CONFIG = """
[databases]
* = host=127.0.0.1 port={server} user=certd

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 200
server_reset_query =
{more}
"""


@dataclass
class PgBouncer:
    """One pooler.

    Args:
        size: Connections to the server that all clients share.
        more: Further lines of its configuration.
    """

    server: PostgreSQL
    size: int = 2
    more: str = ""
    port: int = field(default_factory=free_port)
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="certd-pgb-")))
    process: Process | None = None

    def url(self, database: str) -> str:
        """What ``certd.store`` says."""
        return f"postgresql://certd@127.0.0.1:{self.port}/{database}"

    def __enter__(self) -> PgBouncer:
        path = self.folder / "pgbouncer.ini"
        path.write_text(CONFIG.format(server=self.server.port, port=self.port, size=self.size, more=self.more))
        argv = ["pgbouncer", str(path)]
        if os.geteuid() == 0:
            shutil.chown(self.folder, USER, USER)
            shutil.chown(path, USER, USER)
            argv = self.server.as_user(*argv)
        log = Path(tempfile.gettempdir()) / f"{self.folder.name}.log"
        self.process = Process(argv, log=log, cwd=Path("/")).start()
        self.process.wait_until(self._answers, what="its first answer", seconds=30)
        return self

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.Error:
            return False
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None:
            self.process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
