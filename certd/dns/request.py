"""The request to send to whoever runs the DNS: as prose, as zone-file lines, as Terraform."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from certd.dns.names import is_below, pointer, validation_name
from certd.dns.persist import LABEL as PERSIST_LABEL
from certd.dns.persist import PersistRecord
from certd.model import ZoneRecord
from certd.ports import DnsProvider

TTL = 300
MOST_IN_STRING = 255

# Which Terraform resources a zone's own team is likely to have, by the names of its servers.
_TERRAFORM_BY_SERVER = {"awsdns": "aws", "cloudflare.com": "cloudflare", "googledomains.com": "google"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegationRequest:
    """What another team is asked for.

    Attributes:
        names: The validation names.
        records: What they make, once; empty where certd cannot know it.
        dns: The ``[dns.NAME]`` table that will publish there; empty where nothing need be published, because the
            records are the proof themselves (dns-persist-01).
    """

    names: tuple[str, ...]
    records: tuple[ZoneRecord, ...]
    dns: str

    def prose(self) -> str:
        """For a ticket or a mail."""
        links = ", ".join(name.partition(".")[2] for name in self.names)
        if not self.records:
            return (
                f"We need to pass a DNS validation (ACME dns-01) for {links}.\n"
                f"We need to add and remove TXT records at {', '.join(self.names)}, and at no other name: either give\n"
                "us the right to change TXT records there, or delegate these names to a zone of ours.\n"
            )
        lines = "\n".join(f"  {record.name}  {record.kind}  {record.value}" for record in self.records)
        if not self.dns:
            return (
                f"Please add the following DNS records, so that certificates for {links} can be obtained and\n"
                "renewed automatically. Each lets one certificate authority issue to our account there, and to no\n"
                "other account. No mail, no web traffic and no other name is affected. They are needed for good,\n"
                "because every renewal is validated by them.\n\n"
                f"{lines}\n\n"
                "Please enter each value as it is: in lower case, without a semicolon at its end. Remove the records\n"
                "to withdraw the right.\n"
            )
        return (
            f"Please add the following DNS records, so that certificates for {links} can be obtained and\n"
            "renewed automatically. They hand over the names under which certificate authorities look for a proof,\n"
            "and nothing else: no mail, no web traffic and no other name is affected. They are needed for good,\n"
            "because every renewal is validated through them.\n\n"
            f"{lines}\n\n"
            "Please see that no other record stands at these names (a CNAME must be alone), and leave the records as\n"
            "they are; a proxying or flattening option, where there is one, must be off.\n"
        )

    def zone_lines(self) -> str:
        """Master file form (RFC 1035 section 5.1), names absolute."""
        return "".join(f"{_absolute(r.name)} {TTL} IN {r.kind} {_data(r)}\n" for r in self.records)

    def terraform(self, vendor: str = "dns") -> str:
        """Resources of a vendor: aws, cloudflare, google, or dns (dynamic updates)."""
        write = TERRAFORM[vendor]
        sets: dict[tuple[str, str], list[str]] = {}
        for record in self.records:
            sets.setdefault((record.name, record.kind), []).append(record.value)
        return "\n".join(write(name, kind, values, self._zone_of(name)) for (name, kind), values in sets.items())

    def _zone_of(self, name: str) -> str:
        """The zone in which a record is asked for, as far as names tell. Glue stands where the delegation stands: in
        the zone above, not in the one that is delegated (RFC 1034 section 4.2.1).
        """
        cuts = [record.name for record in self.records if record.kind == "NS" and is_below(name, record.name)]
        return (min(cuts, key=len) if cuts else name).partition(".")[2]


def request_for(provider: DnsProvider, domains: Sequence[str], zone: str = "") -> DelegationRequest:
    """What must be asked for so that a provider can publish for these names.

    Args:
        zone: A zone that the provider can publish in; needed where the provider does not know one itself.
    """
    names = tuple(dict.fromkeys(map(validation_name, domains)))
    records: dict[ZoneRecord, None] = {}
    for name in names:
        wanted = [pointer(name, zone)] if zone else provider.wanted(name)
        records |= dict.fromkeys(wanted)
    return DelegationRequest(names=names, records=tuple(records), dns=provider.name)


def persist_request(domains: Sequence[str], accounts: Sequence[tuple[str, str]]) -> DelegationRequest:
    """What must be asked for so that CAs validate these names by a record that stays (dns-persist-01).

    Args:
        accounts: By CA: how it wants to be called, and the URL of our account there.
    """
    bases = tuple(dict.fromkeys(domain.removeprefix("*.") for domain in domains))
    records = tuple(
        ZoneRecord(
            name=PERSIST_LABEL + base,
            kind="TXT",
            value=str(PersistRecord(issuer=issuer, account=account, is_wildcard=f"*.{base}" in domains)),
        )
        for base in bases
        for issuer, account in accounts
    )
    return DelegationRequest(names=tuple(PERSIST_LABEL + base for base in bases), records=records, dns="")


def terraform_vendor(servers: Sequence[str]) -> str:
    """The vendor that a zone's name servers belong to."""
    for word, vendor in _TERRAFORM_BY_SERVER.items():
        if any(word in server for server in servers):
            return vendor
    return "dns"


