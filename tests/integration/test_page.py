"""The status page, as a browser shows it and as programs read it."""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from certd.daemon.peer_report import tell_others
from certd.store.reports import Reports
from certd.store.seal import new_seal_key
from certd.store.sqlite import SqliteDatabase
from certd.web import WebServer
from tests.lab.browser import document, screenshot
from tests.lab.population import CAST, Character, Population
from tests.lab.postgresql import PostgreSQL


@pytest.fixture
def population(tmp_path: Path) -> Iterator[Population]:
    made = Population(tmp_path)
    yield made
    made.close()


@pytest.fixture
def server(population: Population) -> Iterator[WebServer]:
    made = population.server()
    yield made
    made.stop()


def get(server: WebServer, path: str, **headers: str) -> tuple[int, str]:
    """Status and body."""
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def data(server: WebServer, path: str) -> dict[str, Any]:
    """A JSON document's body."""
    status, text = get(server, path)
    assert status == 200
    body: dict[str, Any] = json.loads(text)
    assert body["version"] == 1
    return dict(body[body["kind"]])


def test_every_link_is_there_the_worst_first(server: WebServer) -> None:
    """Name, state, bar, what each proxy serves, the next step and why."""
    status, page = get(server, "/")
    assert status == 200
    for one in CAST:
        assert f'href="/links/{one.name}"' in page
    assert "6 links of 9 need attention" in page
    assert page.index("e.late.example") < page.index("go.news.example") < page.index("link.example.com")
    assert page.count('<svg class="life') == len(CAST) - 1
    assert "sll" in page  # the proxy's own words
    assert "serves it on 2 of 2 addresses" in page
    assert "renewal at" in page


def test_what_comes_from_outside_is_text(server: WebServer) -> None:
    """A label, a search, a path never become markup."""
    _, page = get(server, "/?q=%3Cscript%3Ealert(2)%3C/script%3E&state=%22x&label=%22%3E%3Cb%3E")
    assert "<script" not in page
    assert "&lt;script&gt;alert(2)" in page
    assert "<script" not in get(server, "/")[1]
    status, words = get(server, "/links/%3Cscript%3E")
    assert (status, words) == (404, "there is no such link\n")


def test_the_bar_shows_now_window_and_end(server: WebServer, population: Population) -> None:
    """In thousandths of the life."""
    _, page = get(server, "/links/link.example.com")
    (svg,) = re.findall(r"<svg.*?</svg>", page)
    now = float(re.findall(r'class="now" x1="([0-9.]+)"', svg)[0])
    window = float(re.findall(r'class="window" x="([0-9.]+)"', svg)[0])
    renewal = float(re.findall(r'class="renewal" x1="([0-9.]+)"', svg)[0])
    assert 299 <= now <= 301
    assert window == 655
    assert renewal == 665
    assert "valid from" in svg


def test_what_clients_see_counts_more_than_what_is_there(server: WebServer) -> None:
    """An endpoint that still shows an older one gives the date on top."""
    _, page = get(server, "/links/track.travel.example")
    assert "an older one of ours" in page
    assert "is not served yet" in page
    assert "Clients saw it end" in page
    _, stranger = get(server, "/links/mail.bank.example")
    assert "one that is not ours" in stranger


def test_the_way_of_a_click(server: WebServer) -> None:
    """Where DNS leads, what comes back, and what you can do; a link that waits for its CNAME alarms nobody."""
    _, page = get(server, "/")
    assert "well on 1 of 1 address, 302 in 84 ms" in page
    assert "<b>not well</b>: DNS leads to the e-mail service, sendgrid.net, for 3 looks" in page
    assert "not ready, waiting for the CNAME" in page
    _, good = get(server, "/links/link.example.com")
    assert "edge.example.com → 203.0.113.7" in good
    assert "asked directly: 302, as expected" in good
    _, bad = get(server, "/links/mail.bank.example")
    assert "You can: point the link&#x27;s CNAME at your proxy again" in bad


def test_search_filters_labels(server: WebServer) -> None:
    """Each alone and together; what is not known is as if it were not there."""

    def names(query: str) -> set[str]:
        return {link["link"] for link in data(server, f"/links.json?{query}")["links"]}

    assert names("q=shop") == {"click.shop.example"}
    assert names("q=bcher") == {"_wildcard.many.example"}
    assert names("q=BRAND%3Dblue") == {"link.example.com", "click.shop.example"}
    assert names("label=brand%3Dblue&state=served") == {"link.example.com"}
    assert len(names("state=attention")) == 6
    assert len(names("state=nonsense&page=x")) == len(CAST)
    assert names("q=nothing-like-it") == set()
    assert "No link matches" in get(server, "/?q=nothing-like-it")[1]


def test_json_beside_the_page(server: WebServer) -> None:
    """What ``status --json`` says, and the history."""
    link = data(server, "/links/go.news.example.json")
    assert link["last_error"]["kind"] == "rateLimited"
    assert link["history"][0]["what"] == "issued"
    assert link["attention"] is True
    assert data(server, "/links.json")["attention"] == 6
    for text in (get(server, "/links.json")[1], get(server, "/links/link.example.com")[1]):
        assert "PRIVATE KEY" not in text
        assert "sealed" not in text


