"""The query of a webhook's address reaches the server by the real apprise package."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest

from certd.alarms.apprise import OWN_KEYS, Service
from certd.model import Alarm, Level, Notice, Secret

pytest.importorskip("apprise")

SENT = {
    "a token": ("token=x", {"token": "x"}),
    "two, and apprise's own between them": ("token=x&method=put&Room=Ops", {"token": "x", "Room": "Ops"}),
    "signs that are escaped": ("sig=a%2Fb%2B%3D%25c%26d&e=", {"sig": "a/b+=%c&d", "e": ""}),
    "a key that is escaped": ("api%5Fkey=1", {"api_key": "1"}),
    "as apprise wants it": ("-token=x&%2DRoom=Ops", {"token": "x", "Room": "Ops"}),
    "none": ("", {}),
}


class Hook(HTTPServer):
    """Remembers the addresses that it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), Answer)


class Answer(BaseHTTPRequestHandler):
    """200 to everything."""

    def do_POST(self) -> None:
        assert isinstance(self.server, Hook)
        self.server.asked.append(self.path)
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.send_response(200)
        self.end_headers()

    def do_PUT(self) -> None:
        self.do_POST()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def hook() -> Iterator[Hook]:
    """One server."""
    with Hook() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize("scheme", ["json", "form", "xml"])
@pytest.mark.parametrize("name", SENT)
def test_a_query_reaches_the_server(hook: Hook, scheme: str, name: str) -> None:
    """apprise drops each parameter that it does not know; its own keep their meaning."""
    query, wanted = SENT[name]
    url = f"{scheme}://127.0.0.1:{hook.server_port}/hook" + (f"?{query}" if query else "")
    alarm = Alarm(cause="c", subject="s", level=Level.NOTE, words="w")
    Service(lambda: Secret(url), "lab", "apprise[0]").tell(Notice(alarm=alarm, since=datetime.now(UTC)))
    (asked,) = hook.asked
    assert urlsplit(asked).path == "/hook"
    assert dict(parse_qsl(urlsplit(asked).query, keep_blank_values=True)) == wanted


def test_the_keys_of_apprise_are_known() -> None:
    """Of the release that the suite runs."""
    library = importlib.import_module("apprise")
    for scheme in ("json", "form", "xml"):
        assert set(library.Apprise.instantiate(f"{scheme}://127.0.0.1/").template_args) <= OWN_KEYS
