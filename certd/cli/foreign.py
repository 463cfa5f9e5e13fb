"""``certd import certbot``, ``lego``, ``acme-sh``, ``caddy``: settings translated, certificates and accounts adopted.

Run twice where there is no configuration yet: the first time writes one, the second adopts. Both may be repeated.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import click

from certd.acme.account_keys import as_jwk
from certd.app import App
from certd.cli.context import by_of, path_of, settings_of
from certd.cli.output import printable, warn
from certd.config.choices import known_choices
from certd.config.settings import LinkSettings, Settings
from certd.errors import CertdError, GateRefused, SealBroken
from certd.foreign.acme_sh import read_acme_sh
from certd.foreign.caddy import read_caddy
from certd.foreign.certbot import read_certbot
from certd.foreign.lego import read_lego
from certd.foreign.model import ForeignAccount, ForeignLineage, ProxyNames, Tree
from certd.foreign.translate import Translation, ends_at, translate
from certd.model import Certificate
from certd.pki.chain import read_certificate
from certd.state import prepare_state, stores_of
from certd.store.lineages import IMPORTED
from certd.system.clock import SystemClock
from certd.system.journal import LoggingJournal
from certd.targets.registry import usable_kinds
from certd.timefmt import counted, when

Reader = Callable[[Path, ProxyNames], Tree]

# Name of the command -> what reads the folder, how it is called, where it usually lies.
CLIENTS: dict[str, tuple[Reader, str, str]] = {
    "certbot": (read_certbot, "certbot", "/etc/letsencrypt"),
    "lego": (read_lego, "lego", "/etc/lego"),
    "acme-sh": (read_acme_sh, "acme.sh", "~/.acme.sh"),
    "caddy": (read_caddy, "Caddy", "/var/lib/caddy/.local/share/caddy"),
}

HELP = """Take over what {client} has in FOLDER: certificates with their keys, accounts, and how it renewed them.

    Nothing in FOLDER is changed. Without a configuration one is written, translated from {client}'s; with one, links
    that it lacks are printed. What a link of the configuration covers is adopted, and renewed when it is due.

    Exit code 0: everything is taken over. 3: something is not, and certd lists it with what it means.

    \b
    Examples:
      certd import {command} {folder}
      certd --config /etc/certd/certd.toml import {command} {folder}
    """


def command_of(name: str) -> click.Command:
    """The command for one client."""
    reader, client, folder = CLIENTS[name]

    @click.command(name, help=HELP.format(client=client, command=name, folder=folder))
    @click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
    @click.pass_context
    def command(context: click.Context, folder: Path) -> int:
        return take_over(context, reader(folder.resolve(), proxy_names()))

    return command


def proxy_names() -> ProxyNames:
    """What tells each kind of proxy, as the kinds say it."""
    kinds = usable_kinds()
    return ProxyNames(
        by_certbot_plugin={kind.certbot_plugin: kind.name for kind in kinds if kind.certbot_plugin},
        by_client={kind.import_client: kind.name for kind in kinds if kind.import_client},
        in_hooks=tuple(kind.name for kind in kinds if kind.is_reloaded_by_hooks),
    )


def take_over(context: click.Context, tree: Tree) -> int:
    """Write or print what the configuration lacks, adopt what it has; exit code 3 where somebody must do something."""
    path = path_of(context)
    known = {name: issuer.directory for name, issuer in known_choices().issuers.items()}
    losses = [*tree.problems]
    if is_new := not path.exists():
        translation = translate(tree, known, whole=True)
        write_configuration(path, translation)
        click.echo(f"{path}: written, {counted(len(translation.links), 'link')} translated from {tree.folder}")
        losses += translation.losses
    # Before the configuration is read: what it lacks may be among them.
    for loss in losses:
        warn(printable(loss))
    settings = settings_of(context)
    if not is_new:
        covered = {domain for link in settings.links for domain in link.spec.domains}
        issuers = {name: issuer.directory for name, issuer in settings.issuers.items()}
        translation = translate(tree, issuers, covered, whole=False)
        if translation.links:
            write_secrets(path.parent, translation)
            click.echo(translation.text)
            losses += [f"these links are in no configuration yet: put them into {path} and run this again"]
            for loss in (*translation.losses, losses[-1]):
                warn(printable(loss))
    is_all_adopted = adopt_all(context, settings, tree)
    click.echo(f"{tree.client} would renew the same names: {tree.switch_off}", err=True)
    return 0 if is_all_adopted and not losses else 3


def write_configuration(path: Path, translation: Translation) -> None:
    """A new file; never over one that is there."""
    write_secrets(path.parent, translation)
    write_new(path, translation.text, 0o644)


def write_secrets(folder: Path, translation: Translation) -> None:
    """The files that it names, each for its owner alone; one that is there stays."""
    for name, secret in translation.secrets.items():
        if (folder / name).exists():
            warn(f"{folder / name} is there already and was left as it is")
            continue
        write_new(folder / name, secret.reveal(), 0o600)
        click.echo(f"{folder / name}: written; the user that certd runs as must be able to read it", err=True)


def write_new(path: Path, text: str, mode: int) -> None:
    """Raises CertdError where there is something or it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            # Whatever the umask: the service's user must be able to read it.
            os.fchmod(descriptor, mode)
            file.write(text)
    except OSError as error:
        raise CertdError(f"{path}: cannot be written: {error.strerror}", hint="nothing is overwritten") from error


