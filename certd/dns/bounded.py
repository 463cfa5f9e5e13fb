"""A deadline from outside for calls that know none, such as ``getaddrinfo``."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable
from typing import TypeVar

from certd.errors import DnsUnreachable

T = TypeVar("T")


class TimeIsUp(OSError):
    """The call had not come back by its deadline; its thread is left behind and ends when the call does."""


def within(seconds: float, call: Callable[[], T]) -> T:
    """Run a call in a thread of its own and wait no longer than this.

    Raises:
        TimeIsUp: it did not come back. OSError and ValueError are the call's own.
    """
    results: queue.SimpleQueue[tuple[T] | OSError | ValueError] = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put((call(),))
        except (OSError, ValueError) as error:
            results.put(error)

    threading.Thread(target=run, name="bounded call", daemon=True).start()
    try:
        result = results.get(timeout=max(seconds, 0.001))
    except queue.Empty:
        raise TimeIsUp(f"no result within {seconds:g} s") from None
    if isinstance(result, tuple):
        return result[0]
    raise result


def addresses_of(host: str, seconds: float) -> tuple[str, ...]:
    """The addresses of a host as the operating system resolves it now, in its order of preference.

    Raises:
        DnsUnreachable: it has none, or the system does not say so in time.
    """
    try:
        found = within(seconds, lambda: socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
    except TimeIsUp as error:
        raise DnsUnreachable(f"{host}: its address was not found within {seconds:g} s") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DnsUnreachable(f"{host}: its address cannot be found ({reason})") from error
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
