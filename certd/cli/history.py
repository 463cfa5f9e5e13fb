"""``certd history``."""

from __future__ import annotations

import click

from certd.cli.context import read_model_of, settings_of
from certd.cli.output import show_json
from certd.cli.params import LINK
from certd.config.domain_name import as_domain
from certd.timefmt import stamp, when

SHORT = 12


@click.command()
@click.argument("link", required=False, default="", type=LINK)
@click.option("--json", "as_json", is_flag=True, help="Print a versioned JSON document.")
@click.option("--most", default=1000, show_default=True, help="Show the last so many entries.")
@click.pass_context
def history(context: click.Context, link: str, as_json: bool, most: int) -> None:
    """Show the history of LINK, or of all links: who did what, why, and which certificate. Kept for two years.

    \b
    Examples:
      certd history
      certd history link.example.com --json
      certd history --most 20
    """
    settings = settings_of(context)
    # One that was removed from the configuration has its history still.
    known = settings.link(link) if link else None
    link = known.name if known is not None else as_domain(link)
    read_model = read_model_of(settings)
    events = read_model.stores.history.events(link, most) if read_model is not None else []
    if as_json:
        rows = [
            {
                "at": stamp(event.at),
                "link": event.link,
                "what": event.what,
                "by": event.by,
                "because": event.because,
                "issuer": event.issuer,
                "serial": event.serial,
                "fingerprint": event.fingerprint,
                "not_after": stamp(event.not_after),
            }
            for event in events
        ]
        show_json("history", rows)
        return
    for event in events:
        parts = [when(event.at), event.link or event.issuer or "certd", event.what, f"by {event.by}"]
        if event.fingerprint:
            parts.append(
                f"{event.serial or event.fingerprint[:SHORT]} of {event.issuer}, until {when(event.not_after)}"
            )
        click.echo("  ".join(parts) + (f"  ({event.because})" if event.because else ""))
