"""Who is told when something is wrong."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from certd.alarms import AlarmRoutes, Channel, Command, OfRoute, Route, Webhook
from certd.config.settings import ChannelSettings, Settings
from certd.config.types import is_reference
from certd.model import Secret

if TYPE_CHECKING:
    from certd.system.egress import Egress


def routes_of(settings: Settings, egress: Callable[[], Egress], secret: Callable[[str], Secret]) -> AlarmRoutes:
    """The channels of ``[alarms]``, and those of its routes."""
    node = settings.node
    routes = []
    for number, route in enumerate(settings.alarms.routes):
        channels = tuple(OfRoute(channel, number) for channel in _channels(route, node, egress, secret))
        routes.append(Route(route.match, channels))
    return AlarmRoutes(_channels(settings.alarms, node, egress, secret), tuple(routes))


def _channels(
    wanted: ChannelSettings, node: str, egress: Callable[[], Egress], secret: Callable[[str], Secret]
) -> tuple[Channel, ...]:
    made: list[Channel] = []
    if wanted.webhook:
        webhook = wanted.webhook.reveal()
        made.append(Webhook(lambda: Secret(reveal(webhook, secret)), egress, node))
    if wanted.smtp:
        reference = wanted.smtp_password
        password = (lambda: secret(reference)) if reference else None
        mail = importlib.import_module("certd.alarms.mail").Mail
        made.append(
            mail(wanted.smtp, wanted.mail_from, wanted.mail_to, node, password, plaintext=wanted.smtp_plaintext)
        )
    if wanted.command:
        made.append(Command(wanted.command, node))
    for number, url in enumerate(wanted.apprise):
        made.append(_apprise(number, lambda url=url: Secret(reveal(url.reveal(), secret)), node))  # type: ignore[misc]
    return tuple(made)


def _apprise(number: int, url: Callable[[], Secret], node: str) -> Channel:
    """A hundred services. Where the package is missing, that is said when there is something to tell."""
    made: Channel = importlib.import_module("certd.alarms.apprise").Service(url, node, f"apprise[{number}]")
    return made


def reveal(text: str, secret: Callable[[str], Secret]) -> str:
    """What a reference stands for, or the text itself."""
    return secret(text).reveal().strip() if is_reference(text) else text
