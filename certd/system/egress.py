"""The way out to HTTP servers: one total deadline, bounded bodies, no redirects, and only the proxy we were told of.

A read timeout does not bound a call: a server that drips one byte a second outlives it for hours. So the guard shuts
the socket at the deadline.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
import requests.adapters
import requests.utils
import urllib3
import urllib3.connection
import urllib3.connectionpool
import urllib3.util.ssl_

from certd.errors import EgressFailed
from certd.system.guard import GUARD, Watched
from certd.system.network import Network
from certd.system.tls_rules import with_our_rules

CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
DEADLINE_SECONDS = 45.0
MOST_BYTES = 1024 * 1024
CONNECTIONS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A complete answer. Header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    links: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Egress:
    """Connections to HTTP servers, kept alive and shared by threads.

    Args:
        ca_file: Trust anchors for these servers alone; empty: the network's.
    """

    def __init__(self, network: Network, *, user_agent: str, ca_file: str = "") -> None:
        self._network = network
        self._session = requests.Session()
        # With trust_env every request parses the environment (16 % of a client's CPU) and reads ~/.netrc.
        self._session.trust_env = False
        self._session.headers.update({"User-Agent": user_agent, "Accept-Encoding": "identity"})
        self._ca_file = ca_file
        self._verify: str | bool = ca_file or network.ca_bundle or True
        adapter = _GuardedAdapter(pool_connections=4, pool_maxsize=CONNECTIONS)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._environment = urllib.request.getproxies() if not network.https_proxy else {}

    def send(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        deadline: float = DEADLINE_SECONDS,
        most: int = MOST_BYTES,
    ) -> Response:
        """One exchange.

        Args:
            deadline: Seconds for everything: connecting, sending, and the last byte of the answer.
            most: A longer body is an error.

        Raises:
            EgressFailed: no complete answer; ``message`` says why without the host, which the caller names.
        """
        try:
            with GUARD.watch(deadline) as watched:
                _here.watched = watched
                try:
                    return self._exchange(method, url, body, headers or {}, deadline, most)
                except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                    if watched.is_over:
                        raise EgressFailed(f"no complete answer within {deadline:g} s") from error
                    raise EgressFailed(in_words(error), hint=hint_for(error, self._ca_file)) from error
        finally:
            _here.watched = None

    def _exchange(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], deadline: float, most: int
    ) -> Response:
        with self._session.request(
            method,
            url,
            data=body,
            headers=dict(headers),
            stream=True,
            allow_redirects=False,
            timeout=(min(CONNECT_SECONDS, deadline), min(READ_SECONDS, deadline)),
            verify=self._verify,
            proxies=self._proxies(url),
        ) as answer:
            content = bytearray()
            for chunk in answer.iter_content(16384):
                content += chunk
                if len(content) > most:
                    raise EgressFailed(f"the answer is longer than {most // 1024} KiB")
            links: dict[str, tuple[str, ...]] = {}
            for link in requests.utils.parse_header_links(answer.headers.get("Link", "")):
                links[link.get("rel", "")] = (*links.get(link.get("rel", ""), ()), link["url"])
            named = {name.lower(): value for name, value in answer.headers.items()}
            return Response(status=answer.status_code, headers=named, body=bytes(content), links=links)

    def _proxies(self, url: str) -> dict[str, str]:
        network = self._network
        no_proxy = network.no_proxy or self._environment.get("no", "")
        # Given its own list, requests does not look at the environment's.
        if no_proxy and requests.utils.should_bypass_proxies(url, no_proxy):
            return {}
        if network.https_proxy:
            return {"https": network.https_proxy, "http": network.https_proxy}
        return {scheme: self._environment[scheme] for scheme in ("https", "http") if scheme in self._environment}

    def close(self) -> None:
        """Shut idle connections."""
        self._session.close()


def in_words(error: Exception) -> str:
    """What a library's exception means to an operator."""
    text = str(error)
    # No word of a library's reaches an operator: these repeat the path of the request, which may hold a token, or the
    # first bytes of an answer, which may echo it.
    if isinstance(error, requests.exceptions.ProxyError):
        return "the HTTP proxy does not let it through"
    if isinstance(error, requests.exceptions.SSLError):
        return f"its certificate is not trusted, or this is not TLS{_ending(_tls_reason(error))}"
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "it does not accept connections (timed out)"
    if "NameResolutionError" in text or "getaddrinfo" in text:
        return "its name cannot be resolved"
    if "Connection refused" in text:
        return "it refuses connections"
    if isinstance(error, requests.exceptions.ReadTimeout):
        return f"it is silent for {READ_SECONDS:g} s"
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.MissingSchema):
        return "this is no URL"
    system = next((each.strerror for each in _causes(error) if isinstance(each, OSError) and each.strerror), "")
    return f"the connection failed ({type(error).__name__}){_ending(system)}"


