"""One look at the way of a click: where DNS leads, what every address shows, what comes back, and what the e-mail
service answers when it is asked directly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

from certd.clicks.judge import direction_of, wrong_with_answer, wrong_with_click
from certd.clicks.model import ClickLook, ClickSettings, Direction, Leg, Response
from certd.clicks.port import Clicks, Names
from certd.model import Health
from certd.ports import Clock, EndpointProber

MOST_ADDRESSES = 8

# What is not reached by then is left for the next look: one link never holds the others up for long.
LOOK_SECONDS = timedelta(seconds=30)

TLS_PORT, PLAIN_PORT = 443, 80


class ClickPath:
    """Looks.

    Args:
        prober: Sees TLS; with True, by the PROXY protocol.
        resolve: Every address of an endpoint, as ``(host, port)``. Raises OSError, ValueError.
    """

    def __init__(
        self,
        names: Names,
        clicks: Clicks,
        prober: Callable[[bool], EndpointProber],
        clock: Clock,
        resolve: Callable[[str], list[tuple[str, int]]],
    ) -> None:
        self._names = names
        self._clicks = clicks
        self._probers = prober
        self._clock = clock
        self._resolve = resolve

    def look(self, desired: ClickSettings) -> ClickLook:
        """Look at all of it. Never raises for what a network does."""
        end = self._clock.now() + LOOK_SECONDS
        pointing = self._names.seen(desired.host)
        first, words = direction_of(pointing, services=desired.services, target=desired.target, front=desired.front)
        seen = pointing.addresses[:MOST_ADDRESSES] if first is not Direction.SERVICE else ()
        public = [self.shown(desired, f"{_bare(address)}:{TLS_PORT}", True, False) for address in seen]
        direction, words = direction_of(
            pointing,
            legs=public,
            ours=desired.ours,
            target=desired.target,
            services=desired.services,
            front=desired.front,
        )
        own = [
            self.shown(desired, endpoint, False, proxy_protocol)
            for endpoint, proxy_protocol in desired.endpoints
            if self._clock.now() < end
        ]
        if direction is not Direction.HERE:
            # What leads away is not ours to click on.
            public = []
        # An address where nothing listens from the start is none of the proxy's.
        legs = [*public, *(leg for leg in own if not leg.cannot_see)]
        direct: Response | None = None
        upstream = ""
        if desired.esp is not None:
            direct = self.direct(desired)
            upstream = wrong_with_answer(direct, desired.esp)
            if direct.trouble:
                # It may be that only this machine cannot ask it: then what comes through the proxy is all there is.
                upstream = ""
            protocols = dict(desired.endpoints)
            legs = [
                self._clicked(desired, leg, direct, protocols.get(leg.address, False))
                if self._clock.now() < end
                else leg
                for leg in legs
            ]
        return ClickLook(
            at=self._clock.now(),
            pointing=pointing,
            direction=direction,
            words=words,
            legs=tuple(legs),
            upstream=upstream,
            upstream_status=direct.status if direct is not None else 0,
        )

    def direct(self, desired: ClickSettings, *, path: str = "", method: str = "GET", agent: str = "") -> Response:
        """The e-mail service's own answer to the probe for this host."""
        if desired.esp is None:
            return Response(trouble="the link has no e-mail service")
        parts = urlsplit(desired.esp.upstream)
        tls = parts.scheme == "https"
        host = parts.hostname or ""
        port = parts.port or (TLS_PORT if tls else PLAIN_PORT)
        try:
            addresses = self._resolve(f"{_bare(host)}:{port}")
        except (OSError, ValueError) as error:
            return Response(trouble=f"{host} cannot be resolved ({error})")
        answer = Response(trouble=f"{host} has no address")
        for address in addresses[:2]:
            answer = self._clicks.ask(
                desired.reach(address),
                host=desired.host,
                path=path or desired.esp.probe,
                method=method,
                tls=tls,
                name=host,
                issuer="",
                agent=agent,
            )
            if not answer.trouble:
                break
        return answer

    def asked(self, desired: ClickSettings, address: tuple[str, int], host: str) -> Response:
        """The root of another host, at one of its public addresses; its certificate is not judged."""
        return self._clicks.ask(desired.reach(address), host=host, path="/")

    def shown(self, desired: ClickSettings, address: str, is_public: bool, proxy_protocol: bool) -> Leg:
        """What one address shows, judged as a client would. A front's certificate is its own, of any CA."""
        issuer = "" if is_public and desired.front else desired.issuer
        observations = self._probers(proxy_protocol).look([desired.reached(address)], desired.host, issuer=issuer)
        leg = Leg(address=address, is_public=is_public)
        for observation in observations:
            blind = observation.health is Health.BLIND
            leg = Leg(
                address=address,
                is_public=is_public,
                fingerprint=observation.fingerprint,
                not_after=observation.not_after,
                certificate="" if observation.health is Health.GOOD else observation.because,
                cannot_see=blind,
            )
            if observation.health is not Health.GOOD and not (blind and len(observations) > 1):
                break
        return leg

    def _clicked(self, desired: ClickSettings, leg: Leg, direct: Response, proxy_protocol: bool) -> Leg:
        if leg.cannot_see or desired.esp is None:
            return leg
        # The certificate was judged; what comes back is judged whatever it is.
        through = self.through(desired, leg.address, proxy_protocol=proxy_protocol)
        return replace(
            leg,
            click=wrong_with_click(through, direct, desired.esp),
            status=through.status,
            milliseconds=through.milliseconds,
        )

    def through(
        self,
        desired: ClickSettings,
        address: str,
        *,
        tls: bool = True,
        proxy_protocol: bool = False,
        path: str = "",
        method: str = "GET",
        agent: str = "",
    ) -> Response:
        """What comes back through one address, its certificate not judged."""
        answer = Response(trouble=f"{address} cannot be resolved")
        for place in self._places(desired, address):
            answer = self._clicks.ask(
                place,
                host=desired.host,
                path=path or (desired.esp.probe if desired.esp else "/"),
                method=method,
                tls=tls,
                proxy_protocol=proxy_protocol,
                agent=agent,
            )
            if not answer.trouble:
                break
        return answer

    def _places(self, desired: ClickSettings, address: str) -> Iterable[tuple[str, int]]:
        try:
            return self._resolve(desired.reached(address))
        except (OSError, ValueError):
            return ()


def _bare(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
