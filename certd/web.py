"""What machines ask of the daemon over HTTP: is it alive, is it ready, and figures for Prometheus."""

from __future__ import annotations

import contextlib
import os
import socket
import socketserver
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from certd.errors import CertdError
from certd.standing import Standing, State
from certd.system.endpoint import split_endpoint

READ_SECONDS = 5.0
PLAIN = "text/plain; charset=utf-8"
METRICS = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Views:
    """What the pages are made of.

    Attributes:
        is_alive: Dispatching goes on.
        trouble: Why nobody could be told of an alarm; empty when somebody could.
        standings: Every link.
        lanes_away: Lanes that are away, with the reason.
        now: Aware UTC.
    """

    is_alive: Callable[[], bool]
    trouble: Callable[[], str]
    standings: Callable[[], list[Standing]]
    lanes_away: Callable[[], dict[str, str]]
    now: Callable[[], datetime]


class Figures:
    """A Prometheus collector that reads the store at each scrape."""

    def __init__(self, views: Views) -> None:
        self._views = views

    def collect(self) -> Iterable[Metric]:
        """The metrics."""
        standings = self._views.standings()
        expiry = GaugeMetricFamily(
            "certd_certificate_not_after_seconds", "End of the newest certificate, epoch seconds", labels=["link"]
        )
        served = GaugeMetricFamily(
            "certd_served", "1 where the newest certificate was seen served on every endpoint", labels=["link", "proxy"]
        )
        served_until = GaugeMetricFamily(
            "certd_served_not_after_seconds", "Earliest end of what an endpoint shows, epoch seconds",
            labels=["link", "proxy"],
        )  # fmt: skip
        failed = GaugeMetricFamily("certd_link_failed", "1 where the last try failed", labels=["link"])
        failures = GaugeMetricFamily("certd_failures", "Failures in a row", labels=["link"])
        for one in standings:
            link = one.link.name
            if one.facts.current is not None:
                expiry.add_metric([link], one.facts.current.not_after.timestamp())
            failed.add_metric([link], float(one.state is State.FAILED))
            failures.add_metric([link], one.facts.attempt.failures + one.facts.attempt.dns_failures)
            for proxy, deployment in one.deployments:
                served.add_metric([link, proxy], float(deployment.is_verified))
                ends = [sight.not_after.timestamp() for sight in deployment.sights if sight.not_after is not None]
                if ends:
                    served_until.add_metric([link, proxy], min(ends))
        away = GaugeMetricFamily(
            "certd_lane_away", "1 for a CA, a name server or a proxy that is away", labels=["lane"]
        )
        for lane in self._views.lanes_away():
            away.add_metric([lane], 1.0)
        yield from (expiry, served, served_until, failed, failures, away)


class WebServer:
    """Listens on ``host:port`` or ``unix:/path``; one thread, one request at a time, each with a deadline."""

    def __init__(self, listen: str, views: Views) -> None:
        self._listen = listen
        self._views = views
        self._server: socketserver.BaseServer | None = None

    def start(self) -> None:
        """Listen and answer. Raises CertdError where the address cannot be had."""
        registry = CollectorRegistry()
        registry.register(Figures(self._views))
        views = self._views

        class Handler(BaseHTTPRequestHandler):
            timeout = READ_SECONDS

            def do_GET(self) -> None:
                try:
                    status, kind, body = answer(self.path, views, registry)
                except CertdError as error:
                    status, kind, body = 503, PLAIN, f"{error}\n".encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                self.send_header("X-Content-Type-Options", "nosniff")
                self.end_headers()
                self.wfile.write(body)

            def address_string(self) -> str:
                return "client"

            def log_message(self, format: str, *args: object) -> None:
                """Nobody wants a line for each scrape."""

        try:
            self._server = _listening(self._listen, Handler)
        except (OSError, ValueError) as error:
            raise CertdError(
                f"certd.listen: cannot listen on {self._listen}: {error}", hint='listen = "" switches it off'
            ) from error
        threading.Thread(target=self._server.serve_forever, name="web", daemon=True).start()

    @property
    def port(self) -> int:
        """The TCP port; 0 for a Unix socket."""
        address = self._server.server_address if self._server is not None else ("", 0)
        return int(address[1]) if isinstance(address, tuple) else 0

    def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


def answer(path: str, views: Views, registry: CollectorRegistry) -> tuple[int, str, bytes]:
    """Status, content type and body."""
    match path.partition("?")[0]:
        case "/healthz":
            if not views.is_alive():
                return 503, PLAIN, b"nothing has been dispatched for too long\n"
            if trouble := views.trouble():
                return 503, PLAIN, f"alive, but nobody can be told of an alarm: {trouble}\n".encode()
            return 200, PLAIN, b"alive\n"
        case "/readyz":
            # Ready before the first certificate: readiness never waits for a CA.
            return 200, PLAIN, b"ready\n"
        case "/metrics":
            return 200, METRICS, generate_latest(registry)
        case _:
            return 404, PLAIN, b"here are /healthz, /readyz and /metrics\n"


def _listening(listen: str, handler: type[BaseHTTPRequestHandler]) -> HTTPServer:
    if listen.startswith("unix:"):
        path = listen.removeprefix("unix:")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        server = _UnixServer(path, handler, bind_and_activate=False)  # type: ignore[arg-type]
        server.server_bind()
        server.server_activate()
        return server
    host, port = split_endpoint(listen)
    kind = _SixServer if ":" in host else _Server
    return kind((host, port), handler)


class _Server(HTTPServer):
    allow_reuse_address = True


class _SixServer(_Server):
    address_family = socket.AF_INET6


class _UnixServer(HTTPServer):
    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "certd", 0
