"""Requests to the status page: what is read of them, and who may see what."""

from __future__ import annotations

import base64

import pytest

from certd.errors import CertdError
from certd.model import Secret
from certd.web.access import Access
from certd.web.exchange import BadRequest, Request, Response, read_head

HEADS = {
    "a page": (b"GET / HTTP/1.1\r\nHost: a", ("/", {})),
    "escaped": (b"GET /links/a%2Fb%20c?q=x%26y HTTP/1.1", ("/links/a/b c", {"q": "x&y"})),
    "the first of two": (b"GET /?q=1&q=2 HTTP/1.0", ("/", {"q": "1"})),
    "two slashes are a path": (b"GET //evil.example/x HTTP/1.1", ("//evil.example/x", {})),
    "dots are no way up": (b"GET /links/../../etc/passwd HTTP/1.1", ("/links/../../etc/passwd", {})),
    "bare line feeds": (b"GET /healthz HTTP/1.1\nHost: a", ("/healthz", {})),
}

WRONG = {
    "nothing": (b"", 400),
    "noise": (b"\x16\x03\x01\x02\x00\x01\x00", 400),
    "another protocol": (b"GET / SPDY/3", 400),
    "a proxy's target": (b"GET http://evil.example/ HTTP/1.1", 400),
    "a change": (b"POST / HTTP/1.1", 405),
    "a tunnel": (b"CONNECT 10.0.0.1:22 HTTP/1.1", 405),
    "no UTF-8": (b"GET /%ff%fe HTTP/1.1", 400),
    "many fields": (b"GET /?" + b"&".join(b"a=%d" % n for n in range(50)) + b" HTTP/1.1", 400),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b", 400),
    "a space before the colon": (b"GET / HTTP/1.1\r\nHost : a", 400),
    "a header without colon": (b"GET / HTTP/1.1\r\nnonsense", 400),
}


@pytest.mark.parametrize("case", HEADS)
def test_what_is_read(case: str) -> None:
    """Path and query, decoded once, and nothing more."""
    head, expected = HEADS[case]
    request = read_head(head, is_local=True, is_socket=False)
    assert (request.path, dict(request.query)) == expected


@pytest.mark.parametrize("case", WRONG)
def test_what_is_refused(case: str) -> None:
    """With a status of its own."""
    head, status = WRONG[case]
    with pytest.raises(BadRequest) as refused:
        read_head(head, is_local=True, is_socket=False)
    assert refused.value.status == status


def basic(text: str) -> dict[str, str]:
    """An Authorization header."""
    return {"authorization": "Basic " + base64.b64encode(text.encode()).decode()}


WITHOUT = {
    "this machine, by address": (Request(method="GET", path="/", headers={"host": "127.0.0.1:9180"}), 200),
    "this machine, by IPv6": (Request(method="GET", path="/", headers={"host": "[::1]:9180"}), 200),
    "this machine, by its usual name": (Request(method="GET", path="/", headers={"host": "LocalHost:9180"}), 200),
    "no host": (Request(method="GET", path="/"), 200),
    "a name that was made to lead here": (Request(method="GET", path="/", headers={"host": "evil.example:9180"}), 403),
    "a host that is none": (Request(method="GET", path="/", headers={"host": "<script>"}), 403),
    "a Unix socket, whatever the host": (
        Request(method="GET", path="/", headers={"host": "status.example"}, is_socket=True),
        200,
    ),
    "elsewhere": (Request(method="GET", path="/", headers={"host": "192.0.2.1"}, is_local=False), 403),
    "a link from elsewhere": (Request(method="GET", path="/links/a", is_local=False), 403),
    "data from elsewhere": (Request(method="GET", path="/links.json", is_local=False), 403),
    "health from elsewhere": (Request(method="GET", path="/healthz", is_local=False), 200),
    "readiness from elsewhere": (Request(method="GET", path="/readyz", is_local=False), 200),
    "figures from elsewhere": (
        Request(method="GET", path="/metrics", headers={"host": "evil.example"}, is_local=False),
        200,
    ),
}

