"""Real HAProxy, Caddy, Apache, Traefik and Envoy in the foreground, each with all it writes in a folder of its own.

The nginx of the lab is :mod:`tests.lab.nginx`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from tests.lab.ports import free_port
from tests.lab.process import Process

BIN = Path(__file__).resolve().parents[2] / ".lab" / "bin"


@dataclass
class Front:
    """A proxy.

    Args:
        by_api: Whether certd uses its runtime API, where it has one.
        upstream: The e-mail service, for those that are not told by ``certd proxy-config``.
    """

    kind: ClassVar[str]
    is_written_by_certd: ClassVar[bool] = True

    folder: Path
    plain: int
    tls: int
    by_api: bool = True
    process: Process | None = field(default=None)
    upstream: str = ""

    def prepare(self) -> None:
        """Write its main configuration."""
        self.folder.mkdir(parents=True, exist_ok=True)

    def site(self, name: str, text: str) -> None:
        """Write what ``certd proxy-config`` printed."""
        raise NotImplementedError

    def argv(self) -> list[str]:
        """How it is started."""
        raise NotImplementedError

    def words(self) -> dict[str, object]:
        """``reload`` and ``check`` of its table."""
        raise NotImplementedError

    def table(self) -> str:
        """Its table in certd's configuration."""
        words = {
            "kind": self.kind,
            **self.words(),
            "endpoints": [f"127.0.0.1:{self.tls}"],
            "listen": [self.plain, self.tls],
        }
        return "[proxy.edge]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in words.items())

    def environment(self) -> dict[str, str]:
        """What it sees."""
        return {"HOME": str(self.folder), "XDG_DATA_HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder)}

    def start(self) -> None:
        """Start it and wait until it listens."""
        self.process = Process(self.argv(), log=self.folder / "out.log", env=self.environment()).start()
        self.process.wait_for_port(self.tls)

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.stop()
            self.process = None

    def stranger_reloads(self) -> None:
        """What somebody else does."""
        raise NotImplementedError

    @property
    def main(self) -> Path:
        """Its main configuration file."""
        raise NotImplementedError

    def output(self) -> str:
        """What it said."""
        path = self.folder / "out.log"
        return path.read_text() if path.exists() else ""


class Haproxy(Front):
    """Master and worker, with the runtime API on a socket."""

    kind = "haproxy"

    def prepare(self) -> None:
        super().prepare()
        (self.folder / "haproxy.cfg").write_text(
            f"global\n    stats socket {self.folder}/admin.sock mode 600 level admin\n"
            f"    pidfile {self.folder}/haproxy.pid\n    maxconn 500\n"
        )

    @property
    def main(self) -> Path:
        return self.folder / "haproxy.cfg"

    def site(self, name: str, text: str) -> None:
        with (self.folder / "haproxy.cfg").open("a") as file:
            file.write(text)

    def argv(self) -> list[str]:
        return ["haproxy", "-W", "-f", str(self.folder / "haproxy.cfg"), "-p", str(self.folder / "haproxy.pid")]

    def words(self) -> dict[str, object]:
        by_signal = f"signal:USR2:{self.folder}/haproxy.pid"
        return {
            "reload": f"haproxy:{self.folder}/admin.sock" if self.by_api else by_signal,
            "check": ["haproxy", "-c", "-f", str(self.folder / "haproxy.cfg")],
        }

    def stranger_reloads(self) -> None:
        assert self.process is not None
        self.process.signal(signal.SIGUSR2)


class Caddy(Front):
    """With its admin API on a Unix socket, or on TCP."""

    kind = "caddy"

    @cached_property
    def admin(self) -> str:
        """The address of the admin API."""
        return f"unix/{self.folder}/admin.sock" if self.by_api else f"localhost:{free_port()}"

    def prepare(self) -> None:
        super().prepare()
        text = f"{{\n    admin {self.admin}\n    auto_https disable_redirects\n}}\n"
        (self.folder / "Caddyfile").write_text(text + f"import {self.folder}/sites/*\n")
        (self.folder / "sites").mkdir()

    @property
    def main(self) -> Path:
        return self.folder / "Caddyfile"

    def site(self, name: str, text: str) -> None:
        (self.folder / "sites" / name).write_text(text)

    def argv(self) -> list[str]:
        return ["caddy", "run", "--config", str(self.folder / "Caddyfile"), "--adapter", "caddyfile"]

    def words(self) -> dict[str, object]:
        return {"reload": f"caddy:{self.admin}:{self.folder}/Caddyfile", "check": []}

    def stranger_reloads(self) -> None:
        argv = ["caddy", "reload", "--force", "--config", str(self.folder / "Caddyfile"), "--address", self.admin]
        subprocess.run(argv, check=True, capture_output=True, timeout=30, env={**os.environ, **self.environment()})


class Apache(Front):
    """One parent, event workers."""

    kind = "apache"

    MODULES: ClassVar = (
        "mpm_event",
        "authz_core",
        "socache_shmcb",
        "ssl",
        "proxy",
        "proxy_http",
        "headers",
        "remoteip",
        "alias",
    )

    def prepare(self) -> None:
        super().prepare()
        (self.folder / "sites").mkdir()
        modules = "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n" for name in self.MODULES)
        user = "User www-data\nGroup www-data\n" if os.geteuid() == 0 else ""
        (self.folder / "apache2.conf").write_text(
            f"ServerRoot {self.folder}\nServerName lab\nPidFile {self.folder}/apache2.pid\n"
            f"ErrorLog {self.folder}/error.log\nDefaultRuntimeDir {self.folder}\n{user}{modules}"
            f"Listen {self.plain}\nListen {self.tls}\nIncludeOptional {self.folder}/sites/*.conf\n"
        )

    @property
    def main(self) -> Path:
        return self.folder / "apache2.conf"

    def site(self, name: str, text: str) -> None:
        (self.folder / "sites" / f"{name}.conf").write_text(text)

    def argv(self) -> list[str]:
        return ["apache2", "-f", str(self.folder / "apache2.conf"), "-D", "FOREGROUND"]

    def words(self) -> dict[str, object]:
        return {
            "reload": f"signal:USR1:{self.folder}/apache2.pid",
            "check": ["apache2", "-t", "-f", str(self.folder / "apache2.conf")],
        }

    def stranger_reloads(self) -> None:
        assert self.process is not None
        self.process.signal(signal.SIGUSR1)


