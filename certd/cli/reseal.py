"""``certd reseal``: private keys in the store under another seal key."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from certd.cli.consent import consent
from certd.cli.context import by_of, settings_of
from certd.config.settings import Settings
from certd.control.protocol import Question, Verb, ask
from certd.control.server import CONTROL
from certd.daemon.run import LOCK
from certd.errors import CertdError, GateRefused, TargetError, UsageError
from certd.model import Secret
from certd.state import prepare_state, stores_of
from certd.store.history import History
from certd.store.reseal import Finder, Resealed, reseal_all
from certd.store.seal import keys_in, new_seal_key
from certd.store.stores import SEAL_KEY, Stores
from certd.system.files import write_atomic
from certd.system.lock import StateLock
from certd.targets.layout import Layout
from certd.timefmt import counted


@click.command()
@click.option(
    "--new-key", is_flag=True, help="Generate a new key where certd keeps the key itself (certd.seal is empty)."
)
@click.option("--from-disk", is_flag=True, help="The old key is lost: take the keys of certificates from the disk.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def reseal(context: click.Context, new_key: bool, from_disk: bool, yes: bool) -> None:
    """Re-encrypt all private keys in the store with the first key of certd.seal, or with a newly generated key.

    To change your own key, set seal = ["file:new", "file:old"] and restart certd. With several nodes restart each
    one first with the new key second, then with the new key first. Then run `certd reseal`, and set seal =
    "file:new". You may interrupt the command and repeat it.

    With --new-key and --from-disk certd must not run. With --from-disk certd gives up open orders, accounts and
    certificates whose key it finds nowhere. Everything that is served stays.

    \b
    Examples:
      certd reseal
      certd reseal --new-key
      certd reseal --from-disk --yes
    """
    settings = settings_of(context)
    if new_key and settings.seal:
        raise UsageError(
            "certd.seal names keys of yours", hint='put the new one first: seal = ["file:new", "file:old"]'
        )
    if new_key and from_disk:
        raise UsageError("--new-key needs the old key; where it is lost, --from-disk takes the new one that is there")
    prepare_state(settings)
    if from_disk:
        consent("Give up what only the lost key opened (accounts, open orders)?", yes=yes)
    running = None if new_key or from_disk else ask(settings.state / CONTROL, Question(verb=Verb.PING))
    if running is not None:
        stores = stores_of(settings)
        if stores.lineages.seal.kid not in running.data.get("seal", ()):
            raise CertdError("the running certd does not know the new key yet", hint="restart it, then run this again")
        done = reseal_store(stores, None, by_of(context))
    else:
        lock = StateLock(settings.private / LOCK)
        lock.take()
        try:
            done = with_state_lock(settings, by_of(context), new_key=new_key, from_disk=from_disk)
        finally:
            lock.release()
    click.echo(
        f"{counted(done.count, 'value')} {'is' if done.count == 1 else 'are'} sealed with the new key"
        + (f", {done.found} from the disk" if done.found else "")
    )
    for words in done.lost:
        click.echo(f"given up: {words}", err=True)
    click.echo("make a new backup: those made before need the old key", err=True)


def with_state_lock(settings: Settings, by: str, *, new_key: bool, from_disk: bool) -> Resealed:
    """With the state's lock held."""
    path = settings.private / SEAL_KEY
    if new_key:
        # Both are on the disk before the first value is sealed anew, and until the last one is.
        following = new_seal_key()
        kept = [key.reveal() for key in keys_in(path)]
        write_atomic(path, "\n".join([following.reveal(), *kept, ""]).encode(), mode=0o600)
    stores = stores_of(settings, judge=not from_disk)
    done = reseal_store(stores, on_disk(settings) if from_disk else None, by)
    if not settings.seal:
        write_atomic(path, (keys_in(path)[0].reveal() + "\n").encode(), mode=0o600)
    return done


def reseal_store(stores: Stores, finder: Finder | None, by: str) -> Resealed:
    """Do it, and write it down."""
    shared = stores.lineages.database
    try:
        done = reseal_all(shared, stores.own, stores.lineages.seal, finder)
    except CertdError as error:
        raise type(error)(str(error), hint="--from-disk, where the old key is lost") from error
    because = f"{counted(done.count, 'value')}, key {stores.lineages.seal.kid}"
    History(shared).write("", "sealed anew", by, "; ".join([because, *done.lost]))
    stores.close()
    return done


def on_disk(settings: Settings) -> Finder:
    """Looks for a generation's key among what is published."""
    layout = Layout(settings.public)

    def find(link: str, generation: str) -> Secret | None:
        try:
            return layout.read(link, generation, datetime.now(UTC)).key
        except (TargetError, GateRefused):
            return None

    return find