def test_a_password(population: Population) -> None:
    """Pages need it; health and figures do not."""
    server = population.server(password="correct horse")
    try:
        assert get(server, "/")[0] == 401
        assert get(server, "/links/link.example.com.json")[0] == 401
        assert get(server, "/", Authorization="Basic b3BzOmNvcnJlY3QgaG9yc2U=")[0] == 200
        assert get(server, "/healthz") == (200, "alive\n")
        assert get(server, "/metrics")[0] == 200
    finally:
        server.stop()


def test_health(population: Population, server: WebServer) -> None:
    """Red when nothing is dispatched, and when nobody can be told of an alarm."""
    assert get(server, "/healthz") == (200, "alive\n")
    population.trouble = "alarms.webhook: it answers 500"
    status, words = get(server, "/healthz")
    assert status == 503
    # Which part is unwell, and no word more: whoever reaches the address reads this.
    assert words == "alive, but nobody can be told of an alarm\n"
    assert "Nobody can be told of an alarm" in get(server, "/")[1]
    population.trouble, population.alive = "", False
    assert get(server, "/healthz")[0] == 503
    assert get(server, "/readyz") == (200, "ready\n")


def test_the_shared_store_is_away(population: Population, server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this node knows is shown, and that the rest is not known."""
    from dataclasses import replace

    from certd.errors import StoreAway

    class Away(SqliteDatabase):
        def reading(self) -> Any:
            raise StoreAway("the database does not answer")

    away = Away(population.app.settings.private / "certd.db")
    population.app.stores = replace(population.stores, bulk_reader=replace(population.stores.bulk_reader, shared=away))
    _, page = get(server, "/")
    assert "The shared store" in page
    assert "the database does not answer" in page
    assert "serves it on 2 of 2 addresses" in page
    assert '<svg class="life' in page


@pytest.mark.lab("postgresql")
def test_what_other_nodes_serve(tmp_path: Path) -> None:
    """Nodes that share a store tell each other; the page of a link shows all of them, and who is silent."""
    (tmp_path / "seal").write_text(new_seal_key().reveal())
    with PostgreSQL() as database:
        store = database.make("seeing")
        population = Population(tmp_path / "one", CAST[:4], certd=f'store = "{store}"\nseal = "file:{tmp_path}/seal"')
        tell_others(population.app)
        shared = population.stores.lineages.database
        other = Reports(shared, "proxy-2")
        (told, *_) = other.of_others(["link.example.com"])["link.example.com"]
        assert (told.node, told.report.is_verified) == ("proxy-1", True)
        deployments = population.stores.bulk_reader.deployments({"link.example.com": ("link.example.com",)})
        other.tell([("nginx", deployments["link.example.com"]["nginx"])])
        server = population.server()
        try:
            _, page = get(server, "/links/link.example.com")
            assert "Other nodes" in page
            assert "proxy-2: <b>nginx</b>" in page
            (node,) = data(server, "/links/link.example.com.json")["other_nodes"]
            assert (node["node"], node["served"]) == ("proxy-2", True)
            with shared.writing() as transaction:
                transaction.execute("UPDATE node SET heard_at = heard_at - 3600 WHERE name = ?", "proxy-2")
            assert "not heard of since" in get(server, "/links/link.example.com")[1]
        finally:
            server.stop()
            population.close()


@pytest.mark.lab("chromium")
def test_in_a_browser(server: WebServer, tmp_path: Path) -> None:
    """Chromium draws it on a screen, on a phone and in the dark, and has nothing to complain of."""
    folder = Path(os.environ.get("CERTD_SCREENSHOTS", tmp_path))
    base = f"http://127.0.0.1:{server.port}"
    complaints = [
        screenshot(f"{base}/", folder / "list.png"),
        screenshot(f"{base}/", folder / "list-phone.png", width=500, height=1500),
        screenshot(f"{base}/", folder / "list-dark.png", dark=True),
        screenshot(f"{base}/links/link.example.com", folder / "link.png"),
    ]
    text, complaint = document(f"{base}/links/track.travel.example")
    assert "an older one of ours" in text
    assert [*complaints, complaint] == [""] * 5
    sizes = {path.name: path.stat().st_size for path in folder.glob("*.png")}
    assert all(size > 20_000 for size in sizes.values()), sizes


def test_ten_thousand_links(tmp_path: Path) -> None:
    """A page is made of a few statements for hundreds of links, never of one for each."""
    cast = [
        Character(name=f"l{n}.example.com", age=(n % 60) / 100, labels={"brand": f"b{n % 7}"}) for n in range(10_000)
    ]
    population = Population(tmp_path, cast)
    statements = 0
    try:
        for database in {
            id(d): d for d in (population.stores.bulk_reader.shared, population.stores.bulk_reader.own)
        }.values():
            original = database.reading

            def counted(original: Any = original) -> Any:
                nonlocal statements
                statements += 1
                return original()

            database.reading = counted  # type: ignore[method-assign]
        server = population.server()
        found = data(server, "/links.json?label=brand%3Db3&page=2")
        assert found["count"] == 10_000
        assert found["found"] == sum(n % 7 == 3 for n in range(10_000))
        assert len(found["links"]) == 25
        assert statements < 200
        _, page = get(server, "/?page=400")
        assert "page 400 of 400, 10,000 links" in page
        assert len(page) < 200_000
        status, figures = get(server, "/metrics")
        assert status == 200
        assert figures.count("\ncertd_served{") == 10_000
        server.stop()
    finally:
        population.close()
