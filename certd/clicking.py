"""One look at the way of a click: where DNS leads, what every address shows, what comes back, and what the e-mail
service answers when it is asked directly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

from certd.model import ClickLook, ClickWish, Direction, Health, Leg, Response
from certd.planning.clicking import direction_of, wrong_with_answer, wrong_with_click
from certd.ports import Clicks, Clock, Eyes, Names

MOST_ADDRESSES = 8

# What is not reached by then is left for the next look: one link never holds the others up for long.
LOOK_SECONDS = timedelta(seconds=30)

TLS_PORT, PLAIN_PORT = 443, 80


class ClickWay:
    """Looks.

    Args:
        eyes: Sees TLS; with True, by the PROXY protocol.
        resolve: Every address of an endpoint, as ``(host, port)``. Raises OSError, ValueError.
    """

    def __init__(
        self, names: Names, clicks: Clicks, eyes: Callable[[bool], Eyes], clock: Clock,
        resolve: Callable[[str], list[tuple[str, int]]],
    ) -> None:  # fmt: skip
        self._names = names
        self._clicks = clicks
        self._eyes = eyes
        self._clock = clock
        self._resolve = resolve

    def look(self, wish: ClickWish) -> ClickLook:
        """Look at all of it. Never raises for what a network does."""
        end = self._clock.now() + LOOK_SECONDS
        pointing = self._names.seen(wish.host)
        first, words = direction_of(pointing, services=wish.services, target=wish.target, front=wish.front)
        seen = pointing.addresses[:MOST_ADDRESSES] if first is not Direction.SERVICE else ()
        public = [self.shown(wish, f"{_bare(address)}:{TLS_PORT}", True, False) for address in seen]
        direction, words = direction_of(
            pointing, legs=public, ours=wish.ours, target=wish.target, services=wish.services, front=wish.front
        )
        own = [
            self.shown(wish, endpoint, False, proxy_protocol)
            for endpoint, proxy_protocol in wish.endpoints
            if self._clock.now() < end
        ]
        if direction is not Direction.HERE:
            # What leads away is not ours to click on.
            public = []
        # An address where nothing listens from the start is none of the proxy's.
        legs = [*public, *(leg for leg in own if not leg.cannot_see)]
        direct: Response | None = None
        upstream = ""
        if wish.esp is not None:
            direct = self.direct(wish)
            upstream = wrong_with_answer(direct, wish.esp)
            if direct.trouble:
                # It may be that only this machine cannot ask it: then what comes through the proxy is all there is.
                upstream = ""
            protocols = dict(wish.endpoints)
            legs = [
                self._clicked(wish, leg, direct, protocols.get(leg.address, False)) if self._clock.now() < end else leg
                for leg in legs
            ]
        return ClickLook(
            at=self._clock.now(), pointing=pointing, direction=direction, words=words, legs=tuple(legs),
            upstream=upstream, upstream_status=direct.status if direct is not None else 0,
        )  # fmt: skip

    def direct(self, wish: ClickWish, *, path: str = "", method: str = "GET", agent: str = "") -> Response:
        """The e-mail service's own answer to the probe for this host."""
        if wish.esp is None:
            return Response(trouble="the link has no e-mail service")
        parts = urlsplit(wish.esp.upstream)
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
                wish.reach(address),
                host=wish.host,
                path=path or wish.esp.probe,
                method=method,
                tls=tls,
                name=host,
                issuer="",
                agent=agent,
            )
            if not answer.trouble:
                break
        return answer

    def asked(self, wish: ClickWish, address: tuple[str, int], host: str) -> Response:
        """The root of another host, at one of its public addresses; its certificate is not judged."""
        return self._clicks.ask(wish.reach(address), host=host, path="/")

    def shown(self, wish: ClickWish, address: str, is_public: bool, proxy_protocol: bool) -> Leg:
        """What one address shows, judged as a client would. A front's certificate is its own, of any CA."""
        issuer = "" if is_public and wish.front else wish.issuer
        sights = self._eyes(proxy_protocol).look([wish.reached(address)], wish.host, issuer=issuer)
        leg = Leg(address=address, is_public=is_public)
        for sight in sights:
            blind = sight.health is Health.BLIND
            leg = Leg(
                address=address, is_public=is_public, fingerprint=sight.fingerprint, not_after=sight.not_after,
                certificate="" if sight.health is Health.GOOD else sight.because, cannot_see=blind,
            )  # fmt: skip
            if sight.health is not Health.GOOD and not (blind and len(sights) > 1):
                break
        return leg

    def _clicked(self, wish: ClickWish, leg: Leg, direct: Response, proxy_protocol: bool) -> Leg:
        if leg.cannot_see or wish.esp is None:
            return leg
        # The certificate was judged; what comes back is judged whatever it is.
        through = self.through(wish, leg.address, proxy_protocol=proxy_protocol)
        return replace(
            leg, click=wrong_with_click(through, direct, wish.esp), status=through.status,
            milliseconds=through.milliseconds,
        )  # fmt: skip

    def through(
        self, wish: ClickWish, address: str, *, tls: bool = True, proxy_protocol: bool = False, path: str = "",
        method: str = "GET", agent: str = "",
    ) -> Response:  # fmt: skip
        """What comes back through one address, its certificate not judged."""
        answer = Response(trouble=f"{address} cannot be resolved")
        for place in self._places(wish, address):
            answer = self._clicks.ask(
                place, host=wish.host, path=path or (wish.esp.probe if wish.esp else "/"), method=method, tls=tls,
                proxy_protocol=proxy_protocol, agent=agent,
            )  # fmt: skip
            if not answer.trouble:
                break
        return answer

    def _places(self, wish: ClickWish, address: str) -> Iterable[tuple[str, int]]:
        try:
            return self._resolve(wish.reached(address))
        except (OSError, ValueError):
            return ()


def _bare(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
