"""acme-dns: one POST. ``_acme-challenge`` is delegated by CNAME to a name of its own at an acme-dns server.

It keeps the last two values of a name and forgets the older one when a third comes, so a name and its wildcard are
just possible, and nothing can be removed or needs to be. Presenting the same two again, in their order, changes
nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from certd.dns.names import LABEL
from certd.dns.options import Option, Schema, Settings
from certd.dns.provider import DnsAnswers, InitTable, ProviderKind, SecretQuestion, ServerQuestion
from certd.dns.providers.api import Sender, exchange, judge_url, refused, words_of
from certd.errors import DnsRefused, NoZone
from certd.model import Secret, TxtRecord, ZoneRecord
from certd.model.address import host_of

SCHEMA = Schema(
    options=(
        Option(
            name="server",
            kind="text",
            required=True,
            judge=judge_url,
            help="the URL of the acme-dns API, such as https://auth.example.com",
        ),
        Option(
            name="accounts",
            kind="secret",
            required=True,
            help="a JSON file of registrations by domain, as goacmedns, lego and acme-dns-client keep them "
            "(fulldomain, subdomain, username, password), such as file:/etc/certd/acmedns.json",
        ),
    )
)

FIELDS = ("fulldomain", "subdomain", "username", "password")


class AcmeDns:
    """A ``DnsProvider`` over an acme-dns server.

    Args:
        accounts: The registrations as JSON; read at each call.
    """

    def __init__(self, name: str, *, server: str, sender: Callable[[], Sender], accounts: Callable[[], Secret]) -> None:
        self._name = name
        self._server = server.rstrip("/")
        self._sender = sender
        self._accounts = accounts

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._name

    def zone_of(self, name: str) -> str:
        """Empty: the server's zone is found by looking. Raises NoZone where no registration is for this name."""
        self._account(name)
        return ""

    def wanted(self, name: str) -> Sequence[ZoneRecord]:
        """A CNAME to the full domain that is registered for the name."""
        domain = name.removeprefix(LABEL)
        try:
            found = self._registrations()
        except DnsRefused:
            return ()
        keys = (domain, f"*.{domain}", name)
        full = next((str(found[key].get("fulldomain", "")) for key in keys if key in found), "")
        return (ZoneRecord(name=name, kind="CNAME", value=full.lower().rstrip(".")),) if full else ()

    def add(self, *records: TxtRecord) -> None:
        """Send the value to the registration whose full domain the CNAME leads to."""
        for record in records:
            account = self._account(record.name)
            headers = {
                "X-Api-User": account["username"],
                "X-Api-Key": account["password"],
                "Content-Type": "application/json",
            }
            body = json.dumps({"subdomain": account["subdomain"], "txt": record.value}).encode()
            who = f"{record.name}: dns.{self._name}"
            response = exchange(self._sender(), "POST", f"{self._server}/update", who=who, body=body, headers=headers)
            if response.status == 401:
                raise refused(
                    who,
                    f"{host_of(self._server)} refuses the registration of {account['fulldomain']}",
                    hint=f"username or password in dns.{self._name}.accounts is wrong; or allowfrom shuts us out",
                )
            if response.status != 200:
                raise refused(
                    who, f"{host_of(self._server)} answers {response.status}: {words_of(response, self._server)}"
                )

    def remove(self, record: TxtRecord) -> None:
        """Nothing to do: the API has no such call, the value is pushed out by the next ones."""

    def _registrations(self) -> dict[str, dict[str, str]]:
        """By the domain that each is for; by number where the file is a plain list."""
        try:
            accounts = json.loads(self._accounts().reveal())
            entries = accounts.items() if isinstance(accounts, dict) else enumerate(accounts)
            return {str(key): dict(entry) for key, entry in entries}
        except (ValueError, TypeError, RecursionError) as error:
            # The library's own words may quote the file, which holds passwords.
            raise DnsRefused(
                f"dns.{self._name}.accounts: is not JSON of registrations", hint=f"each needs {', '.join(FIELDS)}"
            ) from error

    def _account(self, name: str) -> dict[str, str]:
        found = [*self._registrations().values()]
        for account in found:
            if any(not isinstance(account.get(field), str) for field in FIELDS):
                continue
            if account["fulldomain"].lower().rstrip(".") == name:
                return account
        domains = ", ".join(str(account.get("fulldomain")) for account in found[:5]) or "none"
        raise NoZone(
            f"{name}: dns.{self._name}.accounts has no registration for it (it has {domains})",
            hint="point the CNAME of _acme-challenge at the fulldomain of a registration, or register one",
        )


def build(name: str, settings: Settings, secrets: Callable[[str], Secret], sender: Callable[[], Sender]) -> AcmeDns:
    """From a checked table of the configuration."""
    reference = settings.text("accounts")
    return AcmeDns(name, server=settings.text("server"), sender=sender, accounts=lambda: secrets(reference))


EXAMPLE = "https://auth.acme-dns.io"


def _init_table(answers: DnsAnswers) -> str:
    return f"""\
[dns.acmedns]
provider = "acme-dns"
server = {json.dumps(answers.server or EXAMPLE)} # yours, or the public one
accounts = "file:acme-dns.json" # what its /register answered, by domain
"""


def _records(answers: DnsAnswers) -> tuple[str, ...]:
    lines = [f"    _acme-challenge.{name}.  CNAME  <the fulldomain that acme-dns gave it>." for name in answers.names]
    return ("Set these records once, at your present DNS:\n" + "\n".join(lines),)


KIND = ProviderKind(
    schema=SCHEMA,
    build=lambda name, settings, around: build(name, settings, around.secrets, around.sender),
    init=InitTable(
        write=_init_table,
        records=_records,
        needs_records=True,
        server=ServerQuestion(words="The URL of the acme-dns API", judge=judge_url),
        secret=SecretQuestion(words="What its /register answered, by domain, as JSON", file="acme-dns.json"),
    ),
)
