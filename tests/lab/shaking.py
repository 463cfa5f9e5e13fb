"""Clients that do nothing but full, verified handshakes, in a process of their own.

Usage: ``python -m tests.lab.shaking PORT DOMAIN ROOTS SECONDS_OR_0``; ends on SIGTERM and prints what it saw.
"""

from __future__ import annotations

import json
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
THREADS = 3


@dataclass(frozen=True, slots=True)
class Seen:
    """What one process of clients saw.

    Attributes:
        serials: Handshakes by the certificate's serial number.
        lost: Handshakes that failed.
        failures: The first of them, in words.
    """

    seconds: float
    serials: dict[str, int]
    lost: int
    failures: list[str]

    @property
    def handshakes(self) -> int:
        """How many went well."""
        return sum(self.serials.values())


class Load:
    """Processes of clients, from entering to leaving."""

    def __init__(self, port: int, domain: str, roots: Path, *, processes: int) -> None:
        self._argv = [sys.executable, "-m", "tests.lab.shaking", str(port), domain, str(roots)]
        self._processes = processes
        self._running: list[subprocess.Popen[str]] = []
        self.seen: list[Seen] = []

    def __enter__(self) -> Load:
        for _ in range(self._processes):
            self._running.append(subprocess.Popen(self._argv, stdout=subprocess.PIPE, text=True, cwd=ROOT))
        for process in self._running:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running:
            process.send_signal(signal.SIGTERM)
        for process in self._running:
            said = process.communicate(timeout=60)[0]
            self.seen.append(Seen(**json.loads(said)))


def main(port: int, domain: str, roots: str) -> None:
    """Shake hands until told to end."""
    context = ssl.create_default_context(cafile=roots)
    over = threading.Event()
    serials: Counter[str] = Counter()
    failures: list[str] = []
    lock = threading.Lock()
    signal.signal(signal.SIGTERM, lambda number, frame: over.set())

    def run() -> None:
        while not over.is_set():
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
                    # No TIME_WAIT: the ports of one address would be used up within the minute.
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    with context.wrap_socket(connection, server_hostname=domain) as tls:
                        serial = str((tls.getpeercert() or {})["serialNumber"])
            except OSError as error:
                with lock:
                    failures.append(f"{time.time():.3f} {error!r}")
                continue
            with lock:
                serials[serial] += 1

    started = time.monotonic()
    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    print("ready", flush=True)
    for thread in threads:
        thread.join()
    print(
        json.dumps(
            {
                "seconds": time.monotonic() - started,
                "serials": serials,
                "lost": len(failures),
                "failures": failures[:20],
            }
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