def adopt_all(context: click.Context, settings: Settings, tree: Tree) -> bool:
    """Accounts first: whatever is adopted is renewed with them. False where something was left out."""
    prepare_state(settings)
    app = App(settings, stores_of(settings), SystemClock(), LoggingJournal())
    app.stores.specs.set([link.spec for link in settings.links])
    is_all = True
    for account in tree.accounts:
        try:
            take_account(app, account)
        except SealBroken as error:
            warn(printable(f"the account {account.url} was left out: {error}"))
            is_all = False
    now = app.clock.now()
    for link in settings.links:
        is_all &= adopt_best(app, link, tree, now, by_of(context))
    app.sync()
    return is_all


def take_account(app: App, account: ForeignAccount) -> None:
    """Keep it where an issuer of the configuration has its directory and certd has no account there yet."""
    directory = directory_here(app, account.directory)
    if not directory:
        whose = f"the account {account.url} is of {account.directory}"
        warn(printable(f"{whose}, which no issuer of the configuration has; left out"))
        return
    as_jwk(account.key)
    kept = app.stores.accounts.keep(directory, account.key, account.url)
    if kept.key == account.key:
        click.echo(printable(f"account {account.url}: taken over"))
    else:
        warn(printable(f"certd has an account with {directory} already; {account.url} was left out"))


def directory_here(app: App, theirs: str) -> str:
    """The same directory as the configuration writes it, or its only one of that host: a client may keep no more of it;
    empty where there is none.
    """
    ours = {issuer.directory for issuer in app.settings.issuers.values()}
    if theirs in ours:
        return theirs
    host = theirs.partition("://")[2].partition("/")[0]
    same = [one for one in ours if f"://{host}/" in one]
    return same[0] if len(same) == 1 else ""


def adopt_best(app: App, link: LinkSettings, tree: Tree, now: datetime, by: str) -> bool:
    """The certificate that is good for a link and ends last, unless certd's own ends later. False where the tree has
    one for its names and certd goes on without any.
    """
    current = app.stores.lineages.facts(link.name).current
    refusals = []
    for lineage in sorted(tree.lineages, key=ends_at, reverse=True):
        if not set(lineage.domains) & set(link.spec.domains):
            if wildcard := covering_wildcard(lineage.domains, link.spec.domains):
                refusals.append(
                    f"{lineage.name}: {wildcard} covers it and does not name it, and certd serves a link by the names "
                    f'that it has; write domain = "{wildcard}", or let certd order another certificate'
                )
            continue
        certificate = as_certificate(app, link, lineage, now)
        try:
            app.gate(certificate, link.spec.domains, now)
        except GateRefused as error:
            refusals.append(f"{lineage.name}: {error}{f'; {error.hint}' if error.hint else ''}")
            continue
        if current is not None and current.not_after >= certificate.not_after:
            click.echo(f"{link.name}: certd has a certificate that ends later, or this one; nothing to do")
        elif app.stores.lineages.adopt(certificate, by=by):
            click.echo(f"{link.name}: adopted, valid until {when(certificate.not_after)}")
        return True
    if current is not None:
        return True
    for refusal in refusals:
        warn(f"{link.name}: not adopted: {printable(refusal)}")
    return not refusals


def covering_wildcard(have: Sequence[str], wanted: Sequence[str]) -> str:
    """The wildcard that covers every wanted name (RFC 6125 section 6.4.3: one label); empty where none does."""
    parents = {name.partition(".")[2] for name in wanted}
    return next((each for each in have if {each.removeprefix("*.")} == parents and each.startswith("*.")), "")


def as_certificate(app: App, link: LinkSettings, lineage: ForeignLineage, now: datetime) -> Certificate:
    """In certd's words, with the issuer of the link that has the same directory: what it counts of that CA's
    allowance, and what its renewal replaces.
    """
    issuers = app.settings.issuers
    directory = directory_here(app, lineage.directory)
    same = [name for name in link.spec.issuers if issuers[name].directory == directory]
    if not same and not lineage.directory:
        same = list(link.spec.issuers[:1])
    read = read_certificate(lineage.chain_pem, lineage.key, link=link.name, issuer=IMPORTED, issued_at=now)
    return replace(
        read,
        issuer=same[0] if same else IMPORTED,
        issued_at=min(read.not_before, now),
        window_look_at=now if read.ari_id and same else None,
    )
