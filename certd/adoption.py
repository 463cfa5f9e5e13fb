"""Taking in what lies on the disk and is good: a store that was lost or damaged orders nothing that is still good
(design.md, Facts, not nodes).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from certd.errors import CertdError, GateRefused, RowDamaged, SealBroken, StoreError
from certd.model import Certificate, CertificateSpec
from certd.ports import Clock, Journal, LineageStore


@dataclass(frozen=True, slots=True)
class Adoption:
    """Adopts the best generation on the disk for a lineage that has no certificate.

    Args:
        generations: What lies on the disk for a link, the newest last.
        gate: Raises GateRefused for what is not good for these names.
    """

    store: LineageStore
    generations: Callable[[str, datetime], Sequence[Certificate]]
    gate: Callable[[Certificate, Sequence[str], datetime], None]
    clock: Clock
    journal: Journal

    def adopt_missing(self, specs: Iterable[CertificateSpec]) -> list[str]:
        """For every lineage without a certificate in the store; returns the links that took one in."""
        return [spec.link for spec in specs if not self._is_known(spec.link) and self._adopt_alone(spec)]

    def adopt_newer(self, specs: Iterable[CertificateSpec]) -> list[str]:
        """For every lineage: after a store was put back from a copy, what lies on the disk may be newer."""
        return [spec.link for spec in specs if self._adopt_alone(spec)]

    def _adopt_alone(self, spec: CertificateSpec) -> bool:
        """Adopt; what is wrong with the files of one link, or with its trust anchors, keeps no other link waiting."""
        try:
            return self.adopt(spec)
        except RowDamaged:
            # Whoever holds its lease repairs it first.
            return False
        except (StoreError, SealBroken):
            raise
        except (CertdError, OSError, ValueError) as error:
            self.journal.warn("not adopted", link=spec.link, reason=str(error))
            return False

    def adopt(self, spec: CertificateSpec) -> bool:
        """Take in the newest good one; False where there is none, or none that is new."""
        now = self.clock.now()
        found = tuple(reversed(self.generations(spec.link, now)))
        good = [certificate for each in found if (certificate := self._named(each, spec, spec.domains, now))]
        if not good and not self._is_known(spec.link):
            # A certificate that lacks a name is renewed as it is while that name cannot be had.
            good = [certificate for each in found if (certificate := self._named_partly(each, spec, now))]
        for certificate in good:
            if self._is_taken(certificate):
                self.journal.say(
                    "adopted",
                    link=spec.link,
                    generation=certificate.generation,
                    reason="it lies on the disk and is good",
                )
                return True
        return False

    def _is_taken(self, certificate: Certificate) -> bool:
        try:
            return self.store.adopt(certificate)
        except GateRefused as error:
            self.journal.warn(
                "not adopted", link=certificate.link, generation=certificate.generation, reason=str(error)
            )
            return False

    def _is_known(self, link: str) -> bool:
        """Whether the store has a certificate. A damaged row counts as one: its holder repairs it first."""
        try:
            return self.store.facts(link).current is not None
        except RowDamaged:
            return True

    def _named_partly(self, found: Certificate, spec: CertificateSpec, now: datetime) -> Certificate | None:
        """The same for what covers a part of the wanted names."""
        covered = tuple(domain for domain in spec.domains if domain in found.domains)
        return self._named(found, spec, covered, now) if covered else None

    def _named(
        self, found: Certificate, spec: CertificateSpec, domains: Sequence[str], now: datetime
    ) -> Certificate | None:
        """The certificate with the name of the issuer that it leads to; None where it is not good for this link."""
        for issuer in spec.issuers:
            certificate = replace(found, issuer=issuer, window_look_at=now if found.ari_id else None)
            try:
                self.gate(certificate, domains, now)
            except GateRefused:
                continue
            return certificate
        return None
