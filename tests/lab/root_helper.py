"""A real proxy whose site includes what certd says, and the root helper in a thread."""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from certd.model import Generation
from certd.ports import Outcome
from certd.targets import root_helper
from certd.targets.factory import make_target
from certd.targets.files_target import FilesTarget
from certd.targets.layout import no_group
from certd.targets.root_copies import copy_pointers, root_copies_of
from certd.targets.touch_protocol import root_result_of
from tests.lab.fronts import Apache, Caddy
from tests.lab.nginx import Nginx
from tests.lab.ports import free_port

LINK = "link.example.test"
OTHER = "other.example.test"

NGINX_SITE = "server {{ listen 127.0.0.1:{port} ssl; server_name {link}; include {pointer}; return 204; }}\n"
APACHE_SITE = "<VirtualHost *:{port}>\nServerName {link}\nSSLEngine on\nInclude {pointer}\n</VirtualHost>\n"
CADDY_SITE = "https://{link}:{port} {{\n    import {pointer}\n    respond 204\n}}\n"


@dataclass
class Stage:
    """A proxy whose site includes what certd says, and the root helper that answers certd."""

    folder: Path
    kind: str
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.state = self.folder / "state"
        self.copies = root_copies_of(self.state, "edge")
        self.copies.mkdir(parents=True, mode=0o755)
        (self.state / "reload").mkdir(parents=True)
        self.stamp = self.state / "reload" / "edge"
        self.stamp.write_text("")
        self.target = self.make_target()
        front = {"apache": Apache, "caddy": Caddy}.get(self.kind)
        self.front = front(self.folder / "edge", free_port(), self.port) if front else Nginx(self.folder / "edge")
        self.front.prepare()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._answer, daemon=True)

    def make_target(self) -> FilesTarget:
        """As the configuration makes it."""
        return make_target(
            name="edge",
            kind=self.kind,
            reload="auto",
            check=(),
            endpoints=(f"127.0.0.1:{self.port}",),
            paths={},
            path_map={},
            public=self.state / "public",
            find_group=no_group,
            egress=lambda: pytest.fail("nothing is fetched"),
        )

    def publish(self, link: str = LINK) -> Generation:
        """Another placeholder each time, as every new certificate is another generation."""
        for old in (self.state / "public" / "certs" / link).glob("*"):
            old.rename(old.with_name(f".{old.name}"))
        generation = self.target.install_placeholder(link, [link], datetime.now(UTC))
        self.target.point(link, generation)
        for old in (self.state / "public" / "certs" / link).glob(".2*"):
            if not (new := old.with_name(old.name[1:])).exists():
                old.rename(new)
        return generation

    def site(self, *links: str) -> None:
        """Write the proxy's side."""
        text = {"nginx": NGINX_SITE, "apache": APACHE_SITE, "caddy": CADDY_SITE}[self.kind]
        for link in links:
            self.front.site(link, text.format(port=self.port, link=link, pointer=self.target.pointer_path(link)))

    def start(self) -> None:
        """Start the proxy, and wait until it can be signalled."""
        self.front.start()
        if isinstance(self.front, Apache) and self.front.process is not None:
            self.front.process.wait_until((self.front.folder / "apache2.pid").exists, what="its pid file")

    def commands(self) -> Sequence[Sequence[str]]:
        """What the helper runs: the proxy's own check and its reload, as root."""
        if isinstance(self.front, Nginx):
            return (
                self.front.check_command,
                [*self.front.check_command[:1], *self.front.check_command[3:], "-s", "reload"],
            )
        if isinstance(self.front, Apache):
            return (
                ["apache2", "-t", "-f", str(self.front.main)],
                ["sh", "-c", f"kill -USR1 $(cat {self.front.folder}/apache2.pid)"],
            )
        assert isinstance(self.front, Caddy)
        return (["caddy", "reload", "--force", "--config", str(self.front.main), "--address", self.front.admin],)

    def copying(self) -> Mapping[str, str]:
        """The helper's own work."""
        return copy_pointers(self.state, "edge", self.kind, self.copies)

    def _answer(self) -> None:
        asked = ""
        while not self.over.wait(0.02):
            if (now := self.stamp.read_text()) != asked:
                asked = now
                root_helper.answer(self.stamp, self.commands(), copying=self.copying)

    def ask(self) -> Outcome:
        """As certd asks after it has pointed."""
        result = root_result_of(self.stamp)
        if not result.exists():
            result.write_text("of before\n")
        generations = [found for link in (LINK, OTHER) if (found := self.target.pointed(link)) is not None]
        return self.target.reload(generations)

    def served(self, link: str = LINK) -> str:
        """The fingerprint of what a client gets."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with (
                socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection,
                context.wrap_socket(connection, server_hostname=link) as tls,
            ):
                return hashlib.sha256(tls.getpeercert(binary_form=True) or b"").hexdigest()
        except OSError:
            return ""

    def __enter__(self) -> Stage:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join(30)
        self.front.stop()
