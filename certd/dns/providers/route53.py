"""Amazon Route 53: three calls of its REST API, signed by botocore with AWS's usual chain of credentials.

A name's TXT values are one record set there, read and written in whole. So each change deletes the set exactly as it
was read and creates the new one in the same batch: if somebody else changed it in between, Route 53 refuses the batch,
and it is read again. A neighbour's value is never lost.
"""

from __future__ import annotations

import importlib.util
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from certd.dns.names import display_name
from certd.dns.options import Option, Schema, Settings
from certd.dns.provider import VENDORS_GRACE, InitTable, ProviderKind
from certd.dns.providers.api import Sender, exchange, judge_url, parents, refused, with_query, words_of
from certd.errors import DnsRefused, DnsUnreachable, EgressFailed, Finding, NoZone
from certd.model import TxtRecord, ZoneRecord
from certd.system.amazon import Signer

API = "https://route53.amazonaws.com"
VERSION = "2013-04-01"
REGION = "us-east-1"
NAMESPACE = "https://route53.amazonaws.com/doc/2013-04-01/"
TTL = 60
TRIES = 5

ZONE_ID = re.compile(r"[A-Z0-9]{1,32}\Z")

# Errors of the account rather than of the request: they end by themselves.
BUSY = frozenset({"Throttling", "ThrottlingException", "PriorRequestNotComplete", "RequestLimitExceeded"})
CREDENTIALS = frozenset(
    {"AccessDenied", "InvalidClientTokenId", "SignatureDoesNotMatch", "MissingAuthenticationToken", "ExpiredToken"}
)


def _judge(settings: Settings, path: str) -> list[Finding]:
    if importlib.util.find_spec("botocore") is None:
        return [Finding(path=path, message='"route53" needs an extra package', hint="pip install 'certd[route53]'")]
    return []


SCHEMA = Schema(
    options=(
        Option(name="profile", kind="text", help="a profile of ~/.aws; default: AWS's usual chain of credentials"),
        Option(name="zone_id", kind="text", help="the hosted zone, where several public ones have the same name"),
        Option(name="api", kind="text", help="the API's base URL, where it is not Amazon's own", judge=judge_url),
    ),
    judge=_judge,
)


@dataclass(frozen=True, slots=True)
class RecordSet:
    """The TXT values at a name, as Route 53 writes them (quoted), with their time to live in seconds."""

    values: tuple[str, ...]
    ttl: int


