"""The responder as a plain TXT server for tests that need nothing of the DNS but an answer."""

from __future__ import annotations

from certd.dns.responder.provider import Responder
from certd.dns.responder.snapshot import ServedZone
from certd.model import TxtRecord
from tests.lab.ports import free_port


class TxtServer:
    """Answers for a zone and everything below it."""

    def __init__(self, apex: str = "example.test", host: str = "127.0.0.1") -> None:
        self.port = free_port()
        self._apex = apex
        server = f"ns1.{apex}"
        zone = ServedZone(apex=apex, nameservers=(server,), addresses={server: ("192.0.2.53",)}, contact="")
        self._responder = Responder("lab", zones=[zone], listen=[f"{host}:{self.port}"])
        self._responder.start()

    def add(self, name: str, value: str) -> None:
        """Show a value."""
        self._responder.add(TxtRecord(zone=self._apex, name=name, value=value))

    def remove(self, name: str, value: str) -> None:
        """Show it no more."""
        self._responder.remove(TxtRecord(zone=self._apex, name=name, value=value))

    def close(self) -> None:
        """Stop listening."""
        self._responder.close()
