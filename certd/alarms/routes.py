"""Which channels hear of an alarm: those of the first route whose labels it has, else the default ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from certd.alarms.channels import Channel
from certd.errors import AlarmFailed
from certd.model import Alarm, Notice


@dataclass(frozen=True, slots=True)
class OfRoute:
    """A channel of a route, under a name that no other has."""

    channel: Channel
    number: int

    @property
    def name(self) -> str:
        """Such as ``route[0].webhook``."""
        return f"route[{self.number}].{self.channel.name}"

    def tell(self, notice: Notice) -> None:
        """See ``Channel``. Raises AlarmFailed."""
        try:
            self.channel.tell(notice)
        except AlarmFailed as error:
            raise AlarmFailed(str(error).replace("alarms.", f"alarms.route[{self.number}].", 1)) from error


@dataclass(frozen=True, slots=True)
class Route:
    """Channels for alarms with these labels, every one of them."""

    match: Mapping[str, str]
    channels: tuple[Channel, ...]


@dataclass(frozen=True, slots=True)
class AlarmRoutes:
    """All channels of a configuration.

    Args:
        default: For what no route takes, and for what concerns no link.
    """

    default: tuple[Channel, ...] = ()
    routes: tuple[Route, ...] = ()

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Every channel once."""
        return (*self.default, *(channel for route in self.routes for channel in route.channels))

    def of(self, alarm: Alarm) -> tuple[Channel, ...]:
        """Those that hear of this alarm."""
        for route in self.routes:
            if route.match.items() <= alarm.labels.items():
                return route.channels
        return self.default
