"""A request as it came in, and an answer as it goes out (RFC 9112), bounded and without surprises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote, urlsplit

PLAIN = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
JSON = "application/json; charset=utf-8"

# Everything comes from here; nothing is fetched from elsewhere, no script runs, no page may frame these.
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
ALWAYS = {
    "Cache-Control": "no-store",
    "Connection": "close",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


# Headers that a proxy adds; any "X-Forwarded-..." counts, too.
PASSED_ON = frozenset({"forwarded", "via", "x-real-ip"})


class BadRequest(Exception):
    """What came is no request that certd answers: status and words."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The head of a request; a body is never read.

    Attributes:
        path: Percent-decoded; begins with a slash.
        query: The first value of each name.
        headers: Names in lower case.
        is_local: It came over a Unix socket, or from a loopback address, and no proxy passed it on.
        is_socket: It came over a Unix socket, and no proxy passed it on.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    is_local: bool = True
    is_socket: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer."""

    body: bytes
    status: int = 200
    kind: str = PLAIN
    headers: Mapping[str, str] = field(default_factory=dict)

    def encoded(self, *, with_body: bool = True) -> bytes:
        """The bytes that go out; without the body for HEAD."""
        named = {
            "Content-Type": self.kind,
            "Content-Length": str(len(self.body)),
            **ALWAYS,
            **self.headers,
        }
        head = f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in named.items())
        return head.encode("latin-1", "replace") + b"\r\n" + (self.body if with_body else b"")


def sentence(status: int, words: str, **headers: str) -> Response:
    """A sentence."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status=status, body=f"{words}\n".encode(), headers=named)


def read_head(head: bytes, *, is_local: bool, is_socket: bool) -> Request:
    """Parse a request's head. Raises BadRequest."""
    lines = head.decode("latin-1").replace("\r\n", "\n").split("\n")
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise BadRequest(400, "this is no HTTP/1 request")
    method, target, _ = parts
    if method not in {"GET", "HEAD"}:
        raise BadRequest(405, "everything here is read-only")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not line:
            continue
        if not colon or not name or name != name.strip() or (name.lower() in headers and name.lower() == "host"):
            raise BadRequest(400, "a header that is none")
        headers[name.lower()] = value.strip()
    if not target.startswith("/"):
        raise BadRequest(400, "the target must be a path")
    try:
        # A target that begins with two slashes would be read as a host.
        split = urlsplit(f"http://here{target}")
        path = unquote(split.path, errors="strict")
        query = dict(reversed(parse_qsl(split.query, max_num_fields=20)))
    except ValueError as error:
        raise BadRequest(400, "the target cannot be read") from error
    # A proxy on this machine asks from here, for somebody who may be elsewhere (RFC 7239; RFC 9110 section 7.6.3).
    is_direct = not any(name in PASSED_ON or name.startswith("x-forwarded-") for name in headers)
    return Request(
        method=method,
        path=path,
        query=query,
        headers=headers,
        is_local=is_local and is_direct,
        is_socket=is_socket and is_direct,
    )
