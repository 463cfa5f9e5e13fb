"""``[alarms]``: who is told."""

from __future__ import annotations

from urllib.parse import urlsplit

from certd.config.files import Reading
from certd.config.schema import AlarmsTable
from certd.config.settings import AlarmSettings
from certd.config.types import is_reference


def alarms_of_config(reading: Reading, table: AlarmsTable) -> AlarmSettings:
    """The table, judged."""
    for name in ("webhook", "ping"):
        text = getattr(table, name)
        if text and not is_reference(text) and urlsplit(text).scheme not in {"http", "https"}:
            reading.find(f"alarms.{name}", "must be a URL, or a reference to one", 'such as "file:/etc/certd/webhook"')
    for index, text in enumerate(table.apprise):
        if not is_reference(text) and not urlsplit(text).scheme:
            hint = 'such as "tgram://..." or a reference to one: "file:/etc/certd/telegram"'
            reading.find(f"alarms.apprise[{index}]", "must be a URL of apprise's", hint)
    if table.smtp:
        _judge_smtp(reading, table)
    if table.command and not table.command[0].startswith("/"):
        reading.find("alarms.command[0]", "must be an absolute path")
    return AlarmSettings(**{name: getattr(table, name) for name in AlarmsTable.model_fields})


def _judge_smtp(reading: Reading, table: AlarmsTable) -> None:
    parts = urlsplit(table.smtp)
    try:
        is_fine = parts.scheme in {"smtp", "smtps"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_fine = False
    if not is_fine or parts.password:
        reading.find("alarms.smtp", "must be a server without a password", 'such as "smtp://user@mail.example.com:587"')
    if parts.username and not table.smtp_password:
        reading.find("alarms.smtp_password", "is missing for the user of alarms.smtp")
    if "@" not in table.mail_from:
        reading.find("alarms.mail_from", "must be an address", 'such as "certd@example.com"')
    if not table.mail_to or any("@" not in address for address in table.mail_to):
        reading.find("alarms.mail_to", "must be addresses", 'such as ["ops@example.com"]')
