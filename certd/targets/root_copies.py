"""Copies of the pointers that belong to root: a proxy's site includes these, and never a file of certd's user.

A proxy that reads its configuration as root obeys every directive of an included file, and certd's user writes the
pointers. So the root helper (``certd-reload``) takes one thing from a pointer, the name of a generation. It writes the
two directives itself, into a folder that nobody but root can change. A copy is replaced by one rename, as a pointer is.

::

    /var/lib/certd/public/proxies/nginx/<link>.conf     certd's pointer
    /var/lib/certd-reload/nginx/<link>.conf             root's copy of it
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from certd.errors import TargetError
from certd.system.files import SAFE_NAME, read_bounded
from certd.targets.layout import safe_generation
from certd.targets.pointers import Pointer, Source, generation_in
from certd.targets.registry import KINDS

MOST_BYTES = 8192
# More entries than any node has links: a folder that is filled on purpose does not keep the helper busy.
MOST_POINTERS = 100_000

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# Found without being opened: the helper need not be able to read a key.
_FOUND = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def is_copied(kind: str) -> bool:
    """Whether the root helper copies the pointers of a kind: only what such a proxy includes is configuration."""
    return kind in KINDS and KINDS[kind].includes_pointer


def root_copies_of(state: Path, proxy: str) -> Path:
    """The folder of the copies for one proxy: beside the state folder, which certd's user could rename things in."""
    return state.with_name(f"{state.name}-reload") / proxy


def copied_generation(folder: Path, file_name: str) -> str:
    """The generation that a copy names; empty where there is no copy."""
    try:
        return generation_in(read_bounded(folder / file_name, MOST_BYTES).decode(errors="replace"))
    except TargetError:
        return ""


def copy_pointers(state: Path, proxy: str, kind: str, folder: Path) -> dict[str, str]:
    """Bring the copies of one proxy up to date, as root.

    A pointer that is refused leaves the copy before it in place. A copy without a pointer is removed once the
    generation that it names is gone.

    Args:
        state: The state folder; its parents must be root's.
        folder: Where the copies lie.

    Returns:
        Why a pointer was refused, by the link's file name without its suffix.

    Raises:
        TargetError: nothing can be copied: a folder is missing, or others than root may change the copies.
    """
    pointer = KINDS[kind].pointer
    refused: dict[str, str] = {}
    names: set[str] = set()
    with _folder(state / "public") as public, _own_folder(folder) as copies:
        with _below(public, "proxies", proxy) as pointers:
            for name in _listed(pointers, pointer.suffix):
                names.add(name)
                link = name.removesuffix(pointer.suffix)
                try:
                    _copy_one(public, pointers, copies, state / "public", pointer, link)
                except TargetError as error:
                    refused[link] = str(error)
                except OSError as error:
                    refused[link] = error.strerror or str(error)
        for name in _listed(copies, pointer.suffix):
            if name not in names and not _still_works(public, copies, name, pointer.suffix):
                os.unlink(name, dir_fd=copies)
        os.fsync(copies)
    return refused


def _copy_one(public: int, pointers: int, copies: int, path: Path, pointer: Pointer, link: str) -> None:
    """Raises TargetError for what certd never writes, OSError."""
    name = link + pointer.suffix
    data = _content(pointers, name)
    with contextlib.suppress(FileNotFoundError):
        if _content(copies, name) == data:
            return
    if not SAFE_NAME.fullmatch(link) or ".." in link:
        raise TargetError("this is not the name of a link")
    generation = safe_generation(generation_in(data.decode("ascii", errors="replace")))
    with _below(public, "certs", link, generation) as files:
        for file in ("fullchain.pem", "privkey.pem"):
            _expect_file(files, file)
    text = pointer.text(generation, Source(link=link, folder=f"{path}/certs/{link}/{generation}", read=_unread))
    if text.encode() != data:
        raise TargetError("it holds something else than the two lines that certd writes")
    _replace(copies, name, text.encode())


def _unread(name: str) -> str:
    raise TargetError(f"{name}: a copy holds no content of another file")


def _expect_file(folder: int, name: str) -> None:
    descriptor = os.open(name, _FOUND, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise TargetError(f"{name} is not a regular file")
    finally:
        os.close(descriptor)


def _content(folder: int, name: str) -> bytes:
    """A small regular file's bytes. Raises TargetError, OSError."""
    descriptor = os.open(name, _FILE, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise TargetError("it is not a regular file")
        data = os.read(descriptor, MOST_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > MOST_BYTES:
        raise TargetError(f"it is larger than {MOST_BYTES} bytes")
    return data


def _replace(folder: int, name: str, data: bytes) -> None:
    """By one rename, complete and synced. A proxy's check that runs as another user may read it: it is no secret."""
    temporary = f".{secrets.token_hex(8)}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600, dir_fd=folder)
    try:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fchmod(descriptor, 0o644)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise


def _still_works(public: int, copies: int, name: str, suffix: str) -> bool:
    """Whether a copy whose pointer is gone names files that are there: a site that includes it goes on working."""
    try:
        generation = safe_generation(generation_in(_content(copies, name).decode("ascii", errors="replace")))
        with _below(public, "certs", name.removesuffix(suffix), generation):
            return True
    except FileNotFoundError:
        return False
    except (OSError, TargetError):
        return True


def _listed(folder: int, suffix: str) -> list[str]:
    """The files of a kind, as they are called; temporary ones begin with a dot. Raises TargetError."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or not entry.name.endswith(suffix):
                continue
            found.append(entry.name)
            if len(found) > MOST_POINTERS:
                raise TargetError(f"more than {MOST_POINTERS} pointers lie there")
    return sorted(found)


@contextlib.contextmanager
def _folder(path: Path) -> Iterator[int]:
    try:
        descriptor = os.open(path, _FOLDER)
    except OSError as error:
        raise TargetError(f"{path}: {error.strerror}") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _below(folder: int, *names: str) -> Iterator[int]:
    """A folder below another one, no step through a symbolic link. Raises OSError."""
    descriptor = os.dup(folder)
    try:
        for name in names:
            deeper = os.open(name, _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = deeper
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _own_folder(path: Path) -> Iterator[int]:
    """The folder of the copies; it and all folders above belong to root alone. Raises TargetError."""
    for each in (path, *path.parents):
        try:
            status = os.stat(each, follow_symlinks=False)
        except OSError as error:
            raise TargetError(f"{each}: {error.strerror}", hint="certd install-service makes it") from error
        is_open = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not status.st_mode & stat.S_ISVTX
        if status.st_uid not in {0, os.geteuid()} or is_open or not stat.S_ISDIR(status.st_mode):
            raise TargetError(f"{each}: others than root may change it; nothing is copied there")
    with _folder(path) as descriptor:
        yield descriptor


_INCLUDE = re.compile(
    r'^[ \t]*(?:include|includeoptional|import|ssl:[ \t]*!file)[ \t]+"?([^";\s]+)', re.IGNORECASE | re.MULTILINE
)
_MOST_FILES = 5000


def included_by(folder: Path) -> dict[str, Path]:
    """What the files of a proxy's configuration include, and which file does.

    What cannot be read is passed over: the caller may be a user without rights.
    """
    found: dict[str, Path] = {}
    for count, path in enumerate(sorted(folder.rglob("*"))):
        if count >= _MOST_FILES:
            break
        try:
            text = read_bounded(path.resolve(), 1024 * 1024).decode(errors="replace")
        except (TargetError, OSError, RuntimeError):
            continue
        for included in _INCLUDE.findall(text):
            found.setdefault(included, path)
    return found
