"""``paths``: copies of a certificate's files where an existing configuration wants them, with its owner and mode.

All of a link's are written beside their places first and renamed then, one after the other: a full disk or a folder
that is not ours leaves the old pair whole. Between two renames a proxy that loads just then sees two halves; who can,
names one combined file.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from certd.errors import CertdError, TargetError
from certd.model.paths import OwnPath
from certd.pki.placeholder import is_placeholder
from certd.system.files import NewFile, read_bounded, safe_name

# What the files of ``paths`` are called, and which of a generation's they are.
PATHS = {
    "cert": "cert.pem",
    "chain": "chain.pem",
    "fullchain": "fullchain.pem",
    "key": "privkey.pem",
    "combined": "combined.pem",
}
SHOWS_CERTIFICATE = ("fullchain", "combined", "cert")

_MOVE = "move it away, or name another place in proxy.NAME.paths"


@dataclass(frozen=True, slots=True)
class Copies:
    """The ``paths`` of a proxy.

    Args:
        group: Whose they are where none is said; None: whoever runs certd.
    """

    paths: Mapping[str, OwnPath]
    group: int | None = None

    def of(self, link: str, folder: Path, *, placeholder: bool) -> list[NewFile]:
        """The files to write for a link. A placeholder takes the place of nothing but a placeholder.

        Raises:
            TargetError: a user or group does not exist, a file of the generation cannot be read, or something lies in
                the way of a placeholder that is not a certificate.
        """
        if placeholder and self._is_taken(link):
            return []
        return [
            NewFile(
                path=self._path(each, link),
                data=read_bounded(folder / PATHS[kind]),
                mode=each.mode,
                owner=user_id(each.owner),
                group=group_id(each.group) if each.group else self.group,
            )
            for kind, each in self.paths.items()
        ]

    def _is_taken(self, link: str) -> bool:
        """Whether a certificate of the operator's lies there: it may be what clients get today.

        Raises:
            TargetError: something lies there with which no program can start. It is not ours, so it stays.
        """
        there = {kind: self._path(each, link) for kind, each in self.paths.items()}
        found = {kind: path for kind, path in there.items() if os.path.exists(path)}
        for path in found.values():
            if not os.path.isfile(path):
                raise TargetError(f"{path}: certd cannot write here: this is not a file", hint=_MOVE)
        for kind in SHOWS_CERTIFICATE:
            if kind in found:
                return not self._holds_placeholder(found[kind])
        return bool(found)

    @staticmethod
    def _holds_placeholder(path: Path) -> bool:
        try:
            # Theirs may be a symbolic link, as certbot's are.
            return is_placeholder(read_bounded(Path(os.path.realpath(path))).decode("ascii", errors="replace"))
        except CertdError as error:
            words = f"{path}: certd writes no placeholder over this file, in which it finds no certificate ({error})"
            raise TargetError(words, hint=_MOVE) from error

    def _path(self, own: OwnPath, link: str) -> Path:
        return Path(own.path.replace("{link}", safe_name(link)))


def user_id(name: str) -> int | None:
    """A user's number; None for none. Raises TargetError."""
    if not name:
        return None
    try:
        return int(name) if name.isdigit() else pwd.getpwnam(name).pw_uid
    except KeyError:
        raise TargetError(f'there is no user "{name}"', hint="owner of proxy.NAME.paths") from None


def group_id(name: str) -> int:
    """A group's number. Raises TargetError."""
    try:
        return int(name) if name.isdigit() else grp.getgrnam(name).gr_gid
    except KeyError:
        raise TargetError(f'there is no group "{name}"', hint="group of proxy.NAME.paths") from None