def _absolute(name: str) -> str:
    return name + "."


def _data(record: ZoneRecord) -> str:
    if record.kind == "TXT":
        return " ".join(f'"{part}"' for part in _strings(record.value))
    return _absolute(record.value) if record.kind in {"CNAME", "NS"} else record.value


def _strings(value: str) -> list[str]:
    """A TXT value as strings of at most 255 octets (RFC 1035 section 3.3.14)."""
    return [value[at : at + MOST_IN_STRING] for at in range(0, len(value), MOST_IN_STRING)]


def _label(name: str, kind: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", f"{name}_{kind}".lower()).strip("_")


def _quoted(values: Sequence[str], dot: bool) -> str:
    return "[" + ", ".join(f'"{value}{"." if dot else ""}"' for value in values) + "]"


def _in_quotes(kind: str, values: Sequence[str]) -> Sequence[str]:
    """Where a resource takes TXT data in master file form: with spaces in it, it needs quotes of its own."""
    return [f'\\"{value}\\"' for value in values] if kind == "TXT" else values


def _aws(name: str, kind: str, values: Sequence[str], zone: str) -> str:
    return (
        f'resource "aws_route53_record" "{_label(name, kind)}" {{\n'
        f"  zone_id = data.aws_route53_zone.this.zone_id # the zone that holds {zone}\n"
        f'  name    = "{name}"\n  type    = "{kind}"\n  ttl     = {TTL}\n  records = {_quoted(values, False)}\n}}\n'
    )


def _cloudflare(name: str, kind: str, values: Sequence[str], zone: str) -> str:
    return "\n".join(
        f'resource "cloudflare_dns_record" "{_label(name, kind)}{"" if len(values) == 1 else f"_{number}"}" {{\n'
        f"  zone_id = var.zone_id # the zone that holds {zone}\n"
        f'  name    = "{name}"\n  type    = "{kind}"\n  ttl     = {TTL}\n  content = "{value}"\n  proxied = false\n}}\n'
        for number, value in enumerate(values, start=1)
    )


def _google(name: str, kind: str, values: Sequence[str], zone: str) -> str:
    return (
        f'resource "google_dns_record_set" "{_label(name, kind)}" {{\n'
        f"  managed_zone = var.managed_zone # the zone that holds {zone}\n"
        f'  name         = "{name}."\n  type         = "{kind}"\n  ttl          = {TTL}\n'
        f"  rrdatas      = {_quoted(_in_quotes(kind, values), kind in {'CNAME', 'NS'})}\n}}\n"
    )


def _updates(name: str, kind: str, values: Sequence[str], zone: str) -> str:
    first = name.removesuffix(f".{zone}")
    place = (
        f'  zone = "{zone}." # or a zone above it that holds it; then name is what stands before it\n'
        f'  name = "{first}"\n'
    )
    label = _label(name, kind)
    match kind:
        case "CNAME":
            return f'resource "dns_cname_record" "{label}" {{\n{place}  cname = "{values[0]}."\n  ttl   = {TTL}\n}}\n'
        case "NS":
            servers = _quoted(values, True)
            return f'resource "dns_ns_record_set" "{label}" {{\n{place}  nameservers = {servers}\n  ttl = {TTL}\n}}\n'
        case "TXT":
            texts = _quoted(values, False)
            return f'resource "dns_txt_record_set" "{label}" {{\n{place}  txt = {texts}\n  ttl = {TTL}\n}}\n'
        case _:
            which = "dns_aaaa_record_set" if kind == "AAAA" else "dns_a_record_set"
            addresses = _quoted(values, False)
            return f'resource "{which}" "{label}" {{\n{place}  addresses = {addresses}\n  ttl = {TTL}\n}}\n'


TERRAFORM: Mapping[str, Callable[[str, str, Sequence[str], str], str]] = {
    "aws": _aws,
    "cloudflare": _cloudflare,
    "google": _google,
    "dns": _updates,
}
