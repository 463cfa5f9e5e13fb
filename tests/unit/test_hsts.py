"""A parent's HSTS, by RFC 6797's rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from certd.errors import EgressFailed
from certd.probes.hsts import StrictParents, includes_subdomains

HEADERS = {
    "max-age=31536000; includeSubDomains": True,
    "includesubdomains; MAX-AGE=600; preload": True,
    'max-age="600";includeSubDomains': True,
    "max-age=31536000": False,
    "max-age=0; includeSubDomains": False,
    "includeSubDomains": False,
    "": False,
    "max-age=abc; includeSubDomains": False,
}


@pytest.mark.parametrize("header", HEADERS)
def test_headers(header: str) -> None:
    """A table of headers."""
    assert includes_subdomains(header) is HEADERS[header]


@dataclass
class Answer:
    headers: Mapping[str, str]


@dataclass
class Hosts:
    """Some hosts, and who was asked."""

    answers: Mapping[str, str]
    asked: list[str] = field(default_factory=list)

    def send(self, method: str, url: str, *, deadline: float = 5.0) -> Answer:
        self.asked.append(url)
        if url not in self.answers:
            raise EgressFailed("it refuses connections")
        return Answer({"strict-transport-security": self.answers[url]})


def test_parents_are_asked_once_an_hour() -> None:
    """Every parent but the top-level domain; the name itself is not asked; who does not answer has none."""
    hosts = Hosts({"https://example.com/": "max-age=600; includeSubDomains"})
    now = [0.0]
    strict = StrictParents(lambda: hosts, monotonic=lambda: now[0])
    assert strict.of("link.mail.example.com") == ("example.com",)
    assert hosts.asked == ["https://mail.example.com/", "https://example.com/"]
    assert strict.of("other.example.com") == ("example.com",)
    assert len(hosts.asked) == 2
    now[0] = 3601.0
    assert strict.of("other.example.com") == ("example.com",)
    assert len(hosts.asked) == 3


@pytest.mark.parametrize("age", ["²", "9" * 5000, "٣", ""])
def test_an_age_that_is_no_number(age: str) -> None:
    """A stranger's header ends no look at CAA."""
    assert includes_subdomains(f"max-age={age}; includeSubDomains") == (age[:1] == "9")
