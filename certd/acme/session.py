"""Signed requests to one ACME server (RFC 8555 section 6), and its answers told apart: usable, a problem, or none."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from acme import jws
from josepy import b64
from josepy.jwk import JWK

from certd.acme.account_keys import algorithm_of
from certd.acme.messages import parse_problem
from certd.acme.nonces import NoncePool
from certd.acme.trace import trace_failure, trace_request, trace_response
from certd.errors import AcmeProblem, AcmeRequest, AcmeUnreachable, EgressFailed
from certd.model.address import host_of
from certd.system.egress import Egress, Response
from certd.system.http_headers import date_of, retry_after_of

# Pebble refuses one nonce in twenty by default; at one in two, twenty tries fail once in a million.
NONCE_TRIES = 20

DIRECTORY_SECONDS = 3600.0
MOST_JSON = 256 * 1024
MOST_NONCE = 256

# A request and its repetitions by further nonces; a server that refuses each of them slowly is given up then.
POST_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs: the account's key, and its URL once it is known (RFC 8555 section 6.2)."""

    key: JWK
    kid: str | None = None


class Session:
    """The conversation with one directory. Safe to use from several threads.

    Args:
        name: The issuer's name, for sentences.
        allowed_hosts: Hosts beside that of the directory where the server's resources may be.
    """

    def __init__(self, name: str, directory_url: str, egress: Egress, *, allowed_hosts: Sequence[str] = ()) -> None:
        self.name = name
        self.directory_url = directory_url
        self._host = host_of(directory_url)
        self._scheme, self._home = _scheme_and_host(directory_url)
        self._allowed = frozenset(map(_folded, allowed_hosts))
        self._egress = egress
        self._nonces = NoncePool()
        self._lock = threading.Lock()
        self._directory: Mapping[str, Any] | None = None
        self._read_at = 0.0
        self._ahead = (timedelta(0), 0.0)

    def directory(self) -> Mapping[str, Any]:
        """The directory object (RFC 8555 section 7.1.1), kept for an hour.

        Raises:
            AcmeUnreachable: there is none, or what is there is something else.
        """
        with self._lock:
            known, read_at = self._directory, self._read_at
        if known is not None and time.monotonic() - read_at < DIRECTORY_SECONDS:
            return known
        try:
            body = self.read_json(self.get(self.directory_url))
            for needed in ("newNonce", "newAccount", "newOrder"):
                if not isinstance(body.get(needed), str):
                    raise self._unusable("answers with something that is no ACME directory")
                self._judge_url(body[needed])
        except AcmeProblem as problem:
            raise self._unusable(f"refuses its directory: {problem.detail}", problem.retry_after) from problem
        except AcmeUnreachable:
            if known is not None:
                # The directory hardly ever changes; what is known serves until the new one can be had.
                return known
            raise
        with self._lock:
            self._directory, self._read_at = body, time.monotonic()
        return body

    def url_of(self, resource: str) -> str:
        """The URL of a directory resource; empty where the server does not offer it."""
        url = self.directory().get(resource, "")
        return url if isinstance(url, str) else ""

    def meta(self) -> Mapping[str, Any]:
        """The directory's metadata."""
        meta = self.directory().get("meta", {})
        return meta if isinstance(meta, dict) else {}

    def wrong_with(self, url: str) -> tuple[str, str]:
        """What is wrong with a URL that the server gives, and the way out; both empty where nothing is.

        It must lead to the directory's host, on any port, or to an allowed one, and there by HTTPS. Plain HTTP is for
        the host of a directory that is itself at plain HTTP. Else a CA could have certd send requests into the
        operator's own network.
        """
        scheme, host = _scheme_and_host(url)
        if scheme == "https" and host in {self._home, *self._allowed}:
            return "", ""
        if scheme == self._scheme and host == self._home:
            return "", ""
        if scheme != "https":
            return f"gives a URL that is none, at {host_of(url)[:100]!r}", ""
        hint = f'if {host} is the CA\'s, add "{host}" to issuer.{self.name}.allowed_hosts'
        return f"leads to another host, {host[:253]}, which issuer.{self.name}.allowed_hosts does not name", hint

    def get(self, url: str) -> Response:
        """An unsigned GET. Raises AcmeProblem, AcmeUnreachable."""
        trace_request(self.name, "GET", url)
        return self._judged(self._send("GET", url))

    def post(
        self,
        url: str,
        payload: bytes,
        signer: Signer,
        *,
        most: int = MOST_JSON,
        request: AcmeRequest = AcmeRequest.UNKNOWN,
    ) -> Response:
        """A signed POST; with an empty payload a POST-as-GET. A refused nonce is replaced by the one in the refusal.

        Args:
            most: Bytes of the answer at most.
            request: What it asks for; a refusal is judged by it.

        Raises:
            AcmeProblem: the server's own problem document.
            AcmeUnreachable: no usable answer.
        """
        headers = {"Content-Type": "application/jose+json"}
        self._judge_url(url)
        give_up_at = time.monotonic() + POST_SECONDS
        for tries_left in reversed(range(NONCE_TRIES)):
            nonce = self._nonces.take() or self._new_nonce()
            body = self._signed(payload, signer, nonce, url)
            trace_request(self.name, "POST", url, payload)
            response = self._send("POST", url, body=body, headers=headers, most=most)
            try:
                return self._judged(response, request)
            except AcmeProblem as problem:
                if problem.type != "badNonce" or not tries_left or time.monotonic() >= give_up_at:
                    raise
        raise AssertionError("the last try returns or raises")

    def read_json(self, response: Response) -> dict[str, Any]:
        """The body as an object. Raises AcmeUnreachable for HTML, an empty page, a list."""
        try:
            body = json.loads(response.body)
        except (ValueError, RecursionError) as error:
            kind = response.headers.get("content-type", "nothing") or "nothing"
            raise self._unusable(f"answers {response.status} with {kind} instead of JSON") from error
        if not isinstance(body, dict):
            raise self._unusable("answers JSON that is no object")
        return body

    def clock_ahead(self, *, no_older_than: timedelta | None = None) -> timedelta:
        """How far the server's clock is ahead of ours by its last Date header; zero where there was none."""
        with self._lock:
            ahead, at = self._ahead
        if no_older_than is not None and time.monotonic() - at >= no_older_than.total_seconds():
            with contextlib.suppress(AcmeUnreachable):
                self._exchange("GET", self.directory_url)
            with self._lock:
                ahead, _ = self._ahead
        return ahead

    def _note_date(self, response: Response) -> None:
        said = date_of(response)
        if said is not None:
            with self._lock:
                self._ahead = (said - datetime.now(UTC), time.monotonic())

    def close(self) -> None:
        """Shut idle connections."""
        self._egress.close()

    # ------------------------------------------------------------------------------------ inside

    def _signed(self, payload: bytes, signer: Signer, nonce: str, url: str) -> bytes:
        try:
            octets = b64.b64decode(nonce)
        except (ValueError, TypeError) as error:
            raise self._unusable("gives a nonce that is not base64url") from error
        signed = jws.JWS.sign(
            payload, key=signer.key, alg=algorithm_of(signer.key), nonce=octets, url=url, kid=signer.kid
        )
        text: str = signed.json_dumps()
        return text.encode()

    def _new_nonce(self) -> str:
        url = self.url_of("newNonce")
        response = self._judged(self._exchange("HEAD", url))
        nonce = response.headers.get("replay-nonce", "")
        if not nonce or len(nonce) > MOST_NONCE:
            raise self._unusable("gives no nonce")
        return nonce

    def _send(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        most: int = MOST_JSON,
    ) -> Response:
        response = self._exchange(method, url, body=body, headers=headers, most=most)
        nonce = response.headers.get("replay-nonce", "")
        if nonce and len(nonce) <= MOST_NONCE:
            self._nonces.put(nonce)
        return response

    def _exchange(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        most: int = MOST_JSON,
    ) -> Response:
        self._judge_url(url)
        try:
            response = self._egress.send(method, url, body=body, headers=headers, most=most)
        except EgressFailed as error:
            trace_failure(self.name, url, str(error))
            host = host_of(url)
            raise AcmeUnreachable(f"{self.name} ({host}): {error}", hint=error.hint) from error
        trace_response(self.name, url, response)
        self._note_date(response)
        return response

    def _judge_url(self, url: str) -> None:
        """Nothing is sent to a URL that ``wrong_with`` refuses."""
        wrong, hint = self.wrong_with(url)
        if wrong:
            raise self._unusable(wrong, hint=hint)

    def _judged(self, response: Response, request: AcmeRequest = AcmeRequest.UNKNOWN) -> Response:
        status = response.status
        if 200 <= status < 300:
            return response
        wait = retry_after_of(response)
        if 300 <= status < 400:
            raise self._unusable(f"redirects to {host_of(response.headers.get('location', ''))}")
        problem = parse_problem(response, request)
        # A load balancer's 502 to 504, and any page that is no problem document, say nothing about the order.
        if problem is None or status in {502, 503, 504}:
            words = problem.detail if problem is not None else response.headers.get("content-type", "no content type")
            raise self._unusable(f"answers {status} ({words[:200]})", wait)
        raise problem

    def _unusable(self, words: str, retry_after: timedelta | None = None, *, hint: str = "") -> AcmeUnreachable:
        return AcmeUnreachable(f"{self.name} ({self._host}) {words}", hint=hint, retry_after=retry_after)


def _scheme_and_host(url: str) -> tuple[str, str]:
    """Both empty for what is no URL, and for what two libraries read as two hosts: a user, a backslash."""
    if any(not "!" <= letter <= "~" or letter == "\\" for letter in url):
        return "", ""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return "", ""
    return ("", "") if "@" in parts.netloc or not host else (parts.scheme, _folded(host))


def _folded(host: str) -> str:
    return host.lower().removesuffix(".")
