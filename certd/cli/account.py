"""``certd account``: our account with a CA: what it is, another key, its end."""

from __future__ import annotations

from dataclasses import asdict

import click

from certd.acme.account_admin import AccountAdmin
from certd.acme.issuer import AcmeIssuer
from certd.app import App
from certd.cli.application import app_of
from certd.cli.consent import consent
from certd.cli.context import by_of, known_issuer, settings_of
from certd.cli.output import complain, show_json
from certd.errors import AcmeProblem, AcmeUnreachable, CertdError, UsageError
from certd.issuance import publishes
from certd.timefmt import counted

ISSUER = click.argument("issuer", required=False, default="")
YES = click.option("--yes", is_flag=True, help="Do not ask.")


@click.group()
def account() -> None:
    """The account with a CA.

    \b
    Examples:
      certd account show
      certd account rollover letsencrypt
    """


@account.command()
@ISSUER
@click.option("--offline", is_flag=True, help="Show what the store has. The CA is not asked.")
@click.option("--json", "as_json", is_flag=True, help="Print a versioned JSON document.")
@click.pass_context
def show(context: click.Context, issuer: str, offline: bool, as_json: bool) -> int:
    """Show what certd and the CA know of the account with ISSUER, or of all accounts. Creates no account and prints no
    key.

    \b
    Examples:
      certd account show
      certd account show letsencrypt --json
      certd account show --offline
    """
    settings = settings_of(context)
    app = app_of(settings)
    names = (known_issuer(settings, issuer),) if issuer else tuple(settings.issuers)
    rows, failed = [], 0
    for name in names if app is not None else ():
        assert app is not None  # noqa: S101 (the line above says so)
        tenure = account_admin_of(app, name)
        try:
            seen = tenure.look(ask=not offline)
        except (AcmeProblem, AcmeUnreachable) as error:
            complain(error)
            failed, seen = 1, tenure.look(ask=False)
        if seen is None:
            continue
        rows.append({"issuer": name, **asdict(seen)})
        if as_json:
            continue
        click.echo(f"{name}  {seen.status or 'not asked'}")
        click.echo(f"    account   {seen.url or 'not registered yet'}")
        click.echo(f"    directory {seen.directory}")
        click.echo(f"    key       {seen.key_kind}, thumbprint {seen.thumbprint}")
        if seen.contact:
            click.echo(f"    contact   {', '.join(seen.contact)}")
        if seen.is_changing:
            click.echo(f"    note      a change of its key has begun; `certd account rollover {name}` ends it")
    if as_json:
        show_json("account", rows)
    elif not rows:
        click.echo("certd has no account yet; the first order makes one")
    return failed


@account.command()
@ISSUER
@YES
@click.pass_context
def rollover(context: click.Context, issuer: str, yes: bool) -> None:
    """Change the key of the account with ISSUER. Certificates and orders stay valid. The daemon may run meanwhile.

    A crash loses nothing: run the same command again, and it finishes the change.

    \b
    Examples:
      certd account rollover
      certd account rollover letsencrypt --yes
    """
    settings = settings_of(context)
    name = known_issuer(settings, issuer)
    app = app_of(settings)
    if app is None:
        raise UsageError("certd has not run here; there is no account")
    if busy := app.stores.accounts.orders_of(name):
        raise CertdError(
            f"{name}: an order for {', '.join(busy[:5])} is open; its validation hangs on the present key",
            hint="try again when it is done: `certd status`",
        )
    tenure = account_admin_of(app, name)
    consent(f"Give the account with {name} another key? Backups made before hold the old one", yes=yes)
    before, now = tenure.roll_over()
    app.stores.history.write("", "account key changed", by_of(context), f"{before} gave way to {now}", issuer=name)
    click.echo(f"{name}: the account's key is {now} now; {before} opens nothing any more")
    click.echo("make a new backup: those made before hold the old key", err=True)


@account.command()
@ISSUER
@YES
@click.pass_context
def deactivate(context: click.Context, issuer: str, yes: bool) -> None:
    """Deactivate the account with ISSUER for ever. Certificates stay valid. The next order creates a new account.

    \b
    Examples:
      certd account deactivate letsencrypt-staging
    """
    settings = settings_of(context)
    name = known_issuer(settings, issuer)
    app = app_of(settings)
    if app is None:
        raise UsageError("certd has not run here; there is no account")
    tenure = account_admin_of(app, name)
    links = [link.name for link in settings.links if name in link.spec.issuers]
    user = f" {counted(len(links), 'link')} that use it will get a new one with the next order." if links else ""
    pinned = [link.name for link in settings.links if name in link.spec.issuers and not publishes(link.spec)]
    if pinned:
        user += f" The dns-persist-01 records of {', '.join(pinned[:5])} name it, and must be changed to the new one."
    consent(f"Deactivate the account with {name}? It cannot be undone.{user}", yes=yes)
    url = tenure.deactivate()
    app.stores.history.write("", "account deactivated", by_of(context), url, issuer=name)
    click.echo(f"{name}: {url} is deactivated")


@account.command("forget")
@ISSUER
@YES
@click.pass_context
def forget_account(context: click.Context, issuer: str, yes: bool) -> None:
    """Delete the account's key here without telling the CA, if the key no longer works (an old backup).

    The next order creates a new account.

    \b
    Examples:
      certd account forget letsencrypt
    """
    settings = settings_of(context)
    name = known_issuer(settings, issuer)
    app = app_of(settings)
    row = app.stores.accounts.get(settings.issuers[name].directory) if app is not None else None
    if app is None or row is None:
        raise UsageError(f"{name}: certd has no account there")
    consent(f"Drop the key of {row.url or 'the account'}? There is no other copy of it here", yes=yes)
    app.stores.accounts.drop(row.directory, row.key)
    app.stores.history.write("", "account forgotten", by_of(context), row.url, issuer=name)
    click.echo(f"{name}: forgotten")


def account_admin_of(app: App, issuer: str) -> AccountAdmin:
    """The account's own commands."""
    authority = app.authority(issuer)
    assert isinstance(authority, AcmeIssuer)  # noqa: S101 (there is no other kind)
    return AccountAdmin(authority.session, authority.registration)
