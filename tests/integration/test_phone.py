"""The status page on a phone: nothing is wider than the screen, in light and in the dark, however long its words."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from certd.errors import StoreAway
from certd.store.sqlite import SqliteDatabase
from certd.web import Access, Site, WebServer
from certd.web.site import QUICK
from tests.lab.driving import Browser
from tests.lab.population import CAST, Character, Population
from tests.lab.ports import free_port

pytestmark = pytest.mark.lab("chromium")

WIDTHS = (500, 360)

# 253 octets, the most that a name has (RFC 1035, 2.3.4), in labels of 63, the most that a label has.
LONG = ".".join(("l" * 63, "o" * 63, "n" * 63, "g" * 61))
WORDS = "no-blank-in-it/" * 20

MANY = (
    *CAST,
    Character(name=LONG, labels={"a-label-without-a-blank" * 3: "and-its-value" * 9}, proxies=("nginx", "edge")),
    Character(name="refused.example.com", age=0.9, fails=("unauthorized", WORDS)),
    *(Character(name=f"l{number}.customer-of-ours.example.com", age=number / 30) for number in range(30)),
)

# How wide the screen is, how wide the page, and what reaches over an edge or is cut off in its box.
WIDTH = """
JSON.stringify([document.documentElement.clientWidth, document.documentElement.scrollWidth,
    [...document.querySelectorAll("body, body *")].filter(e => {
        const box = e.getBoundingClientRect();
        const cut = e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display != "inline" && e.clientWidth;
        return !e.closest("svg, input") && (box.right > innerWidth + 0.5 || box.left < 0 || cut);
    }).map(e => e.tagName + "." + e.className + ": " + e.textContent.slice(0, 60))])
"""


@pytest.fixture
def browser() -> Iterator[Browser]:
    with Browser() as made:
        yield made


def check(browser: Browser, url: str, name: str, words: str) -> None:
    """Open it at every width, in light and in the dark; it shows these words and fits the screen."""
    folder = os.environ.get("CERTD_SCREENSHOTS")
    browser.open(url)
    browser.until("document.readyState + ' ' + location.href", f"complete {url}")
    assert words in browser.says("document.body.innerText")
    for width in WIDTHS:
        for dark in (False, True):
            browser.be_a_phone(width, dark=dark)
            # The page may just be asking again by itself.
            found = json.loads(browser.until(WIDTH, "["))
            if folder:
                browser.screenshot(Path(folder) / f"{name}-{width}-{'dark' if dark else 'light'}.png", whole=True)
            assert (name, *found) == (name, width, width, [])


def refused(url: str, accept: str) -> tuple[int, str]:
    """Status and body for who takes this."""
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=30)
    return error.value.code, error.value.read().decode()


@pytest.mark.parametrize(
    ("name", "cast"), [("few", CAST[:2]), ("many", MANY), ("none", ())], ids=["few", "many", "none"]
)
def test_every_page_fits(browser: Browser, tmp_path: Path, name: str, cast: tuple[Character, ...]) -> None:
    """The list with few links, with many and long ones, with none; its second page, a search in vain; each link."""
    population = Population(tmp_path, cast)
    server = population.server()
    base = f"http://127.0.0.1:{server.port}"
    try:
        first = {"few": "1 of 2 links served", "many": "links of 41 need attention", "none": "No links yet"}[name]
        check(browser, f"{base}/", f"list-{name}", first)
        if name == "many":
            check(browser, f"{base}/?page=2", "list-second", "page 2 of 2")
            check(browser, f"{base}/?q={WORDS}", "list-vain", "No link matches")
            for one in (*CAST, *MANY[len(CAST) : len(CAST) + 2]):
                check(browser, f"{base}/links/{one.name}", f"link-{one.name[:20]}", "all links")
    finally:
        server.stop()
        population.close()


def test_pages_with_bad_news_fit(browser: Browser, tmp_path: Path) -> None:
    """The store is away, and nobody can be told: said on the list and on the page of a link, in words without end."""
    population = Population(tmp_path, CAST)

    class Away(SqliteDatabase):
        def reading(self) -> Any:
            raise StoreAway(f"the database says {WORDS}")

    stores = population.stores
    away = Away(population.app.settings.private / "certd.db")
    population.app.stores = replace(stores, bulk_reader=replace(stores.bulk_reader, shared=away))
    population.trouble = f"alarms.webhook: https://{LONG}/{WORDS} answers 500"
    server = population.server()
    base = f"http://127.0.0.1:{server.port}"
    try:
        check(browser, f"{base}/", "list-away", "Nobody can be told of an alarm")
        check(browser, f"{base}/links/link.example.com", "link-away", "the newest")
    finally:
        server.stop()
        population.close()


def test_refusals_fit(tmp_path: Path) -> None:
    """No such page, no such link, no password, a stranger's name for this machine, a password that cannot be read: a
    browser is shown a page, other programs are told the bare sentence, and health stays what probes know.
    """
    population = Population(tmp_path, ())
    plain, locked = population.server(), population.server(password="correct horse")
    site = Site(
        population.vitals, Access(lambda: population.app.secret(f"file:{tmp_path}/{WORDS}")), population.step_counter
    )
    broken = WebServer(f"127.0.0.1:{free_port()}", site.answer, quick=QUICK.__contains__)
    broken.start()
    base = f"http://127.0.0.1:{plain.port}"
    stranger = f"rebound.example:{plain.port}"
    try:
        with Browser(hosts={stranger: f"127.0.0.1:{plain.port}"}) as browser:
            check(browser, f"{base}/nowhere/{WORDS}", "error-path", "There is no such page")
            check(browser, f"{base}/links/{LONG}", "error-link", "there is no such link")
            check(browser, f"http://127.0.0.1:{broken.port}/", "error-broken", "Cannot be shown now")
            check(browser, f"http://{stranger}/", "error-name", "Not shown here")
            population.alive = False
            browser.open(f"{base}/healthz")
            browser.until("document.body.innerText", "nothing has been dispatched")
            assert browser.says("document.contentType") == "text/plain"
        assert refused(f"{base}/links/nobody", "*/*") == (404, "there is no such link\n")
        # A headless browser has no prompt that could be cancelled, and shows a page of its own.
        code, page = refused(f"http://127.0.0.1:{locked.port}/", "text/html,*/*;q=0.8")
        assert (code, "<h1>" in page, "A password is needed" in page) == (401, True, True)
    finally:
        for server in (plain, locked, broken):
            server.stop()
        population.close()
