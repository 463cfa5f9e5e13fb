"""What was seen of a link at its addresses, judged and put into words."""

from __future__ import annotations

from collections.abc import Sequence

from certd.model import Deployment, Generation, Health, Sight


def probe_domain(deployment: Deployment) -> str:
    """The name to ask for: the first one that is not a wildcard, else a name under the wildcard."""
    plain = next((domain for domain in deployment.domains if not domain.startswith("*.")), "")
    return plain or f"certd-probe.{deployment.domains[0].removeprefix('*.')}"


def all_shown(sights: Sequence[Sight], generation: Generation) -> bool:
    """Every address that can be seen shows this certificate, well, and at least one can be seen."""
    seen = [sight for sight in sights if sight.health is not Health.BLIND]
    return bool(seen) and all(s.health is Health.GOOD and s.fingerprint == generation.fingerprint for s in seen)


def first_difference(sights: Sequence[Sight], generation: Generation) -> str:
    """The first address that shows something else, in words."""
    for sight in sights:
        if sight.health is Health.BAD:
            return f"{sight.address}: {sight.because}"
        if sight.health is Health.GOOD and sight.fingerprint != generation.fingerprint:
            return f"{sight.address} serves {sight.fingerprint[:8]}, expected {generation.fingerprint[:8]}"
    return blind_sentence(sights)


def blind_sentence(sights: Sequence[Sight]) -> str:
    """What could not be seen, in words."""
    if not sights:
        return "no endpoint to look at"
    return "; ".join(f"{sight.address}: {sight.because}" for sight in sights[:3])
