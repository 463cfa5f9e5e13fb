"""Many small proxies under one certd, each with one link: so that many faults are tried side by side.

No CA and no DNS: the certificates are the lab's own and are adopted, as ``certd import`` does it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from types import TracebackType

from certd.app import App
from certd.config.choices import known_choices
from certd.config.loader import load
from certd.model import Deployment
from certd.pki.chain import read_certificate
from certd.state import stores_of
from certd.system.clock import SystemClock
from certd.system.journal import LoggingJournal
from tests.lab.certificates import DAY, NOW, make_ca, make_leaf
from tests.lab.fronts import Apache, Caddy, Front, Haproxy
from tests.lab.nginx import Nginx
from tests.lab.ports import free_port
from tests.lab.process import Process
from tests.lab.scene import ROOT

KINDS = ("nginx", "haproxy by its API", "haproxy by reload", "caddy", "apache")
FRONTS: dict[str, type[Front]] = {"haproxy": Haproxy, "caddy": Caddy, "apache": Apache}

WATCH_EVERY = 0.4


@dataclass
class Stage:
    """One proxy, its link, and a client that watches it.

    Attributes:
        table: What its ``[proxy.NAME]`` says now.
        pointer: What its configuration includes.
        troubles: What the client stumbled over, and when.
    """

    kind: str
    name: str
    folder: Path
    state: Path
    link: str
    tls: int = field(default_factory=free_port)
    table: dict[str, object] = field(default_factory=dict)
    troubles: list[tuple[float, str]] = field(default_factory=list)
    extra_site: str = ""
    accepts_proxy_protocol: bool = False
    kept: dict[str, object] = field(default_factory=dict)
    good_main: str = ""
    twin: Stage | None = None

    def __post_init__(self) -> None:
        by_api = self.kind != "haproxy by reload"
        if self.preset == "nginx":
            self.nginx: Nginx | None = Nginx(self.folder).prepare()
            self.front: Front | None = None
            words: dict[str, object] = {"reload": f"signal:HUP:{self.folder}/nginx.pid"}
            words["check"] = self.nginx.check_command
        else:
            self.nginx = None
            self.front = FRONTS[self.preset](self.folder, free_port(), self.tls, by_api)
            self.front.prepare()
            words = self.front.words()
        self.pointer = str(self.pointers / f"{self.link}{'.pem' if self.preset == 'haproxy' else '.conf'}")
        self.table = {"kind": self.preset, **words, "endpoints": [f"127.0.0.1:{self.tls}"]}
        self._base = self.main.read_text()
        self.write_site()

    @property
    def preset(self) -> str:
        """The kind as certd calls it."""
        return self.kind.partition(" ")[0]

    @property
    def pointers(self) -> Path:
        """Where certd's pointers for it lie."""
        return self.state / "public" / "proxies" / self.name

    @property
    def generations(self) -> Path:
        """Where the generations of its link lie."""
        return self.state / "public" / "certs" / self.link

    @property
    def main(self) -> Path:
        """Its main configuration file."""
        return self.front.main if self.front else self.folder / "nginx.conf"

    def write_site(self, *, lines: str = "") -> None:
        """Its one site.

        Args:
            lines: In the place of what certd's pointer says.
        """
        accept, place = self.accepts_proxy_protocol, f"127.0.0.1:{self.tls}"
        match self.preset:
            case "nginx":
                word = " proxy_protocol" if accept else ""
                text = (
                    f"server {{ listen {place} ssl reuseport{word}; server_name {self.link};\n"
                    f"{lines or f'include {self.pointer};'}\nlocation / {{ return 204; }} }}\n"
                )
                (self.folder / "sites" / "site.conf").write_text(text + self.extra_site)
            case "haproxy":
                word = " accept-proxy" if accept else ""
                crt = lines or f"{self.pointers}/"
                self.main.write_text(
                    self._base + f"defaults\n  mode http\n  timeout client 30s\n  timeout server 30s\n"
                    f"  timeout connect 5s\nfrontend f\n  bind {place} ssl crt {crt}{word}\n"
                    f"  http-request return status 204\n{self.extra_site}\n"
                )
            case "caddy":
                text = f"https://{self.link}:{self.tls} {{\n bind 127.0.0.1\n {lines or f'import {self.pointer}'}\n"
                (self.folder / "sites" / "site").write_text(text + f" respond 204\n}}\n{self.extra_site}")
            case _:
                word = "RemoteIPProxyProtocol On\n" if accept else ""
                (self.folder / "sites" / "site.conf").write_text(
                    f"<VirtualHost {place}>\nServerName {self.link}\nSSLEngine on\n{word}"
                    f"{lines or f'Include {self.pointer}'}\n</VirtualHost>\n{self.extra_site}"
                )

    def own_lines(self, chain: Path, key: Path) -> str:
        """What names a pair in its configuration."""
        match self.preset:
            case "nginx":
                return f"ssl_certificate {chain};\nssl_certificate_key {key};"
            case "haproxy":
                both = chain.with_suffix(".both.pem")
                both.write_text(chain.read_text() + key.read_text())
                return str(both)
            case "caddy":
                return f"tls {chain} {key}"
            case _:
                return f"SSLCertificateFile {chain}\nSSLCertificateKeyFile {key}"

    def include(self, path: Path) -> str:
        """What includes a pointer from elsewhere."""
        match self.preset:
            case "nginx":
                return f"include {path};"
            case "haproxy":
                return str(path)
            case "caddy":
                return f"import {path}"
            case _:
                return f"Include {path}"

    def start(self) -> None:
        """Start it."""
        if self.front is not None:
            self.front.start()
        elif self.nginx is not None:
            self.nginx.start()

    def stop(self) -> None:
        """End it."""
        if self.front is not None:
            self.front.stop()
        elif self.nginx is not None:
            self.nginx.stop()

    def reload_by_stranger(self) -> None:
        """What somebody else does."""
        if self.front is not None:
            self.front.stranger_reloads()
        elif self.nginx is not None:
            self.nginx.reload()

    def freeze(self, number: signal.Signals) -> None:
        """Stop or continue all of its processes."""
        process = self.front.process if self.front else self.nginx.process if self.nginx else None
        assert process is not None
        os.killpg(process.pid, number)

    def toml(self) -> str:
        """Its table and its link."""
        table = "".join(f"{name} = {json.dumps(value)}\n" for name, value in self.table.items())
        return f'[proxy.{self.name}]\n{table}\n[[link]]\ndomain = "{self.link}"\nproxy = "{self.name}"\n\n'

    def shown(self, cadata: str) -> str:
        """The serial number that a client that trusts the lab's root gets. Raises OSError."""
        context = ssl.create_default_context(cadata=cadata)
        with (
            socket.create_connection(("127.0.0.1", self.tls), timeout=10) as connection,
            context.wrap_socket(connection, server_hostname=self.link) as tls,
        ):
            return str((tls.getpeercert() or {})["serialNumber"])