class Traefik(Front):
    """Watches certd's folder."""

    kind = "traefik"

    @property
    def watched(self) -> Path:
        """Where certd's pointers lie."""
        return self.folder.parent / "state" / "public" / "proxies" / "edge"

    def site(self, name: str, text: str) -> None:
        (self.watched / f"router-{name}.yml").write_text(text)

    def argv(self) -> list[str]:
        return [
            traefik_program(),
            f"--entrypoints.web.address=127.0.0.1:{self.plain}",
            f"--entrypoints.websecure.address=127.0.0.1:{self.tls}",
            "--global.checknewversion=false",
            "--entrypoints.web.http.encodequerysemicolons=true",
            "--entrypoints.websecure.http.encodequerysemicolons=true",
            f"--providers.file.directory={self.watched}",
            "--providers.file.watch=true",
            "--log.level=INFO",
        ]

    def start(self) -> None:
        super().start()
        assert self.process is not None
        self.process.wait_until(lambda: b" 404 " not in self._ask(), what="its routers")

    def _ask(self) -> bytes:
        (router,) = self.watched.glob("router-*.yml")
        host = router.stem.removeprefix("router-")
        with socket.create_connection(("127.0.0.1", self.plain), timeout=5) as connection:
            connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            return connection.recv(64)

    def words(self) -> dict[str, object]:
        return {"reload": "auto", "check": []}


class Envoy(Front):
    """Takes its secrets from certd's folder."""

    kind = "envoy"

    def site(self, name: str, text: str) -> None:
        (self.folder / "envoy.yaml").write_text(text)

    def argv(self) -> list[str]:
        # Without the shared memory of hot restarts, several run side by side.
        return [
            envoy_program(),
            "-c",
            str(self.folder / "envoy.yaml"),
            "--disable-hot-restart",
            "--concurrency",
            "2",
            "-l",
            "warning",
        ]

    def words(self) -> dict[str, object]:
        return {"reload": "auto", "check": []}


def traefik_program() -> str:
    """The one that was built; empty where there is none."""
    return _program("traefik")


def envoy_program() -> str:
    """The one that the set-up fetched; empty where there is none."""
    return _program("envoy")


def _program(name: str) -> str:
    return str(BIN / name) if (BIN / name).exists() else shutil.which(name) or ""
