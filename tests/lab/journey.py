"""A link whose DNS is a real BIND's: it begins at the e-mail service and may be moved to the proxy and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from tests.lab.bind import Bind
from tests.lab.scene import DOMAIN, Scene

# Addresses as the DNS knows them; ``network.addresses`` says where they answer in the lab.
PROXY, SERVICE, SERVER = "192.0.2.10", "192.0.2.80", "192.0.2.53"
EDGE, MAILER = "edge.example.test", "mailer.test"

EXAMPLE = f"""@ IN NS ns1
ns1 IN A {SERVER}
edge IN A {PROXY}
link 1 IN CNAME {MAILER}.
"""
MAIL = f"""@ IN NS ns1
ns1 IN A {SERVER}
@ IN A {SERVICE}
"""


@dataclass
class Journey:
    """Scene and name server.

    Args:
        every: ``click_every`` of the link.
    """

    folder: Path
    every: str = "1s"
    extra: str = ""
    link: str = ""
    bind: Bind = field(init=False)
    scene: Scene = field(init=False)

    def __post_init__(self) -> None:
        self.bind = Bind(self.folder / "bind", {"example.test": EXAMPLE, MAILER: MAIL})
        self.scene = Scene(self.folder / "scene")
        self.scene.pebble.dns = f"127.0.0.1:{self.bind.port}"

    def start(self) -> Journey:
        """Everything but nginx and certd."""
        self.bind.start()
        self.scene.prepare()
        self.scene.publish_by(self.bind)
        self.write()
        return self

    def write(self, **more: str) -> None:
        """The configuration: where public addresses answer here, and what the link says of its clicks."""
        scene = self.scene
        text = scene.config.read_text()
        if "[network]\naddresses" not in text:
            places = {
                f"{PROXY}:443": scene.tls,
                f"{PROXY}:80": scene.plain,
                f"{SERVICE}:80": scene.esp.port,
            }
            table = ", ".join(f'"{place}" = "127.0.0.1:{port}"' for place, port in places.items())
            text = text.replace("[network]\n", f"[network]\naddresses = {{ {table} }}\n", 1)
            text = text.replace("[defaults]\n", f'[defaults]\nclick_every = "{self.every}"\n', 1)
            text = text.replace("[esp.stand-in]\n", f'[esp.stand-in]\nhosts = ["{MAILER}"]\n', 1)
        self.scene.config.write_text(text + self.extra)

    def point_here(self, ttl: int = 1) -> None:
        """Move the CNAME to the proxy."""
        self.bind.move(DOMAIN, "CNAME", f"{EDGE}.", ttl=ttl)

    def point_back(self, ttl: int = 1) -> None:
        """Move it back to the e-mail service."""
        self.bind.move(DOMAIN, "CNAME", f"{MAILER}.", ttl=ttl)

    def stop(self) -> None:
        """Everything."""
        self.scene.stop()
        self.bind.stop()

    def __enter__(self) -> Journey:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
