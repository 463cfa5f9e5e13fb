"""A vendor's HTTP API: what a silent, odd or refusing answer means, said once for all vendors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlencode

from certd.dns.names import display_name
from certd.errors import DnsRefused, DnsUnreachable, EgressFailed
from certd.model.address import host_of, without_address
from certd.system.endpoint import wrong_with_url

if TYPE_CHECKING:
    from certd.system.egress import Response

DEADLINE_SECONDS = 20.0

# What a vendor may say about a refusal, in a sentence.
MOST_WORDS = 300


class Sender(Protocol):
    """The part of :class:`certd.system.egress.Egress` that a provider uses."""

    def send(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        deadline: float = DEADLINE_SECONDS,
    ) -> Response:
        """One exchange. Raises EgressFailed."""
        ...


def exchange(
    sender: Sender,
    method: str,
    url: str,
    *,
    who: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """One exchange with an API.

    Args:
        who: Names the provider's table and the record, at the front of the error.

    Raises:
        DnsUnreachable: no complete answer, or the server says that it is its own fault, or too busy (429).
    """
    try:
        response = sender.send(method, url, body=body, headers=headers, deadline=DEADLINE_SECONDS)
    except EgressFailed as error:
        raise DnsUnreachable(f"{who}: {host_of(url)} does not answer: {error}", hint=error.hint) from error
    if response.status >= 500 or response.status == 429:
        words = "is too busy" if response.status == 429 else "is out of order"
        raise DnsUnreachable(f"{who}: {host_of(url)} {words} ({response.status}): {words_of(response, url)}")
    return response


def parsed_object(response: Response, who: str, url: str) -> dict[str, object]:
    """The JSON object of an answer.

    Raises:
        DnsUnreachable: it is none; something in between answers for the API.
    """
    try:
        value = json.loads(response.body)
    except (ValueError, RecursionError) as error:
        words = f"{response.status} with something that is not JSON: {words_of(response, url)}"
        raise DnsUnreachable(f"{who}: {host_of(url)} answers {words}") from error
    if not isinstance(value, dict):
        raise DnsUnreachable(f"{who}: {host_of(url)} answers {response.status} with JSON that is no object")
    return value


def with_query(url: str, **query: str) -> str:
    """A URL with its query, escaped."""
    return f"{url}?{urlencode(query)}"


def refused(who: str, words: str, hint: str = "") -> DnsRefused:
    """The vendor said no."""
    return DnsRefused(f"{who}: {words}", hint=hint)


def words_of(response: Response, url: str) -> str:
    """What it said, fit for a sentence, with nothing of the address that it was asked at."""
    words = " ".join(response.body[: MOST_WORDS * 2].decode("utf-8", errors="replace").split())
    return display_name(without_address(words, url), MOST_WORDS)


def judge_url(text: str) -> str:
    """What is wrong with the base URL of an API, in words."""
    if text.startswith(("https://", "http://127.0.0.1", "http://localhost", "http://[::1]")):
        return wrong_with_url(text)
    return "must begin with https://, because credentials are sent there"


def parents(name: str) -> list[str]:
    """A name and what is above it, without the top-level domain: where its zone may be."""
    labels = name.split(".")
    return [".".join(labels[index:]) for index in range(len(labels) - 1)]
