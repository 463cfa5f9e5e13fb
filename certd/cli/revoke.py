"""``certd revoke``."""

from __future__ import annotations

import click

from certd.cli.application import app_of
from certd.cli.consent import consent
from certd.cli.context import by_of, choose_links, settings_of
from certd.cli.params import LINK
from certd.cli.renew import renew
from certd.errors import CertdError, UsageError
from certd.timefmt import when
from certd.wiring.rate_limit_report import replacement

# RFC 5280 section 5.3.1, as far as CAs take them from subscribers.
REASONS = {"unspecified": 0, "keyCompromise": 1, "affiliationChanged": 3, "superseded": 4, "cessationOfOperation": 5}


@click.command()
@click.argument("link", type=LINK)
@click.option(
    "--reason",
    type=click.Choice(list(REASONS)),
    default="superseded",
    show_default=True,
    help="The reason that the CA publishes.",
)
@click.option("--now", is_flag=True, help="Do not wait until the new certificate is served. Clients may see a warning.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def revoke(context: click.Context, link: str, reason: str, now: bool, yes: bool) -> int:
    """Replace the certificate of LINK, wait until the new one is served, and then revoke the old one.

    The old key is never used again. Clients that resume a TLS session see the old certificate until the proxy is
    reloaded.

    \b
    Examples:
      certd revoke link.example.com
      certd revoke link.example.com --reason keyCompromise --now
    """
    settings = settings_of(context)
    (wanted,) = choose_links(settings, (link,))
    app = app_of(settings)
    current = app.stores.lineages.facts(wanted.name).current if app is not None else None
    if app is None or current is None:
        raise UsageError(f"{wanted.name} has no certificate to revoke")
    if current.issuer not in settings.issuers:
        raise UsageError(
            f"{wanted.name}: its certificate is of {current.issuer}, which certd has no account with",
            hint="revoke it where it was bought",
        )
    facts = app.stores.lineages.facts(wanted.name)
    desired = app.desired(wanted.name, facts)
    held = replacement(app.stores.lineages, desired, facts, app.clock.now()) if desired is not None else None
    if held is not None:
        warning = f"no other certificate can be had before {when(held.until)}: {held.because}"
        if not now:
            raise CertdError(
                f"{wanted.name}: {warning}; nothing was revoked",
                hint="--now revokes at once, and clients that check see a warning until there is another",
            )
        click.echo(f"{wanted.name}: {warning}; until then clients that check refuse the revoked one", err=True)
    consent(f"Revoke {current.generation} of {wanted.name} (valid until {when(current.not_after)})?", yes=yes)
    if reason == "keyCompromise":
        # Before the next one is ordered: reuse_key would take this key once more.
        app.stores.revocations.burn(current, f"{wanted.name}: revoked by hand: {reason}")
    if not now:
        code = context.invoke(renew, links=(wanted.name,), force=True, wait="10m", yes=True)
        if code:
            raise CertdError(
                f"{wanted.name}: no other certificate is served yet, so nothing was revoked",
                hint="--now revokes at once, and clients that check see a warning until there is another",
            )
    app.authority(current.issuer).revoke(current.chain_pem, REASONS[reason])
    app.stores.lineages.note_revoked(current, f"revoked by hand: {reason}", by=by_of(context))
    click.echo(f"{wanted.name}: {current.generation} is revoked ({reason})")
    return 0
