"""What a browser is shown where there is no page: the same sentence that programs get, readable on a phone, too."""

from __future__ import annotations

from dataclasses import replace
from html import escape

from certd.web.access import OPEN
from certd.web.exchange import HTML, PLAIN, Request, Response
from certd.web.markup import document

REFRESH_SECONDS = 30

HEADLINES = {401: "A password is needed", 403: "Not shown here", 404: "There is no such page"}


def as_error_page(request: Request, response: Response) -> Response:
    """A refusal or a fault as a page for who asks for HTML, as browsers do; every other answer, and health, as it
    is.
    """
    asks = "text/html" in request.headers.get("accept", "") and request.path not in OPEN
    if response.status < 400 or response.kind != PLAIN or not asks:
        return response
    headline = HEADLINES.get(response.status, "Cannot be shown now")
    words = escape(response.body.decode().strip())
    home = '<footer><a href="/">all links</a></footer>' if response.status not in {401, 403} else ""
    body = (
        f'<header class="top bad"><p class="brand">certd</p><h1><span class="dot"></span>{headline}</h1></header>'
        f'<main><p class="notice">{words}</p></main>{home}'
    )
    # What is away may be back; what is refused stays refused.
    again = REFRESH_SECONDS if response.status >= 500 else 0
    page = document(f"{headline} · certd", body, refresh=again)
    return replace(response, body=page.encode(), kind=HTML)
