"""What is wanted of links and what is known of them: the configuration over the stores, to read and to judge by.

Whoever tells people how things stand needs no more. The adapters that act on it are ``App``'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from certd.config.fingerprint import Fingerprints
from certd.config.settings import Settings
from certd.dns.registry import anycast_grace
from certd.errors import CertdError
from certd.model import CertificateSpec, Desired, IssuerTerms, LineageFacts
from certd.planning.issuers import choose_issuer, issuer_of
from certd.store.stores import Stores

if TYPE_CHECKING:
    from certd.ports import Clock


class ReadModel:
    """Of one configuration."""

    def __init__(self, settings: Settings, stores: Stores, clock: Clock) -> None:
        self.settings = settings
        self.stores = stores
        self.clock = clock
        self._marks = Fingerprints(settings)

    def terms(self, link: str, issuer: str) -> IssuerTerms:
        """What planning needs to know of an issuer. Raises CertdError where the configuration has none."""
        settings = self.settings.issuers.get(issuer)
        if settings is None:
            raise CertdError(f"{link}: issuer.{issuer} is not in this node's configuration")
        return IssuerTerms(
            name=settings.name,
            profile=settings.profile,
            preferred_chain=settings.preferred_chain,
            pause_after_failed_validation=settings.pause_after_failed_validation,
            weekly_same_names=settings.weekly_same_names,
            staging=settings.staging,
            limits=settings.limits,
        )

    def desired(self, link: str, facts: LineageFacts | None = None, dependency: str = "") -> Desired | None:
        """What is wanted of a lineage, from the store; None for an orphan.

        Args:
            dependency: That it was taken from: one from the lane of an issuer that is away is its probe.
        """
        spec = self.stores.specs.of(link)
        return None if spec is None else self.desired_for(spec, facts, probing=issuer_of(dependency))

    def desired_for(
        self,
        spec: CertificateSpec,
        facts: LineageFacts | None = None,
        away: Mapping[str, datetime] | None = None,
        probing: str = "",
    ) -> Desired:
        """The same for a wish, and issuers that are away, that were read already."""
        name = spec.issuers[0]
        before = self._issuer_before(spec, facts)
        if facts is not None and (len(spec.issuers) > 1 or before):
            away = self.issuers_away() if away is None else away
            name = choose_issuer(spec.issuers, facts, self.clock.now(), away, probing, before)
        terms = self.terms(spec.link, name)
        dns = self.settings.dns.get(spec.dns)
        mark = self._marks.of(spec, name)
        if dns is None:
            return Desired(spec=spec, issuer=terms, mark=mark)
        grace = anycast_grace(dns.provider) if dns.anycast_grace is None else dns.anycast_grace
        return Desired(
            spec=spec, issuer=terms, propagation_timeout=dns.propagation_timeout, anycast_grace=grace, mark=mark
        )

    def _issuer_before(self, spec: CertificateSpec, facts: LineageFacts | None) -> str:
        """The issuer of the current certificate, where another one is wanted now and this one may still be asked."""
        name = facts.current.issuer if facts is not None and facts.current is not None else ""
        settings = self.settings.issuers.get(name)
        may_be_asked = settings is not None and settings.terms_agreed and settings.roots_are_public
        return name if may_be_asked and name not in spec.issuers else ""

    def issuers_away(self) -> dict[str, datetime]:
        """Issuers that do not answer, since when."""
        dependencies = self.stores.lineages.dependencies()
        return {
            name: dependency.away_since for dependency in dependencies if (name := issuer_of(dependency.dependency))
        }
