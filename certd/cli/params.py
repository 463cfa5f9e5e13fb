"""The names of links on a command line: completed from the configuration."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem

from certd.config.choices import known_choices
from certd.config.loader import load
from certd.errors import CertdError


class LinkName(click.ParamType):  # type: ignore[type-arg]
    """Any text; what it may be is known to whoever judges it with the nearest name at hand."""

    name = "link"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The links of the configuration; none where it cannot be read. A key press must not end in an error."""
        path = ctx.find_root().params.get("config")
        try:
            settings = load(Path(str(path)), known_choices())
        except (CertdError, OSError):
            return []
        return [CompletionItem(link.name) for link in settings.links if link.name.startswith(incomplete)]


LINK = LinkName()
