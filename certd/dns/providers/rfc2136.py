"""The options of ``rfc2136``: dynamic updates signed by TSIG."""

from __future__ import annotations

from certd.dns.addresses import host_and_port
from certd.dns.names import is_plain
from certd.dns.options import Option, Schema
from certd.dns.provider import DnsAnswers, InitTable, ProviderKind, built_by


def _judge_server(text: str) -> str:
    try:
        host_and_port(text, 53)
    except ValueError as error:
        return str(error)
    return ""


def _judge_zone(text: str) -> str:
    return "" if is_plain(text.lower().rstrip(".")) else f'"{text}" is not a domain name'


SCHEMA = Schema(
    options=(
        Option(
            name="server",
            kind="text",
            required=True,
            help="the primary name server that takes updates: a name or an address, with a port where it is not 53",
            judge=_judge_server,
        ),
        Option(
            name="tsig",
            kind="secret",
            required=True,
            help='a TSIG key as "tsig-keygen" prints it, or name:algorithm:secret, such as file:/etc/certd/tsig.key',
        ),
        Option(
            name="zone",
            kind="text",
            help="the zone to update, where the server does not answer SOA queries",
            judge=_judge_zone,
        ),
        Option(name="ttl", kind="number", help="seconds for which resolvers may keep the value, 60 by default"),
    )
)

INIT_TABLE = """\
[dns.corp]
provider = "rfc2136"
server = "192.0.2.53" # the primary name server of the zone; :port where it is not 53
tsig = "file:tsig.key" # a key that may change these TXT records, as `tsig-keygen` prints it; mode 0600
"""


def _records(answers: DnsAnswers) -> tuple[str, ...]:
    names = ", ".join(f"_acme-challenge.{name}" for name in answers.names)
    return (f"No record is set by hand: the name server must let the TSIG key change TXT records at {names}.",)


KIND = ProviderKind(
    schema=SCHEMA,
    build=built_by("certd.dns.dynamic_update"),
    init=InitTable(write=lambda _: INIT_TABLE, records=_records),
)
