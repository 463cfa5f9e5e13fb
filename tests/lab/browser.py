"""A headless Chromium with a profile of its own, that talks to nobody but the address it is given."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--no-proxy-server",
    "--disable-dev-shm-usage",
    "--enable-logging=stderr",
    "--v=0",
]


def chromium() -> str | None:
    """The program."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def screenshot(url: str, path: Path, *, width: int = 1200, height: int = 1400, dark: bool = False) -> str:
    """Draw a page into a PNG file; returns what the browser complained of on its console."""
    theme = ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if dark else []
    done = _run([*theme, f"--window-size={width},{height}", f"--screenshot={path}", url])
    assert path.exists(), done.stderr
    return _console(done.stderr)


def document(url: str) -> tuple[str, str]:
    """The page's document after the browser has read it, and what it complained of on its console."""
    done = _run(["--dump-dom", url])
    return done.stdout, _console(done.stderr)


def _run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    program = chromium()
    assert program is not None
    with tempfile.TemporaryDirectory(prefix="certd-chromium-") as profile:
        return subprocess.run(
            [program, *FLAGS, f"--user-data-dir={profile}", *arguments],
            capture_output=True,
            text=True,
            timeout=100,
            env={"HOME": profile, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        )


def _console(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if "CONSOLE" in line)
