"""A Chromium that is driven over a pipe, by the DevTools protocol, with roots of its own."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

from tests.lab.browser import FLAGS, chromium


class Browser:
    """One page of it.

    Args:
        roots: Trust anchors in PEM, put into the user's NSS database as an administrator would.
        hosts: ``name:port`` -> ``address:port``.
    """

    def __init__(self, roots: Sequence[str] = (), hosts: Mapping[str, str] = MappingProxyType({})) -> None:
        self._roots = roots
        self._hosts = hosts
        self._home = tempfile.TemporaryDirectory(prefix="certd-chromium-")
        self._process: subprocess.Popen[bytes] | None = None
        self._number = 0
        self._received = bytearray()
        self._session = ""

    def __enter__(self) -> Browser:
        home = Path(self._home.name)
        if self._roots:
            self._trust(home)
        program = chromium()
        assert program is not None
        rules = ", ".join(f"MAP {name} {place}" for name, place in self._hosts.items())
        ours, theirs = os.pipe(), os.pipe()
        # The protocol wants exactly the descriptors 3 and 4.
        script = f'exec "$@" 3<&{ours[0]} 4>&{theirs[1]}'
        argv = [
            "bash",
            "-c",
            script,
            "bash",
            program,
            *FLAGS,
            "--remote-debugging-pipe",
            f"--host-resolver-rules={rules}",
            f"--user-data-dir={home / 'profile'}",
            "about:blank",
        ]
        self._process = subprocess.Popen(
            argv,
            pass_fds=(ours[0], theirs[1]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        )
        os.close(ours[0])
        os.close(theirs[1])
        self._write, self._read = ours[1], theirs[0]
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = str(self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
        self.ask("Page.enable")
        return self

    def _trust(self, home: Path) -> None:
        database = home / ".pki" / "nssdb"
        database.mkdir(parents=True)
        named = f"sql:{database}"
        subprocess.run(["certutil", "-N", "-d", named, "--empty-password"], check=True, capture_output=True, timeout=60)
        for number, pem in enumerate(self._roots):
            path = home / f"root-{number}.pem"
            path.write_text(pem)
            argv = ["certutil", "-A", "-d", named, "-t", "C,,", "-n", f"root {number}", "-i", str(path)]
            subprocess.run(argv, check=True, capture_output=True, timeout=60)

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command, and its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            reply = self._next()
            if reply.get("id") == self._number:
                assert "error" not in reply, reply
                found: dict[str, Any] = reply["result"]
                return found

    def _next(self, seconds: float = 60.0) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while b"\0" not in self._received:
            ready, _, _ = select.select([self._read], [], [], max(0.0, end - time.monotonic()))
            assert ready, "the browser is silent"
            chunk = os.read(self._read, 65536)
            assert chunk, "the browser has ended"
            self._received += chunk
        message, _, rest = bytes(self._received).partition(b"\0")
        self._received = bytearray(rest)
        parsed: dict[str, Any] = json.loads(message)
        return parsed

    def open(self, url: str) -> None:
        """Go there."""
        self.ask("Page.navigate", url=url)

    def says(self, expression: str) -> str:
        """What a piece of JavaScript gives in the page; empty while a page is being exchanged."""
        with contextlib.suppress(AssertionError):
            return str(self.ask("Runtime.evaluate", expression=expression)["result"].get("value", ""))
        return ""

    def until(self, expression: str, words: str, seconds: float = 60.0) -> str:
        """Wait until it contains these words."""
        end = time.monotonic() + seconds
        found = ""
        while words not in found:
            assert time.monotonic() < end, f"{expression} is {found!r}, never with {words!r}"
            time.sleep(0.1)
            found = self.says(expression)
        return found

    def be_a_phone(self, width: int, *, dark: bool = False) -> None:
        """From now on it has a phone's screen: a window cannot be narrower than 500 CSS pixels, a screen can.

        Args:
            width: CSS pixels.
        """
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=740, deviceScaleFactor=2, mobile=True)
        scheme = "dark" if dark else "light"
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """What it shows; the whole page, or what fits the screen."""
        path.parent.mkdir(parents=True, exist_ok=True)
        size: dict[str, Any] = {}
        if whole:
            page = self.ask("Page.getLayoutMetrics")["cssContentSize"]
            size = {"captureBeyondViewport": True, "clip": {**page, "scale": 1}}
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", format="png", **size)["data"]))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)
        os.close(self._write)
        os.close(self._read)
        with contextlib.suppress(OSError):
            self._home.cleanup()
