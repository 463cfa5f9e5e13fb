"""A proxy that reads files: implements ``ports.Target``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from certd.errors import CertdError, TargetError
from certd.model import Certificate, Generation
from certd.model.paths import OwnPath
from certd.pki.placeholder import is_placeholder, make_placeholder
from certd.ports import Outcome
from certd.system.files import NewFile, read_bounded, safe_name, write_atomic, write_together
from certd.targets.copies import PATHS, Copies
from certd.targets.hooks import Renewed
from certd.targets.layout import FILE_MODE, Layout, as_generation
from certd.targets.pointers import Pointer, Source, generation_in
from certd.targets.reloads import Reload, check


@dataclass(frozen=True, slots=True)
class FilesTarget:
    """One proxy of this node.

    Args:
        check_command: Its own judgement of its configuration; empty: none.
        paths: Copies for a configuration that names its own paths.
    """

    name: str
    endpoints: tuple[str, ...]
    layout: Layout
    pointer: Pointer
    reloading: Reload
    check_command: tuple[str, ...] = ()
    paths: Mapping[str, OwnPath] = field(default_factory=dict)

    def install(self, certificate: Certificate) -> Generation:
        """See ``ports.Target``."""
        self.layout.prepare(self.name)
        return self.layout.write(certificate)

    def install_placeholder(self, link: str, domains: Sequence[str], now: datetime) -> Generation:
        """See ``ports.Target``; one that lies there already is used again."""
        self.layout.prepare(self.name)
        for path in sorted(self.layout.folder_of(link).glob("[!.]*/fullchain.pem")):
            try:
                known = self.layout.read(link, path.parent.name, now)
                if is_placeholder(known.chain_pem) and known.covers(tuple(domains)):
                    return as_generation(known, placeholder=True)
            except CertdError:
                continue
        made = make_placeholder(link, domains, now)
        self.layout.write(made)
        return as_generation(made, placeholder=True)

    def point(self, link: str, generation: Generation) -> None:
        """See ``ports.Target``; the pointer goes last, so that it never names what is not there.

        What a stranger changed in it is put right.
        """
        folder = self.layout.generation_folder(generation)
        copies = Copies(self.paths, self.layout.group).of(link, folder, placeholder=generation.placeholder)
        if any(not copy.is_there() for copy in copies):
            write_together(copies)
        if self.pointer.by_name:
            names = self.layout.names_of(self.name)
            for domain in generation.domains:
                self._write(names / f"{safe_name(domain)}.pem", read_bounded(folder / PATHS["combined"]))

        def read(name: str) -> str:
            return read_bounded(folder / name).decode("ascii", errors="replace")

        source = Source(link=link, folder=self.layout.as_seen(folder), read=read)
        self._write(self._pointer_of(link), self.pointer.text(generation.name, source).encode())
        self.layout.show_live(generation)

    def _write(self, path: Path, data: bytes) -> None:
        file = NewFile(path=path, data=data, mode=FILE_MODE, group=self.layout.group)
        if not file.is_there():
            write_atomic(path, data, mode=FILE_MODE, group=self.layout.group)

    def pointed(self, link: str) -> Generation | None:
        """See ``ports.Target``."""
        try:
            name = generation_in(read_bounded(self._pointer_of(link)).decode(errors="replace"))
            certificate = self.layout.read(link, name, datetime.now(UTC))
            return as_generation(certificate, placeholder=is_placeholder(certificate.chain_pem))
        except CertdError:
            return None

    def pointer_path(self, link: str) -> str:
        """What the proxy's configuration must include, as the proxy sees it."""
        return self.layout.as_seen(self._pointer_of(link))

    @property
    def pointers_folder(self) -> str:
        """Where the pointers lie, as the proxy sees it."""
        return self.layout.as_seen(self.layout.pointers_of(self.name))

    def check(self) -> Outcome:
        """See ``ports.Target``."""
        return check(self.check_command)

    def reload(self, generations: Sequence[Generation] = ()) -> Outcome:
        """See ``ports.Target``."""
        return self.reloading.ask(tuple(self._renewed(each) for each in generations))

    def _renewed(self, generation: Generation) -> Renewed:
        return Renewed(
            link=generation.link, generation=generation.name, domains=generation.domains,
            folder=self.layout.generation_folder(generation),
            lineage=self.layout.public / "live" / safe_name(generation.link),
        )  # fmt: skip

    def sweep(self, keep: Mapping[str, frozenset[str]], now: datetime) -> tuple[str, ...]:
        """See ``ports.Target``."""
        return self.layout.sweep(keep, now)

    def withdraw(self, link: str) -> None:
        """Remove the pointer of a link that is forgotten. Raises TargetError."""
        pointed = self.pointed(link) if self.pointer.by_name else None
        try:
            for domain in pointed.domains if pointed else ():
                (self.layout.names_of(self.name) / f"{safe_name(domain)}.pem").unlink(missing_ok=True)
            self._pointer_of(link).unlink(missing_ok=True)
        except OSError as error:
            raise TargetError(f"{self._pointer_of(link)}: cannot be removed: {error.strerror}") from error

    def _pointer_of(self, link: str) -> Path:
        return self.layout.pointers_of(self.name) / (safe_name(link) + self.pointer.suffix)
