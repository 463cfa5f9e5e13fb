"""``certd backup`` and ``certd restore``."""

from __future__ import annotations

import contextlib
import io
import os
import tarfile
import time
from pathlib import Path
from typing import BinaryIO

import click

from certd.cli.context import read_model_of, settings_of
from certd.cli.output import warn
from certd.config.settings import Settings
from certd.config.types import is_reference, secret
from certd.daemon.run import LOCK
from certd.errors import CertdError, UsageError
from certd.model import Secret
from certd.state import prepare_state, stores_of
from certd.store.encrypted_backup import MAGIC, decrypt, encrypt, is_encrypted
from certd.store.stores import DATABASE, NODE_DATABASE, RESTORED, SEAL_KEY, quarantine
from certd.system.files import write_atomic
from certd.system.lock import StateLock
from certd.system.regular_file import open_regular

MOST_BYTES = 1024 * 1024 * 1024
NAMES = (DATABASE, NODE_DATABASE, SEAL_KEY)


PASSPHRASE = click.option(
    "--passphrase",
    default="",
    metavar="REFERENCE",
    help="The passphrase of an encrypted backup: file:/etc/certd/passphrase, or env:NAME.",
)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@PASSPHRASE
@click.pass_context
def backup(context: click.Context, file: Path, passphrase: str) -> None:
    """Write the store and the seal key to FILE (mode 0600), also while certd runs.

    With --passphrase FILE is encrypted (AES-256-GCM, scrypt). Without it, FILE opens every private key: keep it as you
    keep those. A PostgreSQL store is copied by pg_dump; FILE then holds this node's own part.

    \b
    Examples:
      certd backup /var/backups/certd.backup --passphrase file:/etc/certd/passphrase
      certd backup /var/backups/certd.tar
    """
    settings = settings_of(context)
    # Before a file is made: a wrong reference is a mistake of the command line.
    key = passphrase_of(settings, passphrase)
    # Opened as whoever asks, before the rights are given up: it may lie where only root writes.
    descriptor = _new_file(file)
    try:
        names = _write(settings, descriptor, key)
    except BaseException:
        # Half a backup is none; what was there before it was not touched. Whoever gave up rights leaves it empty.
        with contextlib.suppress(OSError):
            file.unlink()
        raise
    click.echo(f"{file}: {', '.join(names)}{', encrypted' if key is not None else ''}")
    if key is None:
        warn(f"{file} is not encrypted: it opens every private key to its reader. `--passphrase file:PATH` encrypts it")
    if settings.store != "sqlite":
        click.echo("the shared store is PostgreSQL's: back it up with pg_dump", err=True)
    if settings.seal:
        click.echo("the seal key is not in it: it is yours to keep (certd.seal)", err=True)


def passphrase_of(settings: Settings, reference: str) -> Secret | None:
    """The passphrase that a reference names; None for none. Raises UsageError where it is no reference."""
    if not reference:
        return None
    if not is_reference(reference):
        raise UsageError("--passphrase: must be a reference, never the passphrase itself", hint="file:PATH or env:NAME")
    return secret(reference, folder=settings.path.parent)


def _write(settings: Settings, descriptor: int, passphrase: Secret | None) -> list[str]:
    names = []
    with os.fdopen(descriptor, "wb") as target:
        read_model = read_model_of(settings)
        if read_model is None:
            raise UsageError("certd has not run here; there is nothing to back up")
        copy = settings.private / f".backup-{os.getpid()}-{time.time_ns()}"
        try:
            read_model.stores.own.copy_to(copy)
            own = DATABASE if settings.store == "sqlite" else NODE_DATABASE
            plain = io.BytesIO()
            with tarfile.open(fileobj=target if passphrase is None else plain, mode="w") as archive:
                _add(archive, own, copy.read_bytes())
                names.append(own)
                seal = settings.private / SEAL_KEY
                if not settings.seal and seal.exists():
                    _add(archive, SEAL_KEY, seal.read_bytes())
                    names.append(SEAL_KEY)
            if passphrase is not None:
                target.write(encrypt(plain.getvalue(), passphrase))
        finally:
            copy.unlink(missing_ok=True)
        target.flush()
        os.fsync(target.fileno())
    return names


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--replace", is_flag=True, help="Move aside the store that is there.")
@PASSPHRASE
@click.pass_context
def restore(context: click.Context, file: Path, replace: bool, passphrase: str) -> None:
    """Put back what `certd backup` wrote; certd must not run.

    At its next start certd adopts what is newer on the disk, removes leftover TXT records, and
    orders nothing that is not due.

    \b
    Examples:
      certd restore /var/backups/certd.tar
      certd restore /var/backups/certd.tar --replace
    """
    settings = settings_of(context)
    found = _read(file, passphrase_of(settings, passphrase))
    prepare_state(settings)
    lock = StateLock(settings.private / LOCK)
    lock.take()
    try:
        there = [name for name in NAMES if (settings.private / name).exists()]
        if there and not replace:
            raise UsageError(
                f"{settings.private} holds a store already ({', '.join(there)})",
                hint="--replace moves it aside; nothing is deleted",
            )
        for name in there:
            aside = quarantine(settings.private / name)
            click.echo(f"{name}: moved to {aside.name}")
        for name, data in found.items():
            write_atomic(settings.private / name, data, mode=0o600)
        write_atomic(settings.private / RESTORED, b"", mode=0o600)
        _judge(settings)
    finally:
        lock.release()
    click.echo(f"restored: {', '.join(found)}; start certd now")


