"""``[alarms]``: who is told."""

from __future__ import annotations

from typing import Any

from certd.config.files import Reading
from certd.config.schema import AlarmsTable, ChannelsTable
from certd.config.settings import AlarmSettings, RouteSettings
from certd.config.types import is_reference
from certd.model.address import Address
from certd.system.endpoint import split_url, wrong_with_url


def alarms_of_config(reading: Reading, table: AlarmsTable) -> AlarmSettings:
    """The table, judged."""
    _judge_url(reading, "alarms.ping", table.ping)
    routes = []
    for index, route in enumerate(table.route):
        where = f"alarms.route[{index}]"
        if not route.match:
            reading.find(f"{where}.match", "is empty, so it would take every alarm", 'such as { brand = "x" }')
        if not (route.webhook or route.smtp or route.command or route.apprise):
            reading.find(where, "has no channel", "set webhook, smtp, command or apprise in it")
        routes.append(RouteSettings(match=route.match, **_channels(reading, route, where)))
    return AlarmSettings(ping=Address(table.ping), routes=tuple(routes), **_channels(reading, table, "alarms"))


def _channels(reading: Reading, table: ChannelsTable, where: str) -> dict[str, Any]:
    """What both tables have."""
    _judge_url(reading, f"{where}.webhook", table.webhook)
    for index, text in enumerate(table.apprise):
        if not is_reference(text) and not _has_scheme(text):
            hint = 'such as "tgram://..." or a reference to one: "file:/etc/certd/telegram"'
            reading.find(f"{where}.apprise[{index}]", "must be a URL of apprise's", hint)
    if table.smtp:
        _judge_smtp(reading, table, where)
    if table.command and not table.command[0].startswith("/"):
        reading.find(f"{where}.command[0]", "must be an absolute path")
    values = {name: getattr(table, name) for name in ChannelsTable.model_fields}
    return {**values, "webhook": Address(table.webhook), "apprise": tuple(Address(text) for text in table.apprise)}


def _judge_url(reading: Reading, path: str, text: str) -> None:
    if text and not is_reference(text) and (wrong := wrong_with_url(text)):
        reading.find(path, f"{wrong}, or a reference to one", 'such as "file:/etc/certd/webhook"')


def _has_scheme(text: str) -> bool:
    """What follows the scheme is the service's own: apprise's URLs hold tokens where others have a port."""
    try:
        return bool(split_url(text).scheme)
    except ValueError:
        return False


def _judge_smtp(reading: Reading, table: ChannelsTable, where: str) -> None:
    wrong = wrong_with_url(table.smtp, ("smtp", "smtps"))
    parts = None if wrong else split_url(table.smtp)
    if parts is None or parts.password:
        reading.find(
            f"{where}.smtp", "must be a server without a password", 'such as "smtp://user@mail.example.com:587"'
        )
    if parts is not None and parts.username and not table.smtp_password:
        reading.find(f"{where}.smtp_password", f"is missing for the user of {where}.smtp")
    if "@" not in table.mail_from:
        reading.find(f"{where}.mail_from", "must be an address", 'such as "certd@example.com"')
    if not table.mail_to or any("@" not in address for address in table.mail_to):
        reading.find(f"{where}.mail_to", "must be addresses", 'such as ["ops@example.com"]')
