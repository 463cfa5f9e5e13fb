"""The options of ``rfc2136``: dynamic updates signed by TSIG."""

from __future__ import annotations

import importlib
import json

from certd.dns.addresses import host_and_port
from certd.dns.names import is_plain
from certd.dns.options import Option, Schema
from certd.dns.provider import DnsAnswers, InitTable, ProviderKind, SecretQuestion, ServerQuestion, built_by
from certd.errors import DnsRefused
from certd.model import Secret


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

EXAMPLE = "192.0.2.53"
KEY_FILE = "tsig.key"


def _init_table(answers: DnsAnswers) -> str:
    return f"""\
[dns.corp]
provider = "rfc2136"
server = {json.dumps(answers.server or EXAMPLE)} # the primary name server of the zone; :port where it is not 53
tsig = "file:{KEY_FILE}" # a key that may change these TXT records, as `tsig-keygen` prints it; mode 0600
"""


def _judge_key(text: str) -> str:
    """Looks at the key by the module that uses it, which is imported when somebody gives one."""
    tsig = importlib.import_module("certd.dns.tsig")
    try:
        tsig.tsig_key(Secret(text), "the TSIG key")
    except DnsRefused as error:
        return f"{error} ({error.hint})" if error.hint else str(error)
    return ""


def _records(answers: DnsAnswers) -> tuple[str, ...]:
    names = ", ".join(f"_acme-challenge.{name}" for name in answers.names)
    return (f"No record is set by hand: the name server must let the TSIG key change TXT records at {names}.",)


KIND = ProviderKind(
    schema=SCHEMA,
    build=built_by("certd.dns.dynamic_update"),
    init=InitTable(
        write=_init_table,
        records=_records,
        server=ServerQuestion(words="The primary name server that takes updates", judge=_judge_server),
        secret=SecretQuestion(words="The TSIG key, as name:algorithm:secret", file=KEY_FILE, judge=_judge_key),
    ),
)