@dataclass
class Gallery:
    """All stages, and certd over them.

    Args:
        kinds: What kind of proxy each stage is.
    """

    folder: Path
    kinds: Mapping[str, str]
    stages: dict[str, Stage] = field(default_factory=dict)
    mounts: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = self.folder / "state"
        self.authority = make_ca("lab root")
        self.roots = self.folder / "roots.pem"
        self.roots.write_text(self.authority.pem)
        for number, (name, kind) in enumerate(self.kinds.items()):
            self.stages[name] = Stage(
                kind, f"p{number}", self.folder / f"p{number}", self.state, f"l{number}.example.test"
            )
        self.newest: dict[str, str] = {}
        self.certd: Process | None = None
        self.clean: list[Callable[[], None]] = []
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def config(self) -> Path:
        """certd's configuration."""
        return self.folder / "certd.toml"

    def write_config(self) -> None:
        """Write what the stages say now."""
        head = f'[certd]\nstate = "{self.state}"\nnode = "lab"\nissue = false\nlisten = ""\n\n'
        head += f'[issuer.lab]\nterms_agreed = true\ndirectory = "https://127.0.0.1:9/"\nroots = "{self.roots}"\n\n'
        self.config.write_text(
            head + '[defaults]\nissuer = "lab"\n\n' + "".join(s.toml() for s in self.stages.values())
        )

    def command(self, *arguments: str, code: int | None = None) -> subprocess.CompletedProcess[str]:
        """A command of certd's, to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "certd", "--config", str(self.config), *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert code is None or done.returncode == code, done.stdout + done.stderr
        return done

    @cached_property
    def app(self) -> App:
        """certd's own parts over the same stores, as its commands use them."""
        settings = load(self.config, known_choices())
        return App(settings, stores_of(settings), SystemClock(), LoggingJournal())

    def adopt(self, *, days: int) -> dict[str, str]:
        """A new certificate for every link, as ``certd import`` brings one in; returns the fingerprints by stage."""
        new = self.adopt_for([stage.link for stage in self.stages.values()], days=days)
        return {name: new[stage.link] for name, stage in self.stages.items()}

    def adopt_for(self, links: Iterable[str], *, days: int) -> dict[str, str]:
        """The same by link."""
        self.app.stores.specs.set([link.spec for link in self.app.settings.links])
        new: dict[str, str] = {}
        for link in links:
            leaf = make_leaf(self.authority, link, start=NOW - DAY, life=timedelta(days=days))
            chain = leaf.pem + self.authority.pem
            certificate = read_certificate(chain, leaf.key, link=link, issuer="lab", issued_at=NOW)
            assert self.app.stores.lineages.adopt(replace(certificate, issuer="lab"))
            new[link] = certificate.fingerprint
        self.newest = new
        self.app.sync()
        return new

    def all_served(self, links: Iterable[str], seconds: float) -> bool:
        """Wait until every one of these links is proven served with its newest certificate."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            known = {link.link: link for _, link in self.app.stores.node.deployments()}
            if all(link in known and known[link].served == self.newest[link] for link in links):
                return True
            time.sleep(0.2)
        return False

    def deployments(self) -> dict[str, Deployment]:
        """What certd knows, by stage."""
        known = {link.link: link for _, link in self.app.stores.node.deployments()}
        return {name: known[stage.link] for name, stage in self.stages.items() if stage.link in known}

    def damage(self, name: str) -> str:
        """What is wrong with a stage's files on the disk."""
        stage = self.stages[name]
        certificate = self.app.best_copy(stage.link, [stage.link])
        return self.app.targets[stage.name].damage(certificate) if certificate else "there is none"

    def reload(self) -> None:
        """Have certd read its configuration again, and look at everything."""
        self.write_config()
        self.command("reload", code=0)

    def log(self) -> str:
        """What certd said."""
        path = self.folder / "certd.log"
        return path.read_text() if path.exists() else ""

    def eventually(
        self, holds: Callable[[str, Deployment], bool], names: Iterable[str], seconds: float = 90
    ) -> list[str]:
        """Wait until it holds for every stage; returns those for which it did not come true."""
        deadline = time.monotonic() + seconds
        left = list(names)
        while left and time.monotonic() < deadline:
            known = self.deployments()
            left = [name for name in left if name not in known or not holds(name, known[name])]
            if left:
                time.sleep(0.2)
        return left

    # ------------------------------------------------------------------------------------ mounting

    def mount(self, *arguments: str, on: Path) -> None:
        """Mount; undone at the end at the latest."""
        subprocess.run(["mount", *arguments, str(on)], check=True, capture_output=True)
        self.mounts.append(on)

    def unmount(self, on: Path) -> None:
        """Undo it."""
        if on in self.mounts:
            self.mounts.remove(on)
            subprocess.run(["umount", "-l", str(on)], check=True, capture_output=True)

    # ------------------------------------------------------------------------------------ the whole

    def __enter__(self) -> Gallery:
        self.write_config()
        # The placeholders first: no proxy starts without its file.
        self.certd = Process(
            [sys.executable, "-m", "certd", "--config", str(self.config), "run"],
            log=self.folder / "certd.log",
            env={"PYTHONPATH": str(ROOT), "CERTD_LOG": "plain"},
            cwd=ROOT,
        ).start()
        try:
            self.certd.wait_until((self.state / "control.sock").exists, seconds=60, what="control socket")
            for stage in self.stages.values():
                stage.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def watch(self) -> None:
        """From now on a client of each proxy notes what it stumbles over."""
        for stage in self.stages.values():
            thread = threading.Thread(target=self._watch, args=(stage,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _watch(self, stage: Stage) -> None:
        cadata = self.authority.pem
        while not self._over.wait(WATCH_EVERY):
            try:
                stage.shown(cadata)
            except OSError as error:
                stage.troubles.append((time.time(), str(error)))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)
        for undo in reversed(self.clean):
            with contextlib.suppress(Exception):
                undo()
        if self.certd is not None:
            self.certd.stop()
        for stage in self.stages.values():
            stage.stop()
        for on in list(self.mounts):
            self.unmount(on)
        shutil.rmtree(self.state, ignore_errors=True)
