"""``[alarms]``: who is told."""

from __future__ import annotations

from certd.config.files import Reading
from certd.config.schema import AlarmsTable
from certd.config.settings import AlarmSettings
from certd.config.types import is_reference
from certd.model.address import Address
from certd.system.endpoint import split_url, wrong_with_url


def alarms_of_config(reading: Reading, table: AlarmsTable) -> AlarmSettings:
    """The table, judged."""
    for name in ("webhook", "ping"):
        text = getattr(table, name)
        if text and not is_reference(text) and (wrong := wrong_with_url(text)):
            reading.find(f"alarms.{name}", f"{wrong}, or a reference to one", 'such as "file:/etc/certd/webhook"')
    for index, text in enumerate(table.apprise):
        if not is_reference(text) and not _has_scheme(text):
            hint = 'such as "tgram://..." or a reference to one: "file:/etc/certd/telegram"'
            reading.find(f"alarms.apprise[{index}]", "must be a URL of apprise's", hint)
    if table.smtp:
        _judge_smtp(reading, table)
    if table.command and not table.command[0].startswith("/"):
        reading.find("alarms.command[0]", "must be an absolute path")
    values = {name: getattr(table, name) for name in AlarmsTable.model_fields}
    values |= {"webhook": Address(table.webhook), "ping": Address(table.ping)}
    return AlarmSettings(**{**values, "apprise": tuple(Address(text) for text in table.apprise)})


def _has_scheme(text: str) -> bool:
    """What follows the scheme is the service's own: apprise's URLs hold tokens where others have a port."""
    try:
        return bool(split_url(text).scheme)
    except ValueError:
        return False


def _judge_smtp(reading: Reading, table: AlarmsTable) -> None:
    wrong = wrong_with_url(table.smtp, ("smtp", "smtps"))
    parts = None if wrong else split_url(table.smtp)
    if parts is None or parts.password:
        reading.find("alarms.smtp", "must be a server without a password", 'such as "smtp://user@mail.example.com:587"')
    if parts is not None and parts.username and not table.smtp_password:
        reading.find("alarms.smtp_password", "is missing for the user of alarms.smtp")
    if "@" not in table.mail_from:
        reading.find("alarms.mail_from", "must be an address", 'such as "certd@example.com"')
    if not table.mail_to or any("@" not in address for address in table.mail_to):
        reading.find("alarms.mail_to", "must be addresses", 'such as ["ops@example.com"]')
