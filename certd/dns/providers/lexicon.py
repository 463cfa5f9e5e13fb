"""dns-lexicon's vendors, each call in a child process that can be killed: its providers set no timeouts.

The zone is found by certd: lexicon would fetch the Public Suffix List from the network to guess it. Some vendors read
and write a name's records in whole, so calls are made one at a time for each zone.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from certd.dns.names import display_name, is_below
from certd.dns.options import Option, Schema, Settings
from certd.dns.provider import VENDORS_GRACE, InitTable, ProviderKind, SecretQuestion
from certd.errors import DnsRefused, DnsUnreachable, Finding, TargetError
from certd.model import Secret, TxtRecord, ZoneRecord
from certd.system.command import run

PREFIX = "lexicon:"
TIMEOUT_SECONDS = 90
MOST_WORDS = 400

# Vendors of lexicon's that certd does not go by, and why.
REFUSED = {
    "ddns": "hears no refusal of the name server, so a value that was not published looks published",
}

SCHEMA = Schema(
    options=(
        Option(
            name="credentials",
            kind="secrets",
            help="what lexicon calls the vendor's authentication, as references: "
            '{ auth_token = "file:/etc/certd/token" }',
        ),
        Option(name="settings", kind="table", help="what lexicon wants besides, as plain texts"),
        Option(name="timeout", kind="number", help=f"seconds for one call, {TIMEOUT_SECONDS} by default"),
    )
)


def check_vendor(vendor: str, path: str) -> list[Finding]:
    """Whether lexicon is installed and knows the vendor."""
    if importlib.util.find_spec("lexicon") is None:
        message = f'"{PREFIX}{vendor}" needs an extra package'
        return [Finding(path=f"{path}.provider", message=message, hint="pip install 'certd[lexicon]'")]
    if reason := REFUSED.get(vendor):
        message = f'"{PREFIX}{vendor}" {reason}'
        return [Finding(path=f"{path}.provider", message=message, hint='use provider = "rfc2136"')]
    if not vendor.isidentifier() or importlib.util.find_spec(f"lexicon._private.providers.{vendor}") is None:
        return [Finding(path=f"{path}.provider", message=f'lexicon knows no vendor "{vendor}"')]
    return []


class Lexicon:
    """A ``DnsProvider`` over dns-lexicon.

    Args:
        options: What lexicon calls the vendor's options, credentials included; read at each call.
    """

    def __init__(
        self,
        name: str,
        vendor: str,
        *,
        options: Callable[[], Mapping[str, str]],
        timeout: timedelta = timedelta(seconds=TIMEOUT_SECONDS),
    ) -> None:
        self._name = name
        self._vendor = vendor
        self._options = options
        self._timeout = timeout
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._name

    def zone_of(self, name: str) -> str:
        """Unknown here: the zone is found by looking at the name servers."""
        return ""

    def wanted(self, name: str) -> Sequence[ZoneRecord]:
        """Unknown: any zone of the account would do."""
        return ()

    def add(self, *records: TxtRecord) -> None:
        """lexicon's ``create_record``; it leaves what is there as it is."""
        for record in records:
            self._call("create", record)

    def remove(self, record: TxtRecord) -> None:
        """lexicon's ``delete_record`` of this very value."""
        self._call("delete", record)

    def _call(self, action: str, record: TxtRecord) -> None:
        who = f"{record.name}: dns.{self._name}"
        if not record.zone or not is_below(record.name, record.zone):
            raise DnsRefused(f"{who}: its zone is not known")
        order = {
            "action": action,
            "vendor": self._vendor,
            "zone": record.zone,
            "name": record.name,
            "value": record.value,
            "options": dict(self._options()),
        }
        with self._turns[record.zone]:
            try:
                argv = [sys.executable, "-m", "certd.dns.providers.lexicon_child"]
                done = run(argv, deadline=self._timeout, stdin=json.dumps(order).encode())
            except TargetError as error:
                raise DnsRefused(f"{who}: {error}") from error
        if done.timed_out:
            raise DnsUnreachable(f"{who}: {self._vendor} was silent for {self._timeout.total_seconds():g} s")
        if done.code:
            words = display_name(" ".join(done.output.split()[-60:]), MOST_WORDS)
            raise DnsRefused(f"{who}: {self._vendor} says no for zone {record.zone}: {words}")


def build(name: str, vendor: str, settings: Settings, secrets: Callable[[str], Secret]) -> Lexicon:
    """From a checked table of the configuration."""
    references = {key: values[0] for key, values in settings.table("credentials").items()}
    plain = {key: values[0] for key, values in settings.table("settings").items()}
    return Lexicon(
        name,
        vendor,
        options=lambda: plain | {key: secrets(one).reveal().strip() for key, one in references.items()},
        timeout=timedelta(seconds=settings.number("timeout", TIMEOUT_SECONDS)),
    )


def kind(vendor: str) -> ProviderKind:
    """That of one of its vendors."""
    table = (
        f'[dns.{vendor}]\nprovider = "{PREFIX}{vendor}" # needs the extra: certd[lexicon]\n'
        'credentials = { auth_token = "file:dns.token" } # what lexicon calls the vendor\'s authentication\n'
    )
    return ProviderKind(
        schema=SCHEMA,
        build=lambda name, settings, around: build(name, vendor, settings, around.secrets),
        init=InitTable(
            write=lambda _: table,
            secret=SecretQuestion(words=f"The API token of {vendor}", file="dns.token"),
        ),
        anycast_grace=VENDORS_GRACE,
    )
