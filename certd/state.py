"""The state folder of a configuration: its folders and its stores."""

from __future__ import annotations

import importlib
import os

from certd.config.settings import Settings
from certd.config.types import secret
from certd.errors import CertdError, CredentialMissing, TargetError
from certd.model import Secret
from certd.store.stores import Stores, open_stores
from certd.system.files import make_folder
from certd.system.rights import become


def become_owner(settings: Settings) -> None:
    """What root runs becomes the owner of the state folder first, so that root leaves no file that the service cannot
    write. Whoever makes the folders or opens the stores passes here.

    Raises OSError.
    """
    if os.geteuid() != 0 or not settings.state.exists():
        return
    status = settings.state.stat()
    if status.st_uid != 0:
        become(status.st_uid, status.st_gid)


def prepare_state(settings: Settings) -> None:
    """Make the folders of a state folder as its owner, the private one closed to everybody else. Raises TargetError."""
    become_owner(settings)
    try:
        settings.state.mkdir(parents=True, exist_ok=True, mode=0o755)
    except OSError as error:
        raise TargetError(f"certd.state: {settings.state} cannot be made: {error.strerror}") from error
    make_folder(settings.private, mode=0o700)
    # Where certd asks a helper to reload a proxy; a proxy's container may mount this folder alone.
    make_folder(settings.state / "reload", mode=0o770)


def stores_of(settings: Settings, *, repair: bool = False, judge: bool = True, sealed: bool = False) -> Stores:
    """Open the stores of a configuration, as the owner of the state folder.

    Args:
        repair: Move a damaged file aside.
        judge: Whether the seal must fit.
        sealed: Where the seal's key was not passed to this process, do without: what is sealed stays so.

    Raises:
        CredentialMissing: a credential is needed that this process was not passed.
    """
    become_owner(settings)
    keys: list[Secret] | CertdError
    try:
        keys = [secret(reference, folder=settings.path.parent) for reference in settings.seal]
    except CredentialMissing as error:
        if not sealed:
            raise
        keys = error
    if settings.store == "sqlite":
        return open_stores(settings.private, settings.node, seal_keys=keys, repair=repair, judge=judge)
    try:
        postgres = importlib.import_module("certd.store.postgres")
    except ImportError as error:
        raise CertdError(f"certd.store: {error}", hint='install certd with its extra "postgres"') from error
    password = secret(settings.store_password, folder=settings.path.parent) if settings.store_password else None
    shared = postgres.PostgresDatabase(settings.store, password)
    return open_stores(settings.private, settings.node, seal_keys=keys, shared=shared, repair=repair, judge=judge)
