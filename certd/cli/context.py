"""What commands share: the configuration, the stores, and whose rights they work with."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

import click

from certd.cli.caller import caller
from certd.config.choices import known_choices
from certd.config.credentials import credentials_in
from certd.config.loader import load
from certd.config.settings import LinkSettings, Settings
from certd.errors import CertdError, UsageError
from certd.read_model import ReadModel
from certd.state import become_owner, stores_of
from certd.store.stores import DATABASE, NODE_DATABASE, Stores
from certd.system.clock import SystemClock
from certd.system.lock import LOCK_FILE, StateLock


def settings_of(context: click.Context) -> Settings:
    """The configuration of ``--config``. Raises ConfigurationError."""
    settings = load(path_of(context), known_choices())
    # For whoever has to say how a command is passed them.
    context.obj["credentials"] = credentials_in(settings)
    return settings


def path_of(context: click.Context) -> Path:
    """The configuration file, absolute, so that a later change of folder does not matter."""
    return Path(os.path.abspath(context.obj["config"]))


def by_of(context: click.Context) -> str:
    """Who ran this command, noted before any rights were given up."""
    return str(context.obj.get("by", "")) or caller()


def may_work_on(settings: Settings, *, complaining: bool = True) -> bool:
    """Whether this user may do certd's work itself: root, and whoever owns the state.

    Raises:
        CertdError: not, and ``complaining``.
    """
    allowed = os.geteuid() == 0 or not settings.state.exists() or settings.state.stat().st_uid == os.geteuid()
    if not allowed and complaining:
        raise CertdError(
            f"certd is not running, and this user may not work on {settings.state}",
            hint="use sudo, or start it: systemctl start certd",
        )
    return allowed


def read_model_of(settings: Settings) -> ReadModel | None:
    """The configuration over the stores, to tell how things stand. None where certd never ran."""
    stores = existing_stores(settings, sealed=True)
    return None if stores is None else ReadModel(settings, stores, SystemClock())


def existing_stores(settings: Settings, *, sealed: bool = False) -> Stores | None:
    """The stores as they are; None where certd never ran.

    Args:
        sealed: No private key is needed, so the seal's key need not be there.
    """
    become_owner(settings)
    if settings.private.exists() and not os.access(settings.private, os.X_OK):
        raise UsageError(f"{settings.private}: this user may not read the state", hint="use sudo")
    if not any((settings.private / name).exists() for name in (DATABASE, NODE_DATABASE)):
        return None
    return stores_of(settings, sealed=sealed)


def is_running(settings: Settings) -> bool:
    """Whether a certd works on the state folder now: the daemon, or a command that does its work."""
    return StateLock(settings.private / LOCK_FILE).is_taken()


def choose_links(settings: Settings, names: tuple[str, ...]) -> tuple[LinkSettings, ...]:
    """The links named, or all. Raises UsageError for one that there is not, with the nearest name."""
    if not names:
        return settings.links
    found = []
    for name in names:
        link = settings.link(name)
        if link is None:
            known = [each.name for each in settings.links]
            near = difflib.get_close_matches(name, known, n=1)
            hint = f'did you mean "{near[0]}"?' if near else f"links: {', '.join(known[:10]) or 'none'}"
            raise UsageError(f"{name}: there is no such link", hint=hint)
        found.append(link)
    return tuple(found)


def known_issuer(settings: Settings, issuer: str) -> str:
    """The issuer that is meant. Raises UsageError."""
    used = {name for link in settings.links for name in link.spec.issuers}
    if not issuer and len(used) == 1:
        return next(iter(used))
    if not issuer:
        raise UsageError("say which issuer", hint=f"one of {', '.join(sorted(used)) or ', '.join(settings.issuers)}")
    if issuer not in settings.issuers:
        raise UsageError(f"{issuer}: there is no such issuer", hint=f"known here: {', '.join(settings.issuers)}")
    return issuer


def links_with_labels(links: tuple[LinkSettings, ...], labels: tuple[str, ...]) -> tuple[LinkSettings, ...]:
    """Those that have every one of these labels, ``KEY=VALUE``. Raises UsageError where none has."""
    for label in labels:
        key, equals, value = label.partition("=")
        if not equals:
            raise UsageError(f"{label}: a label is KEY=VALUE", hint="such as --label brand=x")
        links = tuple(link for link in links if link.spec.labels.get(key) == value)
        if not links:
            raise UsageError(f"no link has the label {label}")
    return links
