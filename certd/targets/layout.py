"""``<state>/public``: immutable generations, and where pointers lie.

::

    certs/<link>/<generation>/{cert,chain,fullchain,privkey,combined}.pem
    proxies/<proxy>/<link>.conf        a pointer, replaced by rename
    live/<link>                        a relative symlink, for people
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from certd.errors import CertdError, TargetError
from certd.model import Certificate, Generation, Secret
from certd.pki.chain import combined_pem, issuers_pem, leaf_pem, read_certificate
from certd.pki.placeholder import is_placeholder
from certd.system.files import SAFE_NAME, link_atomic, make_folder, read_bounded, safe_name, write_folder

FOLDER_MODE = 0o750
FILE_MODE = 0o640

_GENERATION = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}(-[0-9a-f]{8})?")

# What is younger is kept, whatever points at it.
YOUNG = timedelta(days=7)


FindGroup = Callable[[], int | None]
"""Looks up who may read what is published; None: whoever runs certd. Raises TargetError for a group that is missing."""


def no_group() -> int | None:
    """Whoever runs certd, and nobody else."""
    return None


@dataclass(frozen=True, slots=True)
class Layout:
    """The public folder of a state folder.

    Args:
        find_group: Asked at each write, so that a missing group is the failure of that write.
        paths: ``{our prefix: the proxy's prefix}``: where the proxy's container sees our folder.
    """

    public: Path
    find_group: FindGroup = no_group
    paths: Mapping[str, str] = field(default_factory=dict)

    @property
    def group(self) -> int | None:
        """The group that may read what is published. Raises TargetError."""
        return self.find_group()

    def folder_of(self, link: str) -> Path:
        """Where the generations of a link lie."""
        return self.public / "certs" / safe_name(link)

    def generation_folder(self, generation: Generation) -> Path:
        """One generation's own folder."""
        return self.folder_of(generation.link) / safe_generation(generation.name)

    def pointers_of(self, proxy: str) -> Path:
        """Where a proxy's pointers lie."""
        return self.public / "proxies" / safe_name(proxy)

    def names_of(self, proxy: str) -> Path:
        """Where a proxy finds a combined file by the name asked for; made when it is first asked for."""
        folder, group = self.pointers_of(proxy) / "names", self.group
        make_folder(folder, mode=FOLDER_MODE | (0o2000 if group is not None else 0), group=group)
        return folder

    def as_seen(self, path: Path) -> str:
        """The path as the proxy sees it."""
        text = str(path)
        for ours, theirs in sorted(self.paths.items(), key=lambda pair: -len(pair[0])):
            prefix = ours.rstrip("/")
            if text == prefix or text.startswith(prefix + "/"):
                return theirs.rstrip("/") + text[len(prefix) :]
        return text

    def prepare(self, proxy: str) -> None:
        """Make the folders. The group bit makes what is written in them the group's. Raises TargetError."""
        group = self.group
        for folder in (self.public, self.public / "certs", self.public / "proxies", self.pointers_of(proxy)):
            make_folder(folder, mode=FOLDER_MODE | (0o2000 if group is not None else 0), group=group)

    def write(self, certificate: Certificate) -> Generation:
        """Write a generation complete, or leave the one that is there. Raises TargetError."""
        folder, group = self.folder_of(certificate.link), self.group
        make_folder(folder, mode=FOLDER_MODE | (0o2000 if group is not None else 0), group=group)
        generation = as_generation(certificate)
        path = self.generation_folder(generation)
        if os.path.isdir(path) and self.damaged(certificate) is not None:
            # Immutable for us; somebody else, or a disk, changed it. It is moved away, so that it can be looked at.
            aside = path.with_name(f".{path.name}.damaged")
            shutil.rmtree(aside, ignore_errors=True)
            try:
                path.rename(aside)
            except OSError as error:
                words = f"{path}: is damaged and cannot be moved away: {error.strerror}"
                raise TargetError(words, hint=f"remove {aside}") from error
        write_folder(path, _files(certificate), mode=FOLDER_MODE, file_mode=FILE_MODE, group=group)
        return generation

    def damaged(self, certificate: Certificate) -> Path | None:
        """The first of a generation's files that is not as it was written; None when all are."""
        path = self.generation_folder(as_generation(certificate))
        return next(
            (path / name for name, data in _files(certificate).items() if not _is_same(path / name, data)), None
        )

    def read(self, link: str, name: str, now: datetime) -> Certificate:
        """A generation as it lies on the disk. Raises TargetError, GateRefused."""
        folder = self.folder_of(link) / safe_generation(name)
        chain = read_bounded(folder / "fullchain.pem").decode("ascii", errors="replace")
        key = Secret(read_bounded(folder / "privkey.pem").decode("ascii", errors="replace"))
        certificate = read_certificate(chain, key, link=link, issuer="", issued_at=now)
        # One whose chain was replaced keeps its name.
        return replace(certificate, generation=name) if name.startswith(f"{certificate.generation}-") else certificate

    def folders(self, link: str) -> list[Path]:
        """The folders of the generations of a link, oldest first. Raises TargetError: they cannot be listed."""
        folder = self.folder_of(link)
        if not os.path.isdir(folder):
            return []
        try:
            names = sorted(os.listdir(folder))
        except OSError as error:
            raise TargetError(f"{folder}: cannot be listed: {error.strerror}", hint="who owns it?") from error
        return [folder / name for name in names if not name.startswith(".") and os.path.isdir(folder / name)]

    def generations(self, link: str, now: datetime) -> list[Certificate]:
        """Every generation on the disk that can be read and is no placeholder, oldest first.

        Raises:
            TargetError: the folder cannot be listed.
        """
        found = []
        for path in self.folders(link):
            try:
                certificate = self.read(link, path.name, now)
                if not is_placeholder(certificate.chain_pem):
                    found.append(certificate)
            except CertdError:
                continue
        return found

    def show_live(self, generation: Generation) -> None:
        """Move the symlink for people; no proxy reads it. Raises TargetError."""
        live = self.public / "live"
        make_folder(live, mode=FOLDER_MODE, group=self.group)
        name = safe_name(generation.link)
        link_atomic(live / name, f"../certs/{name}/{safe_generation(generation.name)}")

    def links(self) -> frozenset[str]:
        """What has a folder of certd's, as files are called."""
        folder = self.public / "certs"
        found = folder.iterdir() if folder.is_dir() else ()
        return frozenset(path.name for path in found if path.is_dir() and SAFE_NAME.fullmatch(path.name))

    def sweep(self, keep: Mapping[str, frozenset[str]], now: datetime) -> tuple[str, ...]:
        """Remove generations that nobody keeps and that are older than a week, and what a crash left half-written. Of
        a link of which nothing is kept and nothing is left, its folder, too.
        """
        gone: list[str] = []
        for link, names in keep.items():
            # What cannot be listed or looked at is one link's; the next sweep tries again.
            with contextlib.suppress(OSError):
                gone += self._sweep_link(link, names, now)
        return tuple(gone)

    def _sweep_link(self, link: str, names: frozenset[str], now: datetime) -> list[str]:
        gone = []
        folder = self.folder_of(link)
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            try:
                age = now - datetime.fromtimestamp(path.lstat().st_mtime, UTC)
            except FileNotFoundError:
                # What was being written when it was listed has its own name by now.
                continue
            if path.name not in names and age > YOUNG and path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
                gone.append(f"{link}/{path.name}")
        if not names and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
            (self.public / "live" / safe_name(link)).unlink(missing_ok=True)
        return gone


def safe_generation(name: str) -> str:
    """A generation's name as a folder's. Raises TargetError for what certd would never have called one."""
    if not _GENERATION.fullmatch(name):
        raise TargetError(f"{name!r} is no generation")
    return name


def as_generation(certificate: Certificate, *, placeholder: bool = False) -> Generation:
    """A certificate as a node deploys it."""
    return Generation(
        link=certificate.link,
        name=certificate.generation,
        fingerprint=certificate.fingerprint,
        domains=certificate.domains,
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        issuer=certificate.issuer,
        placeholder=placeholder,
    )


def _files(certificate: Certificate) -> dict[str, bytes]:
    """A generation's files by name."""
    return {
        "cert.pem": leaf_pem(certificate).encode(),
        "chain.pem": issuers_pem(certificate).encode(),
        "fullchain.pem": certificate.chain_pem.encode(),
        "privkey.pem": certificate.key.reveal().encode(),
        "combined.pem": combined_pem(certificate).reveal().encode(),
    }


def _is_same(path: Path, data: bytes) -> bool:
    try:
        return read_bounded(path) == data
    except TargetError:
        return False
