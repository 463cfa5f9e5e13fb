"""What the service manager is told, by the protocol of sd_notify(3)."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from datetime import timedelta

# A service manager that does not read is not waited for: the main thread has signals and workers to watch.
PATIENCE = 0.5


def notify(environment: Mapping[str, str], **state: str) -> bool:
    """Send ``READY=1``, ``STATUS=...`` and the like; False where no service manager listens.

    Line breaks in a value are folded: each line of the message is an assignment of its own.
    """
    address = environment.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    message = "\n".join(f"{name}={' '.join(value.splitlines())}" for name, value in state.items())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.settimeout(PATIENCE)
        try:
            sender.sendto(message.encode(errors="replace"), address)
        except OSError:
            return False
    return True


def notify_reloading(environment: Mapping[str, str]) -> bool:
    """``RELOADING=1`` with the monotonic time that ``Type=notify-reload`` wants."""
    return notify(environment, RELOADING="1", MONOTONIC_USEC=str(time.monotonic_ns() // 1000))


def watchdog_interval(environment: Mapping[str, str]) -> timedelta | None:
    """How often the watchdog must be fed, half of ``WATCHDOG_USEC``; None where there is none."""
    text = environment.get("WATCHDOG_USEC", "")
    owner = environment.get("WATCHDOG_PID", "")
    if not (text.isascii() and text.isdigit()) or (owner and owner != str(os.getpid())):
        return None
    return timedelta(microseconds=int(text)) / 2 or None


def boot_id() -> str:
    """This boot's id, part of a lease owner's name; empty where the kernel tells none."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
