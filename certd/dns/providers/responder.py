"""The options of ``responder``: certd as the authoritative server."""

from __future__ import annotations

from certd.dns.addresses import is_address
from certd.dns.names import is_below, is_plain, plain
from certd.dns.options import Option, Schema, Settings
from certd.dns.provider import DnsAnswers, InitTable, ProviderKind, built_by
from certd.dns.responder.sockets import wrong_with
from certd.errors import Finding


def _judge_name(text: str) -> str:
    return "" if is_plain(plain(text)) else f'"{text}" is not a domain name'


def _judge_address(text: str) -> str:
    return "" if is_address(text) else f'"{text}" is not an IP address'


def _judge_contact(text: str) -> str:
    local, at, domain = text.partition("@")
    return (
        "" if at and 0 < len(local) < 64 and local.isascii() and not _judge_name(domain) else f'"{text}" is no address'
    )


def _judge_together(settings: Settings, path: str) -> list[Finding]:
    """A name server inside its own zone needs an address, or nobody finds it."""
    findings: list[Finding] = []
    addresses = {plain(name): found for name, found in settings.table("addresses").items()}
    for host, found in addresses.items():
        wrong = _judge_name(host) or next((bad for bad in map(_judge_address, found) if bad), "")
        if wrong:
            findings.append(Finding(path=f"{path}.options.addresses", message=wrong))
    zones = [plain(zone) for zone in settings.texts("zones")]
    for server in map(plain, settings.texts("ns")):
        if server not in addresses and any(is_below(server, zone) for zone in zones):
            hint = f'addresses = {{ "{server}" = ["192.0.2.10"] }}, the same as the glue in the parent zone'
            findings.append(
                Finding(path=f"{path}.options.ns", message=f"{server} lies inside a zone of its own", hint=hint)
            )
    return findings


SCHEMA = Schema(
    options=(
        Option(
            name="listen",
            kind="texts",
            required=True,
            help='concrete addresses, like ["192.0.2.10:53", "[2001:db8::10]:53"]',
            judge=wrong_with,
        ),
        Option(
            name="zones",
            kind="texts",
            required=True,
            help='the zones delegated to certd, like ["acme.example.com"] or ["_acme-challenge.link.example.com"]',
            judge=_judge_name,
        ),
        Option(
            name="ns",
            kind="texts",
            help="the zones' name servers, equal to the delegation in the parent; found there when left out",
            judge=_judge_name,
        ),
        Option(
            name="addresses",
            kind="table",
            help="addresses of name servers that lie inside a zone of their own, equal to the parent's glue",
        ),
        Option(name="contact", kind="text", help="a mail address, for the SOA record", judge=_judge_contact),
        Option(
            name="public",
            kind="texts",
            help="our addresses as the world sees them, where they cannot be reached from inside (hairpin)",
            judge=_judge_address,
        ),
    ),
    judge=_judge_together,
)


def _init_table(answers: DnsAnswers) -> str:
    zone, address = answers.zone, answers.address
    host = f"[{address}]" if ":" in address else address
    return f"""\
# certd answers itself, for {zone}: set the records that `certd init` printed, once.
[dns.own]
provider = "responder"
listen = ["{host}:53"] # concrete addresses of this machine
zones = ["{zone}"]
ns = ["ns1.{zone}"]
addresses = {{ "ns1.{zone}" = ["{address}"] }} # the public one, where that is another
"""


def _records(answers: DnsAnswers) -> tuple[str, ...]:
    zone, address = answers.zone, answers.address
    lines = [f"    {zone}.  NS  ns1.{zone}.", f"    ns1.{zone}.  {'AAAA' if ':' in address else 'A'}  {address}"]
    lines += [f"    _acme-challenge.{name}.  CNAME  {name}.{zone}." for name in answers.names]
    return (
        "Set these records once, at your present DNS. They hand over the names where the CA looks for its proof, "
        "and no other:\n" + "\n".join(lines),
        f"UDP and TCP port 53 of {address} must be open to the world. Where that is a private address, put "
        "the public one into the A record and into addresses.",
    )


KIND = ProviderKind(
    schema=SCHEMA,
    build=built_by("certd.dns.responder.provider"),
    init=InitTable(write=_init_table, records=_records, serves_zone=True, needs_records=True),
)