class Route53:
    """A ``DnsProvider`` over Route 53."""

    def __init__(
        self, name: str, *, sender: Callable[[], Sender], signer: Signer, zone_id: str = "", api: str = API
    ) -> None:
        self._name = name
        self._sender = sender
        self._signer = signer
        self._zone_id = zone_id
        self._api = api.rstrip("/")

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._name

    def zone_of(self, name: str) -> str:
        """The public hosted zone of a name. Raises DnsRefused naming it where there is none."""
        return self._zone(name)[1]

    def wanted(self, name: str) -> Sequence[ZoneRecord]:
        """Unknown: any hosted zone of the account would do."""
        return ()

    def add(self, *records: TxtRecord) -> None:
        """Create each record set with its values more; one that is there already stays as it is."""
        for name in dict.fromkeys(record.name for record in records):
            self._change(name, _with([f'"{record.value}"' for record in records if record.name == name]))

    def remove(self, record: TxtRecord) -> None:
        """Create the record set without this value, or none where it was the last."""
        value = f'"{record.value}"'
        self._change(record.name, lambda values: tuple(each for each in values if each != value))

    # ------------------------------------------------------------------------------------ calls

    def _who(self, name: str) -> str:
        return f"{name}: dns.{self._name}"

    def _change(self, name: str, change: Callable[[tuple[str, ...]], tuple[str, ...]]) -> None:
        zone, _ = self._zone(name)
        words = ""
        for _ in range(TRIES):
            before = self._read(zone, name)
            after = change(before.values)
            if after == before.values:
                return
            body = _batch(name, before, after)
            code, words = self._call("POST", f"/hostedzone/{zone}/rrset/", name, body.encode())[1:]
            if not code:
                return
            if code != "InvalidChangeBatch":
                raise refused(self._who(name), f"Route 53 does not take the change: {words} ({code})")
        raise DnsUnreachable(f"{self._who(name)}: somebody else changes the record set all the time: {words}")

    def _read(self, zone: str, name: str) -> RecordSet:
        path = with_query(f"/hostedzone/{zone}/rrset", name=name, type="TXT", maxitems="1")
        tree, code, words = self._call("GET", path, name)
        if tree is None:
            raise refused(self._who(name), f"Route 53 does not list its records: {words} ({code})")
        for entry in tree.iter(_tag("ResourceRecordSet")):
            if _text(entry, "Name").rstrip(".").lower() != name or _text(entry, "Type") != "TXT":
                continue
            if _text(entry, "SetIdentifier"):
                raise refused(
                    self._who(name),
                    "the TXT records have a routing policy, which certd does not change",
                    hint="make it a simple record set, or delegate the name by CNAME to one",
                )
            values = tuple(value.text or "" for value in entry.iter(_tag("Value")))
            return RecordSet(values=values, ttl=int(_text(entry, "TTL") or TTL))
        return RecordSet(values=(), ttl=TTL)

    def _zone(self, name: str) -> tuple[str, str]:
        """Id and name."""
        for candidate in parents(name):
            path = with_query("/hostedzonesbyname", dnsname=candidate, maxitems="20")
            tree, code, words = self._call("GET", path, name)
            if tree is None:
                raise refused(self._who(name), f"Route 53 does not list hosted zones: {words} ({code})")
            found = [
                _text(entry, "Id").rpartition("/")[2]
                for entry in tree.iter(_tag("HostedZone"))
                if _text(entry, "Name").rstrip(".").lower() == candidate and _private(entry) != "true"
            ]
            found = [each for each in found if ZONE_ID.match(each) and self._zone_id in {"", each}]
            if len(found) > 1:
                raise refused(
                    self._who(name),
                    f"there are {len(found)} public hosted zones {candidate}: {', '.join(found)}",
                    hint=f"say which in dns.{self._name}.zone_id",
                )
            if found:
                return found[0], candidate
        raise NoZone(
            f"{self._who(name)}: no public hosted zone of this AWS account holds it",
            hint="are these the credentials of the account that has the zone?",
        )

    def _call(self, method: str, path: str, name: str, body: bytes = b"") -> tuple[ET.Element | None, str, str]:
        """The answer, or None with the error's code and words."""
        who = self._who(name)
        url = f"{self._api}/{VERSION}{path}"
        try:
            headers = self._signer.signed(method, url, body, {"Content-Type": "text/xml"})
        except EgressFailed as error:
            raise DnsRefused(f"{who}: {error}", hint=error.hint) from error
        response = exchange(self._sender(), method, url, who=who, body=body or None, headers=headers)
        try:
            # No document type: nothing can be expanded.
            tree = ET.fromstring(response.body) if b"<!" not in response.body else None  # noqa: S314
        except ET.ParseError:
            tree = None
        if tree is None:
            words = f"{response.status} with something else: {words_of(response, url)}"
            raise DnsUnreachable(f"{who}: Route 53 answers {words}")
        if response.status < 300:
            return tree, "", ""
        code = _last(tree, "Code") or tree.tag.rpartition("}")[2]
        words = display_name(_last(tree, "Message"), 300)
        if code in BUSY:
            raise DnsUnreachable(f"{who}: Route 53 is too busy: {words} ({code})")
        if response.status == 403 or code in CREDENTIALS:
            self._signer.forget()
            raise refused(
                who,
                f"Route 53 refuses the AWS credentials: {words} ({code})",
                hint="they need route53:ListHostedZonesByName, ListResourceRecordSets and ChangeResourceRecordSets",
            )
        return None, code, words


def _tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def _text(entry: ET.Element, name: str) -> str:
    return entry.findtext(_tag(name)) or ""


def _private(entry: ET.Element) -> str:
    return entry.findtext(f"{_tag('Config')}/{_tag('PrivateZone')}") or "false"


def _last(tree: ET.Element, name: str) -> str:
    """Errors come with and without a namespace."""
    found = [entry.text or "" for entry in tree.iter() if entry.tag.rpartition("}")[2] == name]
    return found[-1] if found else ""


def _batch(name: str, before: RecordSet, after: tuple[str, ...]) -> str:
    changes = [
        _one("DELETE", name, before.values, before.ttl) if before.values else "",
        _one("CREATE", name, after, before.ttl) if after else "",
    ]
    return (
        f'<ChangeResourceRecordSetsRequest xmlns="{NAMESPACE}"><ChangeBatch><Changes>{"".join(changes)}'
        "</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>"
    )


def _one(action: str, name: str, values: tuple[str, ...], ttl: int) -> str:
    records = "".join(f"<ResourceRecord><Value>{escape(value)}</Value></ResourceRecord>" for value in values)
    return (
        f"<Change><Action>{action}</Action><ResourceRecordSet><Name>{escape(name)}.</Name><Type>TXT</Type>"
        f"<TTL>{ttl}</TTL><ResourceRecords>{records}</ResourceRecords></ResourceRecordSet></Change>"
    )


def _with(values: Sequence[str]) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    """The change that adds these values."""
    return lambda there: (*there, *(each for each in values if each not in there))


def build(name: str, settings: Settings, sender: Callable[[], Sender]) -> Route53:
    """From a checked table of the configuration."""
    signer = Signer("route53", REGION, settings.text("profile"))
    return Route53(name, sender=sender, signer=signer, zone_id=settings.text("zone_id"), api=settings.text("api", API))


INIT_TABLE = """\
[dns.route53]
provider = "route53"
# credentials: AWS's usual chain, or profile = "..." (the extra certd[route53])
"""

KIND = ProviderKind(
    schema=SCHEMA,
    build=lambda name, settings, around: build(name, settings, around.sender),
    init=InitTable(write=lambda _: INIT_TABLE),
    anycast_grace=VENDORS_GRACE,
)
