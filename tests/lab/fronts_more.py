"""Real hitch and h2o in the foreground, each with all it writes in a folder of its own."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.lab.fronts import Front


class _ByHup(Front):
    """Its main process loads its configuration at SIGHUP."""

    def words(self) -> dict[str, object]:
        return {"reload": f"signal:HUP:{self.folder}/{self.kind}.pid", "check": self.check_command()}

    def check_command(self) -> list[str]:
        """How it judges its configuration."""
        raise NotImplementedError

    def stranger_reloads(self) -> None:
        assert self.process is not None
        self.process.signal(signal.SIGHUP)

    @property
    def main(self) -> Path:
        return self.folder / f"{self.kind}.conf"

    def site(self, name: str, text: str) -> None:
        with self.main.open("a") as file:
            file.write(text)


class Hitch(_ByHup):
    """In front of the e-mail service; nothing listens on the plain port."""

    kind = "hitch"

    def prepare(self) -> None:
        super().prepare()
        # hitch gives up root only by a user that it is told.
        user = 'user = "nobody"\n' if os.geteuid() == 0 else ""
        self.main.write_text(f"{user}workers = 2\n")

    def argv(self) -> list[str]:
        return ["hitch", f"--config={self.main}", f"--pidfile={self.folder}/hitch.pid"]

    def check_command(self) -> list[str]:
        return ["hitch", "--test", f"--config={self.main}"]


class H2o(_ByHup):
    """Master and workers."""

    kind = "h2o"

    def prepare(self) -> None:
        super().prepare()
        user = "user: root\n" if os.geteuid() == 0 else ""
        self.main.write_text(f"{user}pid-file: {self.folder}/h2o.pid\nnum-threads: 2\n")

    def argv(self) -> list[str]:
        return ["h2o", "-m", "master", "-c", str(self.main)]

    def check_command(self) -> list[str]:
        return ["h2o", "-t", "-c", str(self.main)]
