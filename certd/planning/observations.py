"""What was seen of a link at its addresses, judged and put into words."""

from __future__ import annotations

from collections.abc import Sequence

from certd.model import Deployment, Generation, Health, Observation

# What is learned by asking once more, in the other way.
EXPECTS_PROXY = "it expects the PROXY protocol, and certd does not speak it there"
EXPECTS_NO_PROXY = "it does not expect the PROXY protocol, and certd speaks it there"
WANTS_CLIENT_CERTIFICATE = "it wants a client certificate, which nobody who clicks has"

HINTS = {
    EXPECTS_PROXY: "set proxy_protocol = true of that proxy",
    EXPECTS_NO_PROXY: "leave out proxy_protocol of that proxy",
    WANTS_CLIENT_CERTIFICATE: "let the proxy ask for no client certificate at this host",
}


def hint_of(observations: Sequence[Observation], otherwise: str) -> str:
    """The way out of what was seen."""
    words = " ".join(observation.because for observation in observations)
    return next((hint for known, hint in HINTS.items() if known in words), otherwise)


def probe_domain(deployment: Deployment) -> str:
    """The name to ask for: the first one that is not a wildcard, else a name under the wildcard; one that the
    certificate to be served covers, wherever it covers any that is wanted.
    """
    wanted = deployment.wanted
    names = [domain for domain in deployment.domains if wanted is not None and domain in wanted.domains]
    names = names or list(deployment.domains)
    plain = next((domain for domain in names if not domain.startswith("*.")), "")
    return plain or f"certd-probe.{names[0].removeprefix('*.')}"


def all_show(observations: Sequence[Observation], generation: Generation) -> bool:
    """Every address that can be seen shows this certificate, well, and at least one can be seen."""
    seen = [observation for observation in observations if observation.health is not Health.BLIND]
    return bool(seen) and all(s.health is Health.GOOD and shows(s, generation) for s in seen)


def shows(observation: Observation, generation: Generation) -> bool:
    """Whether a handshake showed this certificate; where its chain was replaced, with the new chain."""
    is_leaf = observation.fingerprint == generation.fingerprint
    return is_leaf and generation.chain in {"", observation.chain}


def first_difference(observations: Sequence[Observation], generation: Generation) -> str:
    """The first address that shows something else, in words."""
    for observation in observations:
        if observation.health is Health.BAD:
            return f"{observation.address}: {observation.because}"
        if observation.health is Health.GOOD and observation.fingerprint != generation.fingerprint:
            return f"{observation.address} serves {observation.fingerprint[:8]}, expected {generation.fingerprint[:8]}"
        if observation.health is Health.GOOD and not shows(observation, generation):
            return f"{observation.address} sends the chain before, expected the one that replaced it"
    return blind_sentence(observations)


def blind_sentence(observations: Sequence[Observation]) -> str:
    """What could not be seen, in words."""
    if not observations:
        return "no endpoint to look at"
    return "; ".join(f"{observation.address}: {observation.because}" for observation in observations[:3])
