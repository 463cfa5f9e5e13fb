"""A proxy that reads files: implements ``ports.ProxyTarget``."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from certd.errors import CertdError, TargetError
from certd.model import Certificate, Generation
from certd.model.paths import OwnPath
from certd.pki.placeholder import is_placeholder, make_placeholder
from certd.ports import Inclusion, KeptFiles, Outcome, Permission, Verdict
from certd.system.files import NewFile, read_bounded, safe_name, write_atomic, write_together
from certd.targets.hooks import Renewed
from certd.targets.layout import FILE_MODE, Layout, as_generation
from certd.targets.own_paths import PATHS, Copies
from certd.targets.pointers import Pointer, Source, generation_in
from certd.targets.reloads import CHECK_DEADLINE, Auto, Reload, Signal, check
from certd.targets.root_copies import copied_generation, root_copies_of

# A first answer of the root helper, of a machine that is busy.
COPY_DEADLINE = 20.0


@dataclass(frozen=True, slots=True)
class FilesTarget:
    """One proxy of this node.

    Args:
        check_command: Its own judgement of its configuration; empty: none.
        paths: Copies for a configuration that names its own paths.
        settles: How long it may take until clients see what it took.
        root_copies: Where a root helper copies the pointers to, for the proxy to include; None where none does.
    """

    name: str
    endpoints: tuple[str, ...]
    layout: Layout
    pointer: Pointer
    reloading: Reload
    check_command: tuple[str, ...] = ()
    paths: Mapping[str, OwnPath] = field(default_factory=dict)
    deadline: timedelta = CHECK_DEADLINE
    settles: timedelta = timedelta(0)
    root_copies: Path | None = None
    least_left: timedelta = timedelta(0)

    def install(self, certificate: Certificate) -> Generation:
        """See ``ports.Target``."""
        self.layout.prepare(self.name)
        return self.layout.write(certificate)

    def install_placeholder(self, link: str, domains: Sequence[str], now: datetime) -> Generation:
        """See ``ports.Target``; one that lies there already is used again."""
        self.layout.prepare(self.name)
        for path in self.layout.folders(link):
            try:
                known = self.layout.read(link, path.name, now)
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
        copies = self._copies.of(link, folder, placeholder=generation.placeholder)
        if any(not copy.is_there() for copy in copies):
            write_together(copies)
        for file in self._pointers(link, generation, folder):
            if not file.is_there():
                write_atomic(file.path, file.data, mode=file.mode, group=file.group)
        self.layout.show_live(generation)

    @property
    def _copies(self) -> Copies:
        return Copies(self.paths, self.layout.group)

    def _pointers(self, link: str, generation: Generation, folder: Path) -> list[NewFile]:
        """What the proxy finds the generation by, the pointer last."""
        if self.pointer.by_name:
            names = self.layout.names_of(self.name)
            combined = read_bounded(folder / PATHS["combined"])
            files = [self._file(names / f"{safe_name(domain)}.pem", combined) for domain in generation.domains]
        else:
            files = []

        def read(name: str) -> str:
            return read_bounded(folder / name).decode("ascii", errors="replace")

        source = Source(link=link, folder=self.layout.as_seen(folder), read=read)
        text = self.pointer.text(generation.name, source)
        return [*files, self._file(self._pointer_of(link), text.encode())]

    def _file(self, path: Path, data: bytes) -> NewFile:
        return NewFile(path=path, data=data, mode=FILE_MODE, group=self.layout.group)

    def damage(self, certificate: Certificate) -> str:
        """See ``ports.Target``."""
        generation = as_generation(certificate)
        try:
            path = self.layout.damaged(certificate)
            if path is None:
                folder = self.layout.generation_folder(generation)
                files = [
                    *self._copies.of(certificate.link, folder, placeholder=False),
                    *self._pointers(certificate.link, generation, folder),
                ]
                path = next((file.path for file in files if not file.is_there()), None)
        except CertdError as error:
            return str(error)
        return f"{path} is not as certd wrote it" if path is not None else ""

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
        if self.root_copies is not None:
            return str(self.root_copies / self._pointer_of(link).name)
        return self.own_pointer_path(link)

    def own_pointer_path(self, link: str) -> str:
        """The pointer that certd's user writes, as the proxy sees it."""
        return self.layout.as_seen(self._pointer_of(link))

    def copied(self, link: str) -> str:
        """The generation that root's copy of the pointer names; empty where there is no copy."""
        return copied_generation(self.root_copies, self._pointer_of(link).name) if self.root_copies else ""

    @property
    def pointers_folder(self) -> str:
        """Where the pointers lie, as the proxy sees it."""
        return self.layout.as_seen(self.layout.pointers_of(self.name))

    def check(self) -> Outcome:
        """See ``ports.Target``."""
        return check(self.check_command, self.deadline)

    def reload(self, generations: Sequence[Generation] = ()) -> Outcome:
        """See ``ports.Target``."""
        return self.reloading.ask(tuple(self.renewed(each) for each in generations))

    def renewed(self, generation: Generation) -> Renewed:
        """A generation as hooks and providers get it."""
        return Renewed(
            link=generation.link,
            generation=generation.name,
            domains=generation.domains,
            folder=self.layout.generation_folder(generation),
            lineage=self.layout.public / "live" / safe_name(generation.link),
        )

    def sweep(self, keep: Mapping[str, frozenset[str]], now: datetime) -> tuple[str, ...]:
        """See ``ports.Target``."""
        return self.layout.sweep(keep, now)

    def remove_replaced(self, proved: Mapping[str, Generation], now: datetime) -> Mapping[str, str]:
        """See ``ports.Target``: a proxy that reads files has nothing elsewhere."""
        return {}

    # ------------------------------------------------------------------------------------ for commands and diagnosis

    def on_disk(self, link: str, now: datetime) -> Certificate | None:
        """See ``ports.ProxyTarget``."""
        try:
            pointed = self.pointed(link)
            return self.layout.read(link, pointed.name, now) if pointed is not None else None
        except CertdError:
            return None

    def key_files(self, certificate: Certificate) -> tuple[Path, ...]:
        """See ``ports.ProxyTarget``."""
        folder = self.layout.folder_of(certificate.link) / certificate.generation
        return folder / PATHS["key"], folder / PATHS["combined"]

    @property
    def kept_files(self) -> KeptFiles:
        """See ``ports.ProxyTarget``."""
        return KeptFiles(
            public=self.layout.public,
            pointers=self.layout.pointers_of(self.name),
            has_readers=self.layout.group is not None,
            copies=tuple(own.path for own in self.paths.values()),
        )

    def held_elsewhere(self, link: str) -> str:
        """See ``ports.ProxyTarget``; a root helper that does not answer leaves an older generation in use."""
        return self.copied(link)

    def may_load(self, user: str) -> Permission:
        """See ``ports.ProxyTarget``."""
        way = type(self.reloading).__name__.lower()
        ways = self.reloading.ways if isinstance(self.reloading, Auto) else (self.reloading,)
        if any(each.may() for each in ways):
            return Permission(is_granted=True, words=f"{user} may reload it ({way})")
        words = f"{user} cannot reload it: the method {way} is not available"
        if isinstance(self.reloading, Auto):
            words = f'{user} cannot reload it: none of the methods that reload = "auto" tries is available'
        if isinstance(self.reloading, Signal):
            words = f"{user} may not signal it, or {self.reloading.pid_file} names nobody"
        hint = "a polkit rule for this unit, a root helper (touch:), or the group of its socket"
        return Permission(is_granted=False, words=words, hint=hint)

    def inclusion(self, link: str) -> Inclusion | None:
        """See ``ports.ProxyTarget``."""
        copies = self.root_copies or root_copies_of(self.layout.public.parent, self.name)
        return Inclusion(
            pointer=self.pointer_path(link),
            own=self.own_pointer_path(link),
            copy=str(copies / self._pointer_of(link).name),
            is_copied=self.root_copies is not None,
        )

    def own_side_hint(self, link: str) -> str:
        """See ``ports.ProxyTarget``."""
        return f"include {self.pointer_path(link)} in its configuration: `certd proxy-config {link}`"

    def own_side(self, link: str, domains: Sequence[str], write: Callable[[str, str], str]) -> str:
        """See ``ports.ProxyTarget``; the pointer is there before: a site that includes nothing does not load."""
        self._see_it_copied(link)
        return write(self.pointer_path(link), self.pointers_folder)

    def _see_it_copied(self, link: str) -> None:
        """Have the root helper copy a pointer that it has not copied yet. Raises CertdError where it does not."""
        if self.root_copies is None or self.copied(link):
            return
        asked = self.reload()
        end = time.monotonic() + COPY_DEADLINE
        while not self.copied(link) and asked.verdict is Verdict.YES and time.monotonic() < end:
            time.sleep(0.1)
        if not self.copied(link):
            raise CertdError(
                f"the root helper did not copy {link}'s pointer to {self.pointer_path(link)}: {asked.words}",
                hint=f"systemctl enable --now certd-reload@{self.name}.path, then ask again",
            )

    def forget(self, link: str) -> tuple[str, ...]:
        """See ``ports.ProxyTarget``."""
        pointed = self.pointed(link) if self.pointer.by_name else None
        try:
            for domain in pointed.domains if pointed else ():
                (self.layout.names_of(self.name) / f"{safe_name(domain)}.pem").unlink(missing_ok=True)
            self._pointer_of(link).unlink(missing_ok=True)
        except OSError as error:
            raise TargetError(f"{self._pointer_of(link)}: cannot be removed: {error.strerror}") from error
        return ()

    def _pointer_of(self, link: str) -> Path:
        return self.layout.pointers_of(self.name) / (safe_name(link) + self.pointer.suffix)
