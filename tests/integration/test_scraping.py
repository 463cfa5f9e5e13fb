"""Many clients that scrape the figures of many links keep nobody from the pages."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.lab.population import Character, Population

CLIENTS = 40
LINKS = 2_000
SECONDS = 8.0


def status(port: int, path: str) -> int:
    """Of the answer; 0 where there is none."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            answer.read()
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@pytest.mark.timeout(240)
def test_forty_clients_scrape_and_every_page_answers(tmp_path: Path) -> None:
    """Scrapes that find no place are told to come again; pages and health never are."""
    population = Population(tmp_path, [Character(name=f"link{n}.example.com") for n in range(LINKS)])
    server = population.server()
    over = threading.Event()
    scraped: list[int] = []

    def scrape() -> None:
        while not over.is_set():
            scraped.append(status(server.port, "/metrics"))

    clients = [threading.Thread(target=scrape, daemon=True) for _ in range(CLIENTS)]
    try:
        for client in clients:
            client.start()
        time.sleep(1.0)
        seen: list[tuple[str, int]] = []
        ends = time.monotonic() + SECONDS
        while time.monotonic() < ends or len(seen) < 6:
            seen += [(path, status(server.port, path)) for path in ("/", "/links/link7.example.com", "/healthz")]
        over.set()
        for client in clients:
            client.join(60)
        assert [each for each in seen if each[1] != 200] == []
        assert 200 in scraped
        assert set(scraped) <= {200, 503}
    finally:
        over.set()
        server.stop()
