"""Telling an operator: by webhook, by mail, by a command of the operator's own."""

from __future__ import annotations

from certd.alarms.channels import Channel, Command, Webhook

__all__ = ["Channel", "Command", "Webhook"]
