"""A DNS provider that certd does not know, as whoever adds it writes it: tests plant this file among certd's."""

from __future__ import annotations

from collections.abc import Callable

from certd.dns.options import Option, Schema
from certd.dns.provider import VENDORS_GRACE, InitTable, ProviderKind
from certd.model import Secret, TxtRecord, ZoneRecord

SCHEMA = Schema(options=(Option(name="token", kind="secret", required=True, help="an API token"),))

INIT_TABLE = """\
[dns.desec]
provider = "desec"
token = "file:desec.token" # an API token that may edit the zone
"""


class Desec:
    """A ``DnsProvider`` that publishes nothing."""

    def __init__(self, name: str, token: Callable[[], Secret]) -> None:
        self.name = name
        self.token = token

    def zone_of(self, name: str) -> str:
        """The name's parent."""
        return name.partition(".")[2]

    def wanted(self, name: str) -> tuple[ZoneRecord, ...]:
        """No record by hand."""
        return ()

    def add(self, *records: TxtRecord) -> None:
        """Nothing."""

    def remove(self, record: TxtRecord) -> None:
        """Nothing."""


KIND = ProviderKind(
    schema=SCHEMA,
    build=lambda name, settings, around: Desec(name, lambda: around.secrets(settings.text("token"))),
    init=InitTable(write=lambda _: INIT_TABLE),
    anycast_grace=VENDORS_GRACE,
)
