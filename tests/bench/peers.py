"""The same of others in the same run: certbot, lego and Caddy, each where it is installed, towards a Pebble of its own.

That Pebble believes every challenge, so that no peer is kept waiting by a name server; certd's figures include one.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench.memory import resident
from tests.lab.others import client
from tests.lab.pebble import Pebble
from tests.lab.ports import free_port
from tests.lab.process import Process

RUNS = 3
SECONDS = 45


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """What one certificate costs a program that is started for it; ``missing`` says why nothing was measured."""

    name: str
    seconds: float = 0.0
    requests: float = 0.0
    memory: float = 0.0
    missing: str = ""


def peers(folder: Path) -> list[Peer]:
    """Each in turn, the median of a few runs."""
    measured = []
    for name, one in PEERS.items():
        if not client(name):
            measured.append(Peer(name=name, missing="not installed"))
            continue
        place = folder / name
        with Pebble(place / "pebble", dns="127.0.0.1:9", nonce_reject=0, reuse=0, always_valid=True) as pebble:
            runs, trouble = [], ""
            for number in range(RUNS):
                before, started = pebble.requests(), time.monotonic()
                try:
                    memory = one(pebble, place / str(number), f"l{number}.example.test")
                except (OSError, subprocess.SubprocessError, AssertionError) as error:
                    words = str(getattr(error, "stderr", None) or error).strip().splitlines() or [type(error).__name__]
                    trouble = f"failed: {words[-1][:80]}"
                    continue
                runs.append((time.monotonic() - started, pebble.requests() - before, memory))
        if not runs:
            measured.append(Peer(name=name, missing=trouble))
            continue
        runs.sort()
        seconds, requests, memory = runs[len(runs) // 2]
        measured.append(Peer(name=name, seconds=seconds, requests=requests, memory=memory))
    return measured


def against(measured: list[Peer], ours: float, figure: Callable[[Peer], float], unit: str) -> str:
    """``certbot 2.4 s (20x)``, for the table."""
    words = []
    for peer in measured:
        if peer.missing:
            words.append(f"{peer.name} {peer.missing}")
        elif figure(peer):
            words.append(f"{peer.name} {figure(peer):.3g} {unit} ({figure(peer) / ours:.1f}x)".replace("  ", " "))
    return ", ".join(words)


def run(argv: list[str], folder: Path, **environment: str) -> None:
    """To its end. Raises SubprocessError with what it said."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        argv,
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env={**os.environ, "HOME": str(folder), **environment},
    )


def certbot(pebble: Pebble, folder: Path, domain: str) -> float:
    """By dns-01, with a hook that does nothing."""
    places = [f"--{kind}-dir={folder}/{kind}" for kind in ("config", "work", "logs")]
    argv = [
        client("certbot"),
        "certonly",
        "-n",
        "--agree-tos",
        "--register-unsafely-without-email",
        "--manual",
        "--preferred-challenges",
        "dns",
        "--manual-auth-hook",
        "/bin/true",
        "--server",
        pebble.directory,
        "-d",
        domain,
        *places,
    ]
    run(argv, folder, REQUESTS_CA_BUNDLE=str(pebble.ca_file))
    return 0.0


def lego(pebble: Pebble, folder: Path, domain: str) -> float:
    """By http-01 on a port of its own."""
    argv = [
        client("lego"),
        "--accept-tos",
        "--email",
        "bench@example.test",
        "--server",
        pebble.directory,
        "--path",
        str(folder),
        "--domains",
        domain,
        "--http",
        "--http.port",
        f"127.0.0.1:{free_port()}",
        "run",
    ]
    run(argv, folder, LEGO_CA_CERTIFICATES=str(pebble.ca_file))
    return 0.0


def caddy(pebble: Pebble, folder: Path, domain: str) -> float:
    """As a server that starts with one site; its memory when the certificate is there."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Caddyfile").write_text(
        f"{{\n admin off\n storage file_system {folder}/data\n http_port {free_port()}\n https_port {free_port()}\n"
        f" acme_ca {pebble.directory}\n acme_ca_root {pebble.ca_file}\n email bench@example.test\n}}\n"
        f"{domain} {{\n respond 204\n}}\n"
    )
    argv = [client("caddy"), "run", "--config", str(folder / "Caddyfile")]
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with Process(argv, log=folder / "log", env=home) as server:
        server.wait_until(lambda: any(folder.glob("data/**/*.crt")), seconds=SECONDS, what="a certificate")
        return resident(server.pid)


PEERS: dict[str, Callable[[Pebble, Path, str], float]] = {"certbot": certbot, "lego": lego, "caddy": caddy}
