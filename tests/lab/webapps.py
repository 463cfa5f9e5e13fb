"""Web applications that end TLS themselves: the very examples of ``config/examples``, in Python and in Node."""

from __future__ import annotations

import json
import sys
from typing import ClassVar

from tests.lab.certd import ROOT
from tests.lab.fronts import Front
from tests.lab.process import Process

EXAMPLES = ROOT / "config" / "examples"


class WebApp(Front):
    """Copies at ``paths`` of its own; it looks for itself, or when it gets SIGHUP."""

    kind = "files"
    is_written_by_certd = False
    program: ClassVar[list[str]]

    def site(self, name: str, text: str) -> None:
        """It forwards whatever comes."""

    def argv(self) -> list[str]:
        return self.program

    def environment(self) -> dict[str, str]:
        return super().environment() | {
            "UPSTREAM": self.upstream,
            "CERTIFICATE": str(self.folder / "link.pem"),
            "HTTP_PORT": str(self.plain),
            "HTTPS_PORT": str(self.tls),
        }

    def start(self) -> None:
        super().start()
        assert isinstance(self.process, Process)
        (self.folder / "app.pid").write_text(f"{self.process.pid}\n")

    def words(self) -> dict[str, object]:
        return {"reload": f"signal:HUP:{self.folder}/app.pid" if self.by_api else "none", "check": []}

    def table(self) -> str:
        path = json.dumps(f"{self.folder}/link.pem")
        return super().table() + f"paths = {{ combined = {path} }}\n"


class PythonApp(WebApp):
    """Python's own http.server and ssl."""

    program: ClassVar = [sys.executable, str(EXAMPLES / "link_proxy.py")]


class NodeApp(WebApp):
    """Node's own https."""

    program: ClassVar = ["node", str(EXAMPLES / "link-proxy.mjs")]
