"""Looking at every address of every endpoint: implements ``ports.EndpointProber``."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence

from certd.model import Health, Observation
from certd.ports import Clock
from certd.probes.handshake import Handshaker
from certd.probes.tls_context import Anchors
from certd.system.endpoint import split_endpoint


class TlsProber:
    """Eyes for one proxy.

    Args:
        anchors: What an issuer's certificates must chain to.
        proxy_protocol: Its listeners expect the PROXY protocol before TLS.
    """

    def __init__(self, clock: Clock, anchors: Callable[[str], Anchors], *, proxy_protocol: bool = False) -> None:
        self._clock = clock
        self._anchors = anchors
        self._handshaker = Handshaker(proxy_protocol=proxy_protocol)
        # Addresses where something listened once: only what never did may be skipped with a reason.
        self._answered: set[tuple[str, int]] = set()

    def look(self, endpoints: Sequence[str], domain: str, *, issuer: str = "") -> tuple[Observation, ...]:
        """See ``ports.EndpointProber``."""
        anchors = self._anchors(issuer)
        observations: list[Observation] = []
        for endpoint in endpoints:
            try:
                addresses = resolve_endpoint(endpoint)
            except (OSError, ValueError, UnicodeError) as error:
                because = f"the name cannot be resolved ({error})"
                observations.append(
                    Observation(
                        endpoint=endpoint, address=endpoint, health=Health.BLIND, at=self._clock.now(), because=because
                    )
                )
                continue
            observations += [self._sight(endpoint, address, domain, anchors) for address in addresses]
        return tuple(observations)

    def _sight(self, endpoint: str, address: tuple[str, int], domain: str, anchors: Anchors) -> Observation:
        now = self._clock.now()
        shown = self._handshaker.shake(address, domain, anchors, now)
        if shown.connected:
            self._answered.add(address)
        if shown.wrong and not shown.spoke_tls:
            health = Health.BLIND
        else:
            health = Health.BAD if shown.wrong else Health.GOOD
        host, port = address
        return Observation(
            endpoint=endpoint,
            address=f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
            health=health,
            at=now,
            fingerprint=shown.fingerprint,
            chain=shown.chain,
            not_after=shown.not_after,
            not_before=shown.not_before,
            because=shown.wrong,
            never_answered=shown.refused and address not in self._answered,
        )


def resolve_endpoint(endpoint: str) -> list[tuple[str, int]]:
    """Every address of ``host``, ``host:port`` or ``[v6]:port``. Raises OSError, ValueError."""
    host, port = split_endpoint(endpoint)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((str(address[0]), int(address[1])) for *_, address in found))
