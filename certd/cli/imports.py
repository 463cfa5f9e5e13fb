"""``certd import``: a certificate as two files, or another client's whole folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from certd.app import App
from certd.cli.context import by_of, choose_links, settings_of
from certd.cli.foreign import CLIENTS, command_of
from certd.cli.params import LINK
from certd.errors import GateRefused, UsageError
from certd.model import Secret
from certd.pki.chain import read_certificate
from certd.state import prepare_state, stores_of
from certd.store.lineages import IMPORTED
from certd.system.clock import SystemClock
from certd.system.files import read_bounded
from certd.system.journal import LoggingJournal
from certd.timefmt import when


@click.group("import")
def imports() -> None:
    """Adopt certificates that exist already.

    \b
    Examples:
      certd import certbot /etc/letsencrypt
      certd import files link.example.com fullchain.pem privkey.pem
    """


for _client in CLIENTS:
    imports.add_command(command_of(_client))


@imports.command()
@click.argument("link", type=LINK)
@click.argument("fullchain", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("key", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_context
def files(context: click.Context, link: str, fullchain: Path, key: Path) -> None:
    """Adopt the certificate in FULLCHAIN with its private KEY for LINK.

    It must cover every name of the link and lead to a trusted root. certd serves it from now on, and renews it when
    it is due.

    \b
    Examples:
      certd import files link.example.com /etc/ssl/link/fullchain.pem /etc/ssl/link/privkey.pem
    """
    settings = settings_of(context)
    (wanted,) = choose_links(settings, (link,))
    # Read as whoever asks: the files may be root's.
    chain_pem = read_bounded(fullchain.resolve()).decode("ascii", errors="replace")
    secret = Secret(read_bounded(key.resolve()).decode("ascii", errors="replace"))
    prepare_state(settings)
    app = App(settings, stores_of(settings), SystemClock(), LoggingJournal())
    now = app.clock.now()
    certificate = read_certificate(chain_pem, secret, link=wanted.name, issuer=IMPORTED, issued_at=now)
    try:
        app.gate(certificate, wanted.spec.domains, now)
    except GateRefused as error:
        raise GateRefused(f"{fullchain}: {error}", hint=error.hint or "nothing was changed") from error
    app.stores.specs.set([each.spec for each in settings.links])
    current = app.stores.lineages.facts(wanted.name).current
    if current is not None and current.not_after > certificate.not_after:
        raise UsageError(f"{wanted.name}: there is a certificate that ends later, at {when(current.not_after)}")
    if not app.stores.lineages.adopt(replace(certificate, issuer=IMPORTED), by=by_of(context)):
        click.echo(f"{wanted.name}: certd has this certificate already")
        return
    app.sync()
    click.echo(f"{wanted.name}: adopted, valid until {when(certificate.not_after)}")