WITH = {
    "the password, any user": (Request(method="GET", path="/", headers=basic("me:s3cret"), is_local=False), 200),
    "an empty user": (Request(method="GET", path="/", headers=basic(":s3cret"), is_local=False), 200),
    "with a name": (
        Request(method="GET", path="/", headers={"host": "status.example"} | basic("a:s3cret"), is_local=False),
        200,
    ),
    "none": (Request(method="GET", path="/", is_local=False), 401),
    "none, this machine": (Request(method="GET", path="/"), 401),
    "another": (Request(method="GET", path="/", headers=basic("me:s3cre"), is_local=False), 401),
    "the user's": (Request(method="GET", path="/", headers=basic("s3cret:me"), is_local=False), 401),
    "no colon": (Request(method="GET", path="/", headers=basic("s3cret"), is_local=False), 401),
    "no base64": (Request(method="GET", path="/", headers={"authorization": "Basic %%%"}, is_local=False), 401),
    "another scheme": (Request(method="GET", path="/", headers={"authorization": "Bearer s3cret"}), 401),
    "umlauts": (Request(method="GET", path="/", headers=basic("me:größe"), is_local=False), 401),
    "health needs none": (Request(method="GET", path="/healthz", is_local=False), 200),
}


FIGURES = {
    "the figures' password": (Request(method="GET", path="/metrics", headers=basic("p:scrape"), is_local=False), 200),
    "the pages' password": (Request(method="GET", path="/metrics", headers=basic("p:s3cret"), is_local=False), 401),
    "none": (Request(method="GET", path="/metrics", is_local=False), 401),
    "none, this machine": (Request(method="GET", path="/metrics"), 401),
    "a page with the figures' password": (Request(method="GET", path="/", headers=basic("p:scrape")), 401),
    "a page with its own": (Request(method="GET", path="/", headers=basic("p:s3cret")), 200),
    "health needs none": (Request(method="GET", path="/healthz", is_local=False), 200),
}


def status(refused: Response | None) -> int:
    """200 where nothing is refused."""
    return 200 if refused is None else refused.status


@pytest.mark.parametrize("case", WITHOUT)
def test_without_a_password(case: str) -> None:
    """Pages are for this machine, and for nobody whose name was made to lead to it."""
    request, expected = WITHOUT[case]
    assert status(Access().refusal(request)) == expected


@pytest.mark.parametrize("case", WITH)
def test_with_a_password(case: str) -> None:
    """It is asked of everybody, for everything but health, readiness and figures."""
    request, expected = WITH[case]
    refused = Access(lambda: Secret("s3cret\n")).refusal(request)
    assert status(refused) == expected
    if refused is not None:
        assert refused.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize("case", FIGURES)
def test_with_a_password_for_the_figures(case: str) -> None:
    """Whoever scrapes sees no page by it, and whoever sees the pages needs another one for the figures."""
    request, expected = FIGURES[case]
    refused = Access(lambda: Secret("s3cret"), lambda: Secret("scrape\n")).refusal(request)
    assert status(refused) == expected
    if refused is not None and request.path == "/metrics":
        assert b"certd.metrics_password" in refused.body


def test_an_empty_password_for_the_figures() -> None:
    """It lets nobody in."""
    request = Request(method="GET", path="/metrics", headers=basic("p:"), is_local=True)
    assert status(Access(None, lambda: Secret("")).refusal(request)) == 503


@pytest.mark.parametrize(
    "header", ["Forwarded: for=192.0.2.7", "X-Forwarded-For: 192.0.2.7", "X-Real-IP: 192.0.2.7", "Via: 1.1 edge"]
)
@pytest.mark.parametrize("is_socket", [False, True])
def test_a_forwarded_request_is_not_local(header: str, is_socket: bool) -> None:
    """A proxy on this machine passes on what comes from elsewhere: without a password it sees no page."""
    request = read_head(f"GET / HTTP/1.1\r\nHost: localhost\r\n{header}".encode(), is_local=True, is_socket=is_socket)
    assert status(Access().refusal(request)) == 403
    direct = read_head(b"GET / HTTP/1.1\r\nHost: localhost", is_local=True, is_socket=is_socket)
    assert status(Access().refusal(direct)) == 200


def test_a_password_that_cannot_be_read_opens_nothing() -> None:
    """Neither does an empty one."""

    def missing() -> Secret:
        raise CertdError("file:page-password: there is no such file")

    request = Request(method="GET", path="/", headers=basic("a:"))
    assert status(Access(missing).refusal(request)) == 503
    assert status(Access(lambda: Secret("\n")).refusal(request)) == 503
