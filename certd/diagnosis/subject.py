"""What is examined: a link of the configuration, or a bare host; and the evidence, gathered once for all checks."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from certd.clicks.judge import direction_of
from certd.clicks.look import ClickPath
from certd.clicks.model import ClickFacts, ClickLook, ClickSettings, Direction, Leg, Pointing
from certd.clicks.model import Response as HttpResponse
from certd.clicks.port import Names
from certd.diagnosis.dns_facts import Examiner
from certd.model import Certificate, Deployment, LineageFacts
from certd.pki.trust import Trust
from certd.ports import ProxyTarget
from certd.probes.endpoints import resolve_endpoint
from certd.probes.inspection import Inspection, inspect

T = TypeVar("T")

PROBE_AGENT = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A proxy that the link is on, here.

    Attributes:
        kind: Such as ``nginx``.
        on_disk: The certificate that its pointer names; None where there is none or it cannot be read.
    """

    name: str
    kind: str
    target: ProxyTarget
    deployment: Deployment
    on_disk: Certificate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What is known of a link of the configuration.

    Attributes:
        blind: Why the state cannot be read; empty where it can.
        identities: What CAA records call its CA.
        challenge: How the names are validated: ``dns-01``, ``dns-persist-01`` or ``auto``.
        account: The URL of our account with its CA; empty where there is none yet.
        domains: The names of its certificate.
        own_zones: Where the validation name may point at: the responder's zones.
        has_alarms: Somebody would be told.
        store_obstacles: Why a store cannot be written.
        is_cdn: A CDN of its own rules about keys is before us.
    """

    blind: str = ""
    facts: LineageFacts | None = None
    places: tuple[Place, ...] = ()
    trust: Trust | None = None
    identities: tuple[str, ...] = ()
    challenge: str = "auto"
    account: str = ""
    domains: tuple[str, ...] = ()
    own_zones: tuple[str, ...] = ()
    has_alarms: bool = False
    store_obstacles: tuple[str, ...] = ()
    is_cdn: bool = False
    clicks: ClickFacts | None = None
    associations: Mapping[str, str] = field(default_factory=dict)
    user: str = ""


# A label that no zone has a record for: only a wildcard answers.
UNKNOWN = "certd-check"


class Subject:
    """One host.

    Args:
        chart: None for a host without a configuration.
        owner: SendGrid's second record of the link branding, where the operator names it.
        sample: A real tracked link of a mail, where the operator gives one.
    """

    def __init__(
        self,
        desired: ClickSettings,
        way: ClickPath,
        names: Names,
        dns: Examiner,
        now: Callable[[], datetime],
        *,
        chart: Chart | None = None,
        owner: str = "",
        sample: str = "",
    ) -> None:
        self.desired = desired
        self.way = way
        self.names = names
        self.dns = dns
        self.now = now
        self.chart = chart
        self.owner = owner
        self.sample = sample
        self._lock = threading.Lock()
        self._known: dict[tuple[object, ...], _Once] = {}

    def _once(self, key: tuple[object, ...], call: Callable[[], T]) -> T:
        with self._lock:
            known = self._known.setdefault(key, _Once())
        found: T = known.get(call)
        return found

    # ------------------------------------------------------------------------------------ evidence

    def seen(self) -> Pointing:
        """What the resolvers say."""
        return self._once(("seen",), lambda: self.names.seen(self.desired.host))

    def unknown_names(self) -> tuple[Pointing, Pointing]:
        """What the resolvers say of a name below the host, and of one beside it, that nobody has a record for."""
        host = self.desired.host
        parent = host.partition(".")[2]
        below, beside = f"{UNKNOWN}.{host}", f"{UNKNOWN}.{parent}"
        return self._once(("unknown",), lambda: (self.names.seen(below), self.names.seen(beside)))

    def everywhere(self) -> tuple[Pointing, ...]:
        """What the authoritative servers say."""
        return self._once(("everywhere",), lambda: self.names.everywhere(self.desired.host))

    def look(self) -> ClickLook:
        """The whole way."""
        return self._once(("look",), lambda: self.way.look(self.desired))

    def is_at_service(self) -> bool:
        """Whether DNS leads to an e-mail service: then what its addresses show is not ours to judge."""
        direction, _ = direction_of(self.seen(), services=self.desired.services, target=self.desired.target)
        return direction is Direction.SERVICE

    def addresses(self) -> list[tuple[str, bool]]:
        """Where the link is served, and whether by the PROXY protocol: what DNS says, unless that is the e-mail
        service; then, and where it says nothing, the endpoints of the proxies here.
        """
        public = [] if self.is_at_service() else [_port(address, 443) for address in self.seen().addresses]
        return [(address, False) for address in public] or self._own()

    def places_of_ours(self) -> list[tuple[str, bool]]:
        """Where our certificate must be: behind a front that ends TLS itself, at the endpoints of the proxies alone."""
        return self._own() if self.desired.front else self.addresses()

    def _own(self) -> list[tuple[str, bool]]:
        return [(endpoint, flag) for endpoint, flag in self.desired.endpoints if not self._is_empty(endpoint, flag)]

    def _is_empty(self, endpoint: str, flag: bool) -> bool:
        """A default endpoint where nothing ever listened is none."""
        return len(self.desired.endpoints) > 1 and self.shown(endpoint, flag).refused

    def shown(
        self,
        address: str,
        proxy_protocol: bool = False,
        *,
        sni: bool = True,
        most: ssl.TLSVersion | None = None,
        least: ssl.TLSVersion | None = None,
        attempt: int = 0,
    ) -> Inspection:
        """What one address shows; the same handshake is made once, another ``attempt`` is another one."""

        def call() -> Inspection:
            name = self.desired.host if sni else ""
            try:
                places = resolve_endpoint(self.desired.reached(address))
            except (OSError, ValueError, UnicodeError) as error:
                return Inspection(trouble=f"cannot be resolved ({error})")
            found = Inspection(trouble="it has no address")
            for place in places:
                found = inspect(place, name, most=most, least=least, proxy_protocol=proxy_protocol)
                if not found.trouble:
                    break
            return found

        return self._once(("shown", address, proxy_protocol, sni, most, least, attempt), call)

    def leg(self, address: str, proxy_protocol: bool) -> Leg:
        """What one address shows, judged as a client would."""
        return self._once(
            ("leg", address, proxy_protocol), lambda: self.way.shown(self.desired, address, True, proxy_protocol)
        )

    def through(self, path: str = "", *, tls: bool = True, method: str = "GET", agent: str = "") -> HttpResponse:
        """A request through the first address that answers."""

        def call() -> HttpResponse:
            found = HttpResponse(trouble="there is no address to ask")
            for address, flag in self.addresses():
                place = address if tls else self._plain_of(address)
                found = self.way.through(
                    self.desired, place, tls=tls, proxy_protocol=flag, path=path, method=method, agent=agent
                )
                if not found.trouble:
                    break
            return found

        return self._once(("through", path, tls, method, agent), call)

    def _plain_of(self, address: str) -> str:
        """Where the same address listens for plain HTTP: by its proxy's ``listen``, else port 80."""
        return self.desired.plain.get(address, _port(address.rpartition(":")[0].strip("[]"), 80))

    def direct(self, path: str = "", *, method: str = "GET", agent: str = "") -> HttpResponse:
        """The same of the e-mail service itself."""
        return self._once(
            ("direct", path, method, agent),
            lambda: self.way.direct(self.desired, path=path, method=method, agent=agent),
        )


class _Once:
    """Gathered by whoever comes first; the others wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._has: list[Any] = []

    def get(self, call: Callable[[], Any]) -> Any:
        with self._lock:
            if not self._has:
                self._has.append(call())
            return self._has[0]


def _port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