def _judge(settings: Settings) -> None:
    """It opens with its seal key."""
    stores = stores_of(settings)
    stores.close()


def _new_file(file: Path) -> int:
    try:
        return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except FileExistsError as error:
        raise UsageError(f"{file} is there already", hint="name another file; nothing is overwritten") from error
    except OSError as error:
        raise CertdError(f"{file}: cannot be written: {error.strerror}") from error


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(data), 0o600, int(time.time())
    archive.addfile(member, io.BytesIO(data))


def _read(file: Path, passphrase: Secret | None = None) -> dict[str, bytes]:
    """The members that certd knows, of a plain backup or of an encrypted one. Raises CertdError, UsageError."""
    try:
        with open_regular(file) as archive:
            size = os.fstat(archive.fileno()).st_size
            if not is_encrypted(archive.read(len(MAGIC))):
                archive.seek(0)
                return _members(file, archive, size)
            if passphrase is None:
                raise UsageError(f"{file} is encrypted", hint="name its passphrase: --passphrase file:PATH")
            if size > MOST_BYTES:
                raise CertdError(f"{file}: is larger than {MOST_BYTES} bytes")
            archive.seek(0)
            content = archive.read()
    except OSError as error:
        raise CertdError(f"{file}: cannot be read: {error.strerror or error}") from error
    try:
        plain = decrypt(content, passphrase)
    except CertdError as error:
        raise CertdError(f"{file}: {error}", hint=error.hint) from error
    return _members(file, io.BytesIO(plain), len(plain))


def _members(file: Path, archive: BinaryIO, left: int) -> dict[str, bytes]:
    """The members that certd knows; nothing is unpacked by its own name.

    Only plain files are read, header by header: what a header says of others (sparse files, extended headers) may be
    larger than the whole backup, or lead back to where it began. Sizes are held against the file's own.

    Args:
        left: The archive's size in bytes.

    Raises:
        CertdError: it is no backup, or a damaged one.
    """
    found: dict[str, bytes] = {}
    try:
        # A block of zeros ends it; a backup that ends without one is cut off, and may lack its key.
        while (block := archive.read(tarfile.BLOCKSIZE)) != bytes(tarfile.BLOCKSIZE):
            member = tarfile.TarInfo.frombuf(block, tarfile.ENCODING, "surrogateescape")
            left -= tarfile.BLOCKSIZE
            if not 0 <= member.size <= min(left, MOST_BYTES):
                raise CertdError(f"{file}: is damaged: {member.name!r} is said to have {member.size} bytes")
            length = -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
            left -= length
            if member.name not in NAMES:
                archive.seek(length, os.SEEK_CUR)
                continue
            if member.type not in {tarfile.REGTYPE, tarfile.AREGTYPE} or member.name in found:
                raise CertdError(f"{file}: is damaged: {member.name} is no plain file, or is there twice")
            found[member.name] = archive.read(length)[: member.size]
    except (tarfile.TarError, OSError, ValueError) as error:
        raise CertdError(f"{file}: is no backup of certd's: {error}") from error
    if DATABASE not in found and NODE_DATABASE not in found:
        raise CertdError(f"{file}: is no backup of certd's: there is no store in it")
    return found
