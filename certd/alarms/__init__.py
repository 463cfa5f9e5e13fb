"""Telling an operator: by webhook, by mail, by a command of the operator's own."""

from __future__ import annotations

from certd.alarms.channels import Channel, Command, Webhook
from certd.alarms.routes import AlarmRoutes, OfRoute, Route

__all__ = ["AlarmRoutes", "Channel", "Command", "OfRoute", "Route", "Webhook"]