def _ending(words: str) -> str:
    return f": {words}" if words else ""


def _tls_reason(error: Exception) -> str:
    """What OpenSSL says, which knows of no request."""
    for each in _causes(error):
        if isinstance(each, ssl.SSLCertVerificationError) and each.verify_message:
            return str(each.verify_message)
        if isinstance(each, ssl.SSLError) and each.reason:
            return str(each.reason)
    return ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and all that it was made of: by cause, by context, by reason or as an argument."""
    waiting, seen = [error], set()
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        parts = (each.__cause__, each.__context__, getattr(each, "reason", None), *each.args)
        waiting += [part for part in parts if isinstance(part, BaseException)]


def hint_for(error: Exception, ca_file: str = "") -> str:
    """The way out, where there is one."""
    if isinstance(error, requests.exceptions.SSLError) and ca_file:
        return f"has its root changed? then put the new one into {ca_file}; certd goes on by itself"
    if isinstance(error, requests.exceptions.SSLError):
        return "a private CA's server needs ca_file, an intercepting proxy needs network.ca_bundle"
    if isinstance(error, requests.exceptions.ProxyError):
        return "see network.https_proxy and network.no_proxy"
    return ""


class _Here(threading.local):
    watched: Watched | None = None


_here = _Here()


def _attach(connection: Any) -> None:
    twin = getattr(connection, "certd_twin", None)
    if _here.watched is not None and twin is not None:
        _here.watched.sockets.append(twin)


class _Twin:
    """Mixed into a connection: a duplicate of its socket, which stays valid when TLS wraps the first."""

    certd_twin: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        made: socket.socket = super()._new_conn()  # type: ignore[misc]
        self._drop_twin()
        self.certd_twin = socket.socket(fileno=os.dup(made.fileno()))
        _attach(self)
        return made

    def request(self, *args: Any, **kwargs: Any) -> None:
        _attach(self)
        super().request(*args, **kwargs)  # type: ignore[misc]

    def close(self) -> None:
        self._drop_twin()
        super().close()  # type: ignore[misc]

    def _drop_twin(self) -> None:
        if self.certd_twin is not None:
            self.certd_twin.close()
            self.certd_twin = None


class _GuardedHTTPS(_Twin, urllib3.connection.HTTPSConnection):
    pass


class _GuardedHTTP(_Twin, urllib3.connection.HTTPConnection):
    pass


class _HTTPSPool(urllib3.connectionpool.HTTPSConnectionPool):
    ConnectionCls = _GuardedHTTPS


class _HTTPPool(urllib3.connectionpool.HTTPConnectionPool):
    ConnectionCls = _GuardedHTTP


def _client_context() -> ssl.SSLContext:
    """One for each pool: the trust anchors are those of its egress."""
    return with_our_rules(urllib3.util.ssl_.create_urllib3_context())


class _GuardedAdapter(requests.adapters.HTTPAdapter):
    """requests over connections that the guard can shut."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=_client_context(), **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, ssl_context=_client_context(), **kwargs)
        manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
        return manager
