"""Cloudflare's API (v4): three calls. Records are added and deleted one by one, so neighbours are never touched."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from certd.dns.names import display_name
from certd.dns.options import Option, Schema, Settings
from certd.dns.provider import VENDORS_GRACE, InitTable, ProviderKind, SecretQuestion
from certd.dns.providers.api import Sender, exchange, judge_url, parents, parsed_object, refused, with_query
from certd.errors import DnsRefused, NoZone
from certd.model import Secret, TxtRecord, ZoneRecord

API = "https://api.cloudflare.com/client/v4"

# "An identical record already exists." It is ours, from an attempt before.
IDENTICAL = 81058
# "Record does not exist."
GONE = 81044
# The codes of a token that is wrong, or lacks a right.
AUTHENTICATION = frozenset({1000, 1001, 6003, 6111, 9103, 9106, 9109, 10000, 10001})

TTL = 60
MOST_RECORDS = "100"

SCHEMA = Schema(
    options=(
        Option(
            name="token",
            kind="secret",
            required=True,
            help="an API token with the rights Zone:Read and DNS:Edit of the zone, such as file:/etc/certd/cloudflare",
        ),
        Option(name="api", kind="text", help="the API's base URL, where it is not Cloudflare's own", judge=judge_url),
    )
)


class Cloudflare:
    """A ``DnsProvider`` over Cloudflare's API.

    Args:
        token: Read at each call, so that a rotated one is followed without a restart.
    """

    def __init__(self, name: str, *, sender: Callable[[], Sender], token: Callable[[], Secret], api: str = API) -> None:
        self._name = name
        self._sender = sender
        self._token = token
        self._api = api.rstrip("/")

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._name

    def zone_of(self, name: str) -> str:
        """The zone that Cloudflare holds for a name. Raises DnsRefused naming it where there is none."""
        return self._zone(name)[1]

    def wanted(self, name: str) -> Sequence[ZoneRecord]:
        """Unknown: any zone of the account would do."""
        return ()

    def add(self, *records: TxtRecord) -> None:
        """Add one value; one that is there already is ours."""
        for record in records:
            zone, _ = self._zone(record.name)
            body = {"type": "TXT", "name": record.name, "content": f'"{record.value}"', "ttl": TTL}
            code, words = self._call("POST", f"/zones/{zone}/dns_records", record.name, body)[1:]
            if code not in {0, IDENTICAL}:
                raise refused(self._who(record.name), f"Cloudflare does not take the record: {words} ({code})")

    def remove(self, record: TxtRecord) -> None:
        """Delete the records that hold this very value; absent is fine."""
        zone, _ = self._zone(record.name)
        path = with_query(f"/zones/{zone}/dns_records", type="TXT", name=record.name, per_page=MOST_RECORDS)
        result, code, words = self._call("GET", path, record.name)
        if code:
            raise refused(self._who(record.name), f"Cloudflare does not list its records: {words} ({code})")
        for entry in result if isinstance(result, list) else []:
            if _is_value(entry, record):
                path = f"/zones/{zone}/dns_records/{_identifier(entry)}"
                _, code, words = self._call("DELETE", path, record.name)
                if code not in {0, GONE}:
                    raise refused(self._who(record.name), f"Cloudflare does not delete the record: {words} ({code})")

    # ------------------------------------------------------------------------------------ calls

    def _who(self, name: str) -> str:
        return f"{name}: dns.{self._name}"

    def _zone(self, name: str) -> tuple[str, str]:
        """Id and name."""
        for candidate in parents(name):
            result, code, words = self._call("GET", with_query("/zones", name=candidate), name)
            if code:
                raise refused(self._who(name), f"Cloudflare does not list zones: {words} ({code})")
            for entry in result if isinstance(result, list) else []:
                if isinstance(entry, Mapping) and entry.get("name") == candidate:
                    return _identifier(entry), candidate
        raise NoZone(
            f"{self._who(name)}: no zone that this token sees holds it",
            hint=f"give the token of dns.{self._name}.token the right Zone:Read for the zone of {name}",
        )

    def _call(
        self, method: str, path: str, name: str, body: Mapping[str, object] | None = None
    ) -> tuple[object, int, str]:
        """The result, or the first error's code and words (code 0: it went well)."""
        headers = {"Authorization": f"Bearer {self._token().reveal().strip()}", "Content-Type": "application/json"}
        data = json.dumps(body).encode() if body is not None else None
        url = self._api + path
        response = exchange(self._sender(), method, url, who=self._who(name), body=data, headers=headers)
        answer = parsed_object(response, self._who(name), url)
        if answer.get("success") is True:
            return answer.get("result"), 0, ""
        code, words = _error(answer)
        if response.status in {401, 403} or code in AUTHENTICATION:
            raise refused(
                self._who(name),
                f"Cloudflare refuses the token: {words} ({code or response.status})",
                hint=f"dns.{self._name}.token needs the rights Zone:Read and DNS:Edit; was it revoked?",
            )
        return None, code or response.status, words


def _error(answer: Mapping[str, object]) -> tuple[int, str]:
    errors = answer.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    if not isinstance(first, Mapping):
        return 0, "it gives no reason"
    code = first.get("code")
    return code if isinstance(code, int) else 0, display_name(str(first.get("message")), 200)


def _identifier(entry: Mapping[str, object]) -> str:
    """An id as Cloudflare makes them: it becomes part of a path."""
    identifier = str(entry.get("id"))
    if not identifier.isalnum() or not identifier.isascii():
        raise DnsRefused(f'Cloudflare answers with the id "{display_name(identifier)}", which is none')
    return identifier


def _is_value(entry: object, record: TxtRecord) -> bool:
    if not isinstance(entry, Mapping) or entry.get("type") != "TXT" or entry.get("name") != record.name:
        return False
    # Cloudflare gives the content back as it was written, with quotes or without.
    return str(entry.get("content")).strip('"') == record.value


def build(name: str, settings: Settings, secrets: Callable[[str], Secret], sender: Callable[[], Sender]) -> Cloudflare:
    """From a checked table of the configuration."""
    reference = settings.text("token")
    return Cloudflare(name, sender=sender, token=lambda: secrets(reference), api=settings.text("api", API))


INIT_TABLE = """\
[dns.cloudflare]
provider = "cloudflare"
token = "file:cloudflare.token" # an API token that may edit the zone's DNS
"""

KIND = ProviderKind(
    schema=SCHEMA,
    build=lambda name, settings, around: build(name, settings, around.secrets, around.sender),
    init=InitTable(
        write=lambda _: INIT_TABLE,
        secret=SecretQuestion(words="The API token, which may edit the zone's DNS", file="cloudflare.token"),
    ),
    anycast_grace=VENDORS_GRACE,
)
