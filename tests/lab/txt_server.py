"""The responder as a plain TXT server for tests that need nothing of the DNS but an answer."""

from __future__ import annotations

from certd.dns.providers.responder import Responder
from certd.dns.responder.snapshot import ServedZone
from certd.ports import TxtRecord
from tests.lab.ports import free_port


class TxtServer:
    """Answers for ``example.test`` and everything below it."""

    def __init__(self) -> None:
        self.port = free_port()
        zone = ServedZone(
            apex="example.test", nameservers=("ns1.example.test",), addresses={"ns1.example.test": ("192.0.2.53",)},
            contact="",
        )  # fmt: skip
        self._responder = Responder("lab", zones=[zone], listen=[f"127.0.0.1:{self.port}"])
        self._responder.start()

    def add(self, name: str, value: str) -> None:
        """Show a value."""
        self._responder.add(TxtRecord(zone="example.test", name=name, value=value))

    def close(self) -> None:
        """Stop listening."""
        self._responder.close()
