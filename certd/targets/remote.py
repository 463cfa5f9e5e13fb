"""What an API target asks of a provider that terminates TLS itself: a CDN, a cloud's certificate store.

A provider is one adapter that implements ``Remote``. The order of the steps is the same for all: upload, remember the
provider's name before anything else, prove by handshake, and only then remove what is replaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from certd.model import Leftover, Secret
from certd.pki.chain import load_chain, names_of
from certd.system.files import read_bounded
from certd.targets.hooks import Renewed

__all__ = ["ODD_ANSWERS", "ODD_WORDS", "Leftover", "Pair", "Remote", "RemoteMemory"]

# What taking apart an answer raises that is JSON and not the provider's.
ODD_ANSWERS = (LookupError, TypeError, ValueError, AttributeError)
ODD_WORDS = "the answer is not what the provider documents; does something in between answer for it?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What is uploaded: certificate, chain and key of one generation.

    Attributes:
        leaf: PEM, one block.
        chain: PEM, the intermediates in order; empty where the CA gives none.
    """

    link: str
    generation: str
    leaf: str
    chain: str
    key: Secret

    @classmethod
    def of(cls, one: Renewed) -> Pair:
        """Read it from the generation's files. Raises TargetError."""
        leaf, chain, key = (
            read_bounded(one.folder / f"{part}.pem").decode("ascii", errors="replace")
            for part in ("cert", "chain", "privkey")
        )
        return cls(link=one.link, generation=one.generation, leaf=leaf, chain=chain, key=Secret(key))

    @property
    def names(self) -> tuple[str, ...]:
        """The DNS names of the leaf."""
        return names_of(load_chain(self.leaf)[0])


class RemoteMemory(Protocol):
    """What certd remembers of one link at one provider. Each write is on disk when it returns."""

    def name(self, role: str) -> str:
        """The provider's name for the link's object of this role; empty where certd made none."""
        ...

    def keep(self, role: str, name: str) -> None:
        """Remember the name. An adapter calls this first of all after an answer that made or renamed an object."""
        ...

    def leave(self, leftover: Leftover) -> None:
        """Note what must be removed later. An adapter calls this before the request that replaces it."""
        ...

    def leftovers(self) -> Sequence[Leftover]:
        """What is not removed yet, oldest first."""
        ...

    def forget(self, leftover: Leftover) -> None:
        """It is gone at the provider."""
        ...


class Remote(Protocol):
    """One account at a provider. Every call is bounded in time; no answer's key reaches a log or an error."""

    def hindrance(self) -> str:
        """Why certificates cannot be uploaded now, in words with the way out; empty where they can.

        Changes nothing at the provider.
        """
        ...

    def bring(self, pair: Pair, memory: RemoteMemory) -> str:
        """Make the provider serve this pair. Asking twice changes nothing; after a lost answer it looks for what the
        lost request made instead of repeating it.

        Returns:
            What it did, in words for the operator.

        Raises:
            CertdError: with the provider's own words; ProviderRefused where it refuses, with ``again_after`` and
                ``for_all`` where every link would hear the same.
        """
        ...

    def remove(self, leftover: Leftover) -> bool:
        """Remove an object that was replaced. What is gone already counts as removed.

        Returns:
            False where the provider still uses it: it is tried again later.

        Raises:
            CertdError: the provider cannot be asked or refuses.
        """
        ...
